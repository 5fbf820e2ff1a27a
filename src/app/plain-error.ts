/** Errors in a form that can be sent to other threads and over sockets. */
import { rootCause } from "#kit/errors.ts";
import { refusalOf } from "#sys/errno.ts";
import { bugTracker } from "./manifest.ts";

export interface PlainError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

const unexpectedHint = (): string =>
  `This is a bug in Ferrule. Run it again with FERRULE_DEBUG=1 and report what it prints: ${bugTracker()}`;

/** Converts an error. If a clean-up failed after it, the original error is converted. */
export const plainError = (error: unknown): PlainError => {
  const cause = rootCause(error);
  if (!(cause instanceof Error)) return { code: "UNKNOWN", message: String(cause), hint: unexpectedHint() };
  const { code, hint } = cause as { code?: unknown; hint?: unknown };
  if (typeof hint === "string" && hint !== "")
    return { code: typeof code === "string" ? code : "INTERNAL", message: cause.message, hint };
  // An error in which Node or the engine reports that the system refused something is not a bug.
  const refusal = refusalOf(cause);
  if (refusal !== undefined) return { ...refusal, message: cause.message };
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: `${cause.name}: ${cause.message}`,
    hint: unexpectedHint(),
  };
};
