/** Arguments of operations on a NIC. A separate module: commands that only send requests load it without the driver. */

/** The form of an argument that crosses a socket: no deeper nesting. */
export type Argument = Readonly<Record<string, number | string | boolean | readonly number[]>>;

const KEYS_MOST = 64;
const NUMBERS_MOST = 1024;

const isPlain = (value: unknown): boolean =>
  typeof value === "string" ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.length <= NUMBERS_MOST && value.every((each) => Number.isFinite(each)));

/** Whether a value received from a socket has the form of an argument. Each operation checks the contents itself. */
export const isArgument = (value: unknown): value is Argument => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length <= KEYS_MOST && values.every(isPlain);
};
