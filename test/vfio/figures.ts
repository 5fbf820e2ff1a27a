/** Statistics of measured values. */

/** @throws {RangeError} for an empty list */
export const median = (values: readonly number[]): number => {
  if (values.length === 0) throw new RangeError("an empty list has no median");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
