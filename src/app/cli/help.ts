/** `--help`, generated from the commands' data. */
import type { Command } from "./command.ts";
import { table } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";

const heading = (stream: Stream, text: string): string => stream.paint("bold", text);

/** The subject of a help text: a command of `ferrule`, or another program, with its usage in `startedAs`. */
export type Explained = Omit<Command, "run"> & { readonly startedAs?: string };

export const usageLine = ({ name, startedAs = `ferrule ${name}`, operands }: Explained): string =>
  [startedAs, ...operands.map((operand) => operand.placeholder), "[options]"].join(" ");

const optionRows = (command: Explained): string[][] => [
  ...Object.entries(command.options).map(([name, option]) => {
    const left = option.kind === "value" ? `--${name} ${option.placeholder}` : `--${name}`;
    const preset = option.kind === "value" && option.default !== undefined ? ` (default ${option.default})` : "";
    return [`  ${left}`, option.summary + preset];
  }),
  ["  --help", "print this"],
];

/** Text of `ferrule COMMAND --help`. */
export const commandHelp = (command: Explained, stream: Stream): readonly string[] => [
  `${usageLine(command)}: ${command.summary}`,
  "",
  ...command.about.split("\n"),
  ...(command.operands.length === 0
    ? []
    : [
        "",
        ...table(
          command.operands.map((operand) => [`  ${operand.placeholder}`, operand.summary]),
          "ll",
        ),
      ]),
  "",
  heading(stream, "Options"),
  ...table(optionRows(command), "ll"),
  "",
  heading(stream, command.examples.length === 1 ? "Example" : "Examples"),
  ...command.examples.map((example) => `  ${example}`),
];

/** Text of `ferrule --help`. */
export const overview = (commands: readonly Command[], stream: Stream): readonly string[] => [
  "ferrule: a memory-safe network driver for the Realtek RTL8169 family, and the NIC as a software model",
  "",
  heading(stream, "Commands"),
  ...table(
    commands.map((each) => [`  ${[each.name, ...each.operands.map((o) => o.placeholder)].join(" ")}`, each.summary]),
    "ll",
  ),
  "",
  "`ferrule COMMAND --help` explains a command, with an example. `ferrule --version` prints the version.",
  "Exit code: 0 done, 1 failed, 2 wrong usage. Results go to stdout, progress and errors to stderr.",
];
