/**
 * Arguments of operations on a NIC. They have a module of their own, so that commands that only send requests need not
 * load the driver.
 */

/** An argument as sent over a socket: values with names. A value may be a list of numbers, but not an object. */
export type Argument = Readonly<Record<string, number | string | boolean | readonly number[]>>;

const MAX_KEYS = 64;
const MAX_NUMBERS = 1024;

const isPlain = (value: unknown): boolean =>
  typeof value === "string" ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.length <= MAX_NUMBERS && value.every((each) => Number.isFinite(each)));

/** Whether a value received from a socket has the form of an argument. The operation itself checks the contents. */
export const isArgument = (value: unknown): value is Argument => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length <= MAX_KEYS && values.every(isPlain);
};
