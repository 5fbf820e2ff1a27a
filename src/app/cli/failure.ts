/** Errors as people see them: one line that says what was seen, one that says what to do. */
import { FerruleError } from "#kit/errors.ts";
import { Exit } from "./command.ts";
import type { Stream } from "./terminal.ts";
import { WrongUsage } from "./usage.ts";

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim();

const UNEXPECTED_HINT = "This is a mistake in Ferrule. Run it again with FERRULE_DEBUG=1 and report what it prints.";

const hintOf = (error: unknown): string => {
  if (error instanceof FerruleError) return error.hint;
  const hint = (error as { hint?: unknown } | null | undefined)?.hint;
  return typeof hint === "string" && hint !== "" ? hint : UNEXPECTED_HINT;
};

const messageOf = (error: unknown): string => {
  if (error instanceof FerruleError) return oneLine(error.message);
  if (error instanceof Error) return oneLine(`${error.name}: ${error.message}`);
  return oneLine(String(error));
};

/** The lines for an error; with its stack when `debug` is set. */
export const failureLines = (error: unknown, stream: Stream, debug: boolean): readonly string[] => [
  `${stream.paint("red", "ferrule:")} ${messageOf(error)}`,
  `${stream.paint("bold", "hint:")} ${oneLine(hintOf(error))}`,
  ...(debug && error instanceof Error && error.stack !== undefined ? [error.stack] : []),
];

/** The exit code an error stands for. */
export const exitFor = (error: unknown): Exit => (error instanceof WrongUsage ? Exit.wrongUsage : Exit.failed);
