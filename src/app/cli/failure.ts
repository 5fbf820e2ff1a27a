/** Prints errors for people: one line that says what was found, and one that says what to do. */
import { rootCause } from "#kit/errors.ts";
import { plainError } from "../plain-error.ts";
import { Exit } from "./command.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim();

/** Prints an error and its hint, each on one line; also the stack if errors are debugged. */
export const printFailure = ({ err, debug }: Terminal, error: unknown): void => {
  const { message, hint } = plainError(error);
  err.line(`${err.paint("red", "ferrule:")} ${oneLine(message)}`);
  err.line(`${err.paint("bold", "hint:")} ${oneLine(hint)}`);
  if (debug && error instanceof Error && error.stack !== undefined)
    for (const line of error.stack.split("\n")) err.line(line);
};

/** The exit code for an error. */
export const exitFor = (error: unknown): Exit =>
  rootCause(error) instanceof WrongUsage ? Exit.wrongUsage : Exit.failed;
