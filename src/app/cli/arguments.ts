/** Options as data, and a parser of the command line that uses them. */
import { parseArgs } from "node:util";
import { didYouMean, WrongUsage } from "../terminal/usage.ts";

export type Option =
  | { readonly kind: "flag"; readonly summary: string }
  | {
      readonly kind: "value";
      readonly placeholder: string;
      readonly summary: string;
      readonly default?: string;
      /** In a settings file the value may be a list of texts, which are joined by semicolons. */
      readonly list?: true;
      /** Checks a value; `operands` may narrow what is valid. @throws {WrongUsage} */
      readonly check?: (text: string, operands: readonly string[]) => unknown;
    };

export type Options = Readonly<Record<string, Option>>;

/** Parsed options: a flag is a boolean. A value is a string; it may be undefined only if there is no default. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { kind: "flag" }
    ? boolean
    : O[K] extends { default: string }
      ? string
      : string | undefined;
};

export interface Parsed<O extends Options> {
  readonly values: Values<O>;
  readonly operands: readonly string[];
  /** Names of the options on the command line. */
  readonly given: ReadonlySet<string>;
}

export interface Operand {
  readonly placeholder: string;
  readonly summary: string;
  /** The last operand may be any number of words. */
  readonly many?: true;
  /** The operand may be omitted. */
  readonly optional?: true;
}

const HELP = { help: { type: "boolean", short: "h" } } as const;

/**
 * Parses the command line.
 *
 * @param usage the command's syntax, which hints show
 * @returns undefined if help was requested
 * @throws {WrongUsage} for an unknown option, a missing or unwanted value, or too few or many operands
 */
export const parseArguments = <O extends Options>(
  argv: readonly string[],
  options: O,
  operands: readonly Operand[],
  usage: string,
): Parsed<O> | undefined => {
  const known = Object.fromEntries(
    Object.entries(options).map(([name, option]) => [
      name,
      { type: option.kind === "flag" ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  // `strict` is off, because its messages name neither the operands nor similar options.
  const { tokens } = parseArgs({ args: [...argv], options: { ...known, ...HELP }, strict: false, tokens: true });
  const values: Record<string, string | boolean | undefined> = {};
  for (const [name, option] of Object.entries(options)) values[name] = option.kind === "flag" ? false : option.default;
  const words: string[] = [];
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    if (token.name === "help") return undefined;
    values[token.name] = valueOf(token, options);
    if (given.has(token.name)) throw new WrongUsage(`${token.rawName} was given twice`, `Give ${token.rawName} once.`);
    given.add(token.name);
  }
  checkOperands(words, operands, usage);
  return { values: values as Values<O>, operands: words, given };
};

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

const valueOf = (token: OptionToken, options: Options): string | true => {
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (option === undefined) {
    const names = [...Object.keys(options), "help"].map((name) => `--${name}`);
    throw new WrongUsage(
      `unknown option ${token.rawName}`,
      didYouMean(token.rawName, names, `The options are ${names.join(", ")}.`),
    );
  }
  if (option.kind === "flag") {
    if (token.value !== undefined)
      throw new WrongUsage(`${token.rawName} takes no value, got "${token.value}"`, `Write ${token.rawName} alone.`);
    return true;
  }
  // In `--wire --json` the value of --wire is missing. A value that begins with a dash must therefore be written
  // `--name=-x`; only a single dash, which stands for standard output, may follow as a separate word.
  const missing = token.value === undefined || token.value === "" || (!token.inlineValue && /^-./.test(token.value));
  if (missing || token.value === undefined)
    throw new WrongUsage(`${token.rawName} needs a value`, `Write ${token.rawName} ${option.placeholder}.`);
  return token.value;
};

const checkOperands = (given: readonly string[], wanted: readonly Operand[], usage: string): void => {
  const missing = wanted[given.length];
  if (missing !== undefined && missing.optional !== true)
    throw new WrongUsage(`${missing.placeholder} is missing`, `The command is written \`${usage}\`.`);
  const extra = given[wanted.length];
  if (extra !== undefined && wanted.at(-1)?.many !== true)
    throw new WrongUsage(`unexpected argument "${extra}"`, `The command is written \`${usage}\`.`);
};
