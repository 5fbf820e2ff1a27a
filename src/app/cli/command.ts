/** A command as data: name, options, help text, function. */
import type { Operand, Option, Options, Values } from "./arguments.ts";
import type { Needs } from "./drop-capabilities.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** Exit codes of a command. */
export const Exit = { done: 0, failed: 1, wrongUsage: 2 } as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

export interface Call<O extends Options> {
  readonly values: Values<O>;
  /** The words given for the operands. */
  readonly operands: readonly string[];
  readonly terminal: Terminal;
}

export interface Command<O extends Options = Options> {
  /** The words that select the command, such as "up" or "model chips". */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What a reader of `--help` needs to know beyond the summary; may be several paragraphs. */
  readonly about: string;
  readonly operands: readonly Operand[];
  readonly options: O;
  readonly examples: readonly string[];
  /** The capabilities and paths that the command uses; only for commands that keep running. */
  needs?(call: Pick<Call<O>, "values" | "operands">): Needs;
  /** The command parses its words itself. Only a request for help, at the beginning, is recognised as an option. */
  readonly ownWords?: true;
  /** Resolves with the exit code. */
  run(call: Call<O>): Promise<number>;
}

/** Defines a command; the types of its options are preserved. */
export const command = <const O extends Options>(definition: Command<O>): Command<O> => definition;

export const JSON_OPTION = { kind: "flag", summary: "print JSON instead of text" } as const satisfies Option;

/** Prints a result as JSON, one document with a closing newline. */
export const printJson = (terminal: Terminal, value: unknown): void =>
  JSON.stringify(value, undefined, 2)
    .split("\n")
    .forEach((line) => terminal.out.line(line));

/** Prints lines of text as a result. */
export const printLines = (terminal: Terminal, lines: readonly string[]): void =>
  lines.forEach((line) => terminal.out.line(line));
