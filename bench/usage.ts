/** Wrong arguments of the benches' programs. */

export class WrongUsage extends Error {}

/** True for `WrongUsage`, and for the errors that Node's `parseArgs` throws. */
export const isWrongUsage = (error: unknown): error is Error =>
  error instanceof WrongUsage ||
  (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));

/** Parses the number of an option. */
export const whole =
  (flag: string, min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new WrongUsage(`--${flag} ${text}: expected a whole number from ${min} to ${max}`);
  };
