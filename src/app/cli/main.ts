/** The `ferrule` command: selects the command and converts its result to an exit code. */
import { parseArguments } from "./arguments.ts";
import { type Command, Exit, printLines } from "./command.ts";
import { exitFor, printFailure } from "./failure.ts";
import { commandHelp, overview, usageLine } from "./help.ts";
import type { Needs } from "./drop-capabilities.ts";
import { withSettings } from "./settings-file.ts";
import type { Stream, Terminal } from "../terminal/terminal.ts";
import { closest, didYouMean, HELP_WORDS, WrongUsage } from "../terminal/usage.ts";
import { versionLines } from "./version.ts";

/** The commands of a group such as `model`. */
const groupOf = (word: string, commands: readonly Command[]): readonly Command[] =>
  commands.filter((each) => each.name.startsWith(`${word} `));

/**
 * The command whose name is at the beginning of the arguments (the longest name, if several match), and the arguments
 * after the name.
 */
const choose = (argv: readonly string[], commands: readonly Command[]): [Command, readonly string[]] => {
  const matching = commands
    .filter((each) => each.name.split(" ").every((word, i) => word === argv[i]))
    .sort((a, b) => b.name.length - a.name.length);
  const chosen = matching[0];
  if (chosen !== undefined) return [chosen, argv.slice(chosen.name.split(" ").length)];
  const names = commands.map((each) => each.name);
  const first = argv[0] ?? "";
  const group = groupOf(first, commands).map((each) => each.name);
  if (group.length > 0) {
    const typed = argv.slice(0, 2).join(" ");
    const near = argv.length < 2 ? undefined : closest(typed, group);
    const list = group.map((name) => `\`ferrule ${name}\``).join(", ");
    throw new WrongUsage(
      argv.length < 2 ? `"${first}" needs a subcommand` : `unknown command "${typed}"`,
      near === undefined ? `The commands are ${list}.` : `Did you mean \`ferrule ${near}\`? The commands are ${list}.`,
    );
  }
  if (first.startsWith("-"))
    throw new WrongUsage(
      `unknown option ${first} before the command`,
      "Options come after the command: `ferrule COMMAND --help` lists those of a command, `ferrule --help` the commands.",
    );
  throw new WrongUsage(`unknown command "${first}"`, didYouMean(first, names, "`ferrule --help` lists the commands."));
};

const isHelp = (word: string | undefined): boolean => word !== undefined && HELP_WORDS.includes(word);

/**
 * The words for which help is requested: the words after a help word at the beginning, or a group such as `model` that
 * is followed by a help word. Undefined if the command line names a command, because commands handle help themselves.
 */
const helpAskedFor = (argv: readonly string[], commands: readonly Command[]): readonly string[] | undefined => {
  const [first, second] = argv;
  if (first === undefined) return [];
  const isGroup = groupOf(first, commands).length > 0;
  return isHelp(first) || (isGroup && isHelp(second)) ? argv.filter((word) => !isHelp(word)) : undefined;
};

const explain = (words: readonly string[], commands: readonly Command[], stream: Stream): readonly string[] => {
  const group = words.length === 1 ? groupOf(words[0]!, commands) : [];
  if (words.length === 0 || group.length > 0) return overview(words.length === 0 ? commands : group, stream);
  return commandHelp(choose(words, commands)[0], stream);
};

const dispatch = async (
  argv: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
  dropCapabilities: (needs: Needs) => void,
): Promise<number> => {
  if (argv[0] === "--version" || argv[0] === "-V") {
    printLines(terminal, versionLines());
    return Exit.done;
  }
  const subject = helpAskedFor(argv, commands);
  if (subject !== undefined) {
    printLines(terminal, explain(subject, commands, terminal.out));
    return Exit.done;
  }
  const [command, rest] = choose(argv, commands);
  const typed =
    command.ownWords === true && !isHelp(rest[0])
      ? { values: {}, operands: rest, given: new Set<string>() }
      : parseArguments(rest, command.options, command.operands, usageLine(command));
  if (typed === undefined) {
    printLines(terminal, commandHelp(command, terminal.out));
    return Exit.done;
  }
  const parsed = withSettings(typed, command.options);
  if (command.needs !== undefined) dropCapabilities(command.needs(parsed));
  return await command.run({ ...parsed, terminal });
};

/**
 * Runs one command line. `dropCapabilities` drops capabilities that the command does not need, and may execute the
 * program again. Never rejects: every error becomes a line, a hint and an exit code.
 */
export const main = async (
  argv: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
  dropCapabilities: (needs: Needs) => void = () => undefined,
): Promise<number> => {
  try {
    return await dispatch(argv, commands, terminal, dropCapabilities);
  } catch (error) {
    printFailure(terminal, error);
    return exitFor(error);
  }
};
