/** The `ferrule` command: chooses the command that was asked for and turns what comes out of it into an exit code. */
import { readFileSync } from "node:fs";
import { parseArguments } from "./arguments.ts";
import { type Command, Exit, printLines } from "./command.ts";
import { exitFor, failureLines } from "./failure.ts";
import { commandHelp, overview, usageLine } from "./help.ts";
import type { Terminal } from "./terminal.ts";
import { didYouMean, WrongUsage } from "./usage.ts";

export const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
};

/** The command with the longest name that the arguments begin with, and the arguments after it. */
const choose = (argv: readonly string[], commands: readonly Command[]): [Command, readonly string[]] => {
  const matching = commands
    .filter((each) => each.name.split(" ").every((word, i) => word === argv[i]))
    .sort((a, b) => b.name.length - a.name.length);
  const chosen = matching[0];
  if (chosen !== undefined) return [chosen, argv.slice(chosen.name.split(" ").length)];
  const names = commands.map((each) => each.name);
  const first = argv[0] ?? "";
  const group = names.filter((name) => name.startsWith(`${first} `));
  if (group.length > 0) {
    const typed = argv.slice(0, 2).join(" ");
    throw new WrongUsage(`"${typed}" is no command`, didYouMean(typed, names, `There is: ${group.join(", ")}.`));
  }
  if (first.startsWith("-"))
    throw new WrongUsage(`there is no option ${first} before a command`, "`ferrule --help` lists what there is.");
  throw new WrongUsage(`"${first}" is no command`, didYouMean(first, names, "`ferrule --help` lists the commands."));
};

const HELP = ["--help", "-h", "help"];

const dispatch = async (argv: readonly string[], commands: readonly Command[], terminal: Terminal): Promise<Exit> => {
  if (argv.length === 0 || (argv.length === 1 && HELP.includes(argv[0]!))) {
    printLines(terminal, overview(commands, terminal.out));
    return Exit.done;
  }
  if (argv[0] === "--version" || argv[0] === "-V") {
    printLines(terminal, [version()]);
    return Exit.done;
  }
  // `ferrule help up` is `ferrule up --help`.
  const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
  const [command, rest] = choose(words, commands);
  const parsed = parseArguments(rest, command.options, command.operands, usageLine(command));
  if (parsed === undefined) {
    printLines(terminal, commandHelp(command, terminal.out));
    return Exit.done;
  }
  return await command.run({ ...parsed, terminal });
};

/** Runs one command line. Never rejects: whatever goes wrong becomes a line, a hint and an exit code. */
export const main = async (
  argv: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
  debug: boolean,
): Promise<Exit> => {
  try {
    return await dispatch(argv, commands, terminal);
  } catch (error) {
    for (const line of failureLines(error, terminal.err, debug)) terminal.err.write(`${line}\n`);
    return exitFor(error);
  }
};
