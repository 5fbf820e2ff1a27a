/** JSON with every field present: unknown or unlimited values are null. */

/** Copies a value, and replaces by null what JSON would omit or cannot represent. */
export const withNulls = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_name, each: unknown) => (each === undefined ? null : each)));
