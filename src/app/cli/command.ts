/** A command as data: what it is called, what it takes, how it is explained, what it does. */
import type { Operand, Option, Options, Values } from "./arguments.ts";
import type { Needs } from "./lesser.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** How a command ends, as the shell sees it. */
export const Exit = { done: 0, failed: 1, wrongUsage: 2 } as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

export interface Call<O extends Options> {
  readonly values: Values<O>;
  /** As many as the command has operands. */
  readonly operands: readonly string[];
  readonly terminal: Terminal;
}

export interface Command<O extends Options = Options> {
  /** The words that choose it: "up", "model chips". */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What a reader of `--help` needs to know beyond the summary; may be several paragraphs. */
  readonly about: string;
  readonly operands: readonly Operand[];
  readonly options: O;
  readonly examples: readonly string[];
  /** For a command that stays: what it uses of root's rights. */
  needs?(call: Pick<Call<O>, "values" | "operands">): Needs;
  /** It takes its words apart itself: none is an option, but a first one that asks for help. */
  readonly ownWords?: true;
  /** Resolves with the exit code. */
  run(call: Call<O>): Promise<number>;
}

/** Keeps the options' types while the command is written down. */
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
