/** Arguments of operations on a NIC. A module of its own: commands that only ask load it without the driver. */

/** What crosses a socket as an argument: nothing deeper. */
export type Argument = Readonly<Record<string, number | string | boolean | readonly number[]>>;

const KEYS_MOST = 64;
const NUMBERS_MOST = 1024;

const isPlain = (value: unknown): boolean =>
  typeof value === "string" ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.length <= NUMBERS_MOST && value.every((each) => Number.isFinite(each)));

/** Whether what came from a socket has an argument's form. What it says, each operation checks. */
export const isArgument = (value: unknown): value is Argument => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length <= KEYS_MOST && values.every(isPlain);
};
