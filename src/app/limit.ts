/** Waits with a time limit, so that a command never waits forever. */
import { FerruleError } from "#kit/errors.ts";

/** A wait has timed out. */
export class TookTooLong extends FerruleError {
  readonly code = "TOOK_TOO_LONG";
  readonly hint: string;
  readonly limitMillis: number;
  constructor(what: string, limitMillis: number, hint: string) {
    super(`${what} took longer than ${limitMillis / 1000} s`);
    this.limitMillis = limitMillis;
    this.hint = hint;
  }
}

/**
 * Waits for `promise`, with a limit. At the limit the work behind the promise is not stopped, so the caller must
 * release its resources.
 *
 * @throws {TookTooLong} after `limitMillis`; and whatever `promise` rejects with
 */
export const within = async <T>(
  promise: Promise<T>,
  what: string,
  limitMillis: number,
  hint = "The machine may be overloaded: try again.",
): Promise<T> => {
  const { promise: limit, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new TookTooLong(what, limitMillis, hint)), limitMillis);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
};
