/** The programs behind `npm run`: their options, help and errors are those of `ferrule`. */
import { parseArguments, type Operand, type Options, type Values } from "#app/cli/arguments.ts";
import { Exit, printLines } from "#app/cli/command.ts";
import { exitFor, printFailure } from "#app/cli/failure.ts";
import { commandHelp, usageLine } from "#app/cli/help.ts";
import { processTerminal } from "#app/terminal/terminal.ts";

export interface Program<O extends Options> {
  /** Name of the program's script in package.json. */
  readonly name: string;
  readonly summary: string;
  readonly about: string;
  readonly operands: readonly Operand[];
  readonly options: O;
  readonly examples: readonly string[];
}

/** Prints the error and sets the exit code: 2 for wrong usage, else 1. */
export const giveUp = (error: unknown): void => {
  printFailure(processTerminal(), error);
  process.exitCode = exitFor(error);
};

/**
 * The arguments of the program, as parsed by `read`. After `--help` and after wrong usage, this function ends the
 * process instead of returning.
 * @param read may throw {WrongUsage}
 */
export const argumentsOf = <const O extends Options, T>(
  program: Program<O>,
  read: (values: Values<O>, operands: readonly string[]) => T,
): T => {
  const described = { ...program, startedAs: `npm run ${program.name} --` };
  try {
    const parsed = parseArguments(process.argv.slice(2), program.options, program.operands, usageLine(described));
    if (parsed !== undefined) return read(parsed.values, parsed.operands);
    const terminal = processTerminal();
    printLines(terminal, commandHelp(described, terminal.out));
  } catch (error) {
    giveUp(error);
  }
  return process.exit(process.exitCode ?? Exit.done);
};
