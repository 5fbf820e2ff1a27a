/**
 * A command line in ethtool's syntax, and its result: lines for standard output and standard error, and an exit code.
 */
import type { Argument } from "../argument.ts";
import { plainError } from "../plain-error.ts";
import { BadLine, type Flag } from "./flag.ts";
import { FLAGS } from "./groups.ts";
import { jsonLines } from "./json-text.ts";

export interface Call {
  readonly flag: Flag;
  readonly name: string;
  readonly words: readonly string[];
  readonly json: boolean;
}

export interface Outcome {
  readonly exit: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

/** @throws {BadLine} */
export const parseCall = (words: readonly string[]): Call => {
  const json = words[0] === "--json" || words[0] === "-j";
  const [first, ...rest] = json ? words.slice(1) : words;
  const isFlag = first?.startsWith("-") === true;
  const flag = FLAGS.find(({ names }) => (isFlag ? names.includes(first) : names.length === 0));
  const [name = "", ...more] = isFlag || first === undefined ? rest : [first, ...rest];
  if (flag === undefined || name === "") throw new BadLine();
  return { flag, name, words: more, json };
};

/** The outcome of an invalid command line, for which no request is sent. */
export const refusedLine = (error: unknown): Outcome => {
  const { message, hint } = plainError(error);
  return { exit: 1, out: [], err: [message, hint] };
};

const NO_INTERFACE = ["NOT_RUNNING", "INVALID_INTERFACE_NAME"];

/** The outcome of a failed operation: its error in ethtool's format, and a hint. */
const failed = ({ flag, json }: Call, error: unknown): Outcome => {
  const { code, message, hint } = plainError(error);
  const { failure = ["netlink error: %"], exit, missing = exit } = flag;
  const lines = (reason: string): readonly string[] => failure.map((line) => line.replace("%", reason));
  if (NO_INTERFACE.includes(code))
    return { exit: missing, out: [], err: [...lines("No such device"), `hint: ${message}. ${hint}`] };
  const out = json && flag.failure === undefined ? ["[ ]"] : [];
  return { exit, out, err: [...lines(message), `hint: ${hint}`] };
};

/**
 * Executes a call.
 * @param ask sends the operation to the driver's thread of the interface; rejects with the operation's error
 */
export const carryOut = async (
  call: Call,
  ask: (name: string, operation: string, argument: Argument) => Promise<object>,
): Promise<Outcome> => {
  const { flag, name, words, json } = call;
  try {
    const argument = flag.argument(words);
    const value = await ask(name, flag.operation, argument);
    const shown = json
      ? jsonLines({ ifname: name, ...(flag.json?.(value, argument) ?? (value as { readonly [key: string]: string })) })
      : flag.lines(value, name, argument);
    const failure = flag.failed?.(value, argument);
    return failure === undefined ? { exit: 0, out: shown, err: [] } : { exit: 1, out: shown, err: [failure] };
  } catch (error) {
    return error instanceof BadLine ? refusedLine(error) : failed(call, error);
  }
};
