/** JSON for programs in which every field is there: what is not known, or has no limit, is null. */

/** The same value with null for what JSON would leave out or cannot say. */
export const withNulls = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_name, each: unknown) => (each === undefined ? null : each)));
