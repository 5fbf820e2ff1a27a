/** Errors for people: one line that says what was found, and one that says what to do. */
import { rootCause } from "#kit/errors.ts";
import { plainError } from "../plain-error.ts";
import { Exit } from "./command.ts";
import type { Stream } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim();

/** The lines for an error; with its stack when `debug` is set. */
export const failureLines = (error: unknown, stream: Stream, debug: boolean): readonly string[] => {
  const { message, hint } = plainError(error);
  return [
    `${stream.paint("red", "ferrule:")} ${oneLine(message)}`,
    `${stream.paint("bold", "hint:")} ${oneLine(hint)}`,
    ...(debug && error instanceof Error && error.stack !== undefined ? error.stack.split("\n") : []),
  ];
};

/** The exit code for an error. */
export const exitFor = (error: unknown): Exit =>
  rootCause(error) instanceof WrongUsage ? Exit.wrongUsage : Exit.failed;
