/**
 * `--config FILE`: options of a command in a JSON file. All errors are reported at once; the command line takes
 * precedence.
 */
import { readFileSync, statSync } from "node:fs";
import { FerruleError } from "#kit/errors.ts";
import type { Option, Options, Parsed, Values } from "./arguments.ts";
import { counted } from "../terminal/format.ts";
import { didYouMean, WrongUsage } from "../terminal/usage.ts";

const MAX_BYTES = 1 << 20;

export const CONFIG_OPTION = {
  kind: "value",
  placeholder: "FILE",
  summary: "read options from a JSON file, by name without dashes; options on the command line take precedence",
} as const satisfies Option;

const HINT = 'Write options by name: { "mtu": 9000, "wire": "responder", "json": true }. Flags are true or false.';

interface Key {
  readonly name: string;
  readonly line: number;
}

/**
 * The keys of the outermost object, including repeated ones, which JSON.parse would hide. The text must be valid JSON.
 */
const keysOf = (text: string): readonly Key[] => {
  const keys: Key[] = [];
  let [depth, word, at] = [0, "", 0];
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token !== ":") [word, at] = [token, index];
    else if (depth === 1) keys.push({ name: JSON.parse(word) as string, line: text.slice(0, at).split("\n").length });
  }
  return keys;
};

type Valued = Extract<Option, { kind: "value" }>;

/** The texts that a value stands for: several for a list, none for an invalid value. */
const textsOf = (option: Valued, value: unknown): readonly string[] => {
  const texts: readonly unknown[] = option.list === true && Array.isArray(value) ? value : [value];
  const valid = texts.every((text) => (typeof text === "string" && text !== "") || typeof text === "number");
  return valid ? texts.map(String) : [];
};

/** The errors in a setting, as messages. */
const complaints = (
  { name, value }: { readonly name: string; readonly value: unknown },
  options: Options,
  operands: readonly string[],
): readonly string[] => {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  const names = Object.keys(options).filter((known) => known !== "config");
  if (option === undefined || name === "config")
    return [`unknown setting "${name}". ${didYouMean(name, names, `The settings are ${names.join(", ")}.`)}`];
  if (option.kind === "flag") return typeof value === "boolean" ? [] : [`"${name}" is a flag: true or false.`];
  const texts = textsOf(option, value);
  if (texts.length === 0) return [`"${name}" needs a value: ${option.placeholder}, a text or a number.`];
  return texts.flatMap((text) => {
    try {
      option.check?.(text, operands);
      return [];
    } catch (error) {
      if (error instanceof FerruleError) return [`${error.message}. ${error.hint}`];
      throw error;
    }
  });
};

const parse = (path: string, text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    // V8's message contains the position, or the text around the error.
    throw new WrongUsage(`${path} is not JSON: ${(error as Error).message}`, HINT);
  }
  throw new WrongUsage(`${path} is not a JSON object`, HINT);
};

const textOf = (path: string): string => {
  const stats = statSync(path);
  if (!stats.isFile() || stats.size > MAX_BYTES)
    throw new WrongUsage(`${path} is not a file of at most ${MAX_BYTES >> 10} KiB`, HINT);
  return readFileSync(path, "utf8");
};

/**
 * The options on the command line and the settings of the `--config` file. @throws {WrongUsage} with every error and
 * its line; errors of the system when the file is read
 */
export const withSettings = <O extends Options>(parsed: Parsed<O>, options: O): Parsed<O> => {
  const path = (parsed.values as Readonly<Record<string, string | boolean | undefined>>)["config"];
  if (typeof path !== "string" || options["config"] === undefined) return parsed;
  const text = textOf(path);
  const settings = parse(path, text);
  const seen = new Set<string>();
  const mistakes = keysOf(text).flatMap(({ name, line }) => {
    const again = seen.has(name);
    seen.add(name);
    const wrong = again
      ? [`"${name}" is given twice.`]
      : complaints({ name, value: settings[name] }, options, parsed.operands);
    return wrong.map((each) => `line ${line}: ${each}`);
  });
  if (mistakes.length > 0)
    throw new WrongUsage(`${path} has ${counted(mistakes.length, "error")}: ${mistakes.join(" ")}`, HINT);
  const values: Record<string, unknown> = { ...parsed.values };
  for (const [name, value] of Object.entries(settings))
    if (!parsed.given.has(name))
      values[name] = typeof value === "boolean" ? value : textsOf(options[name] as Valued, value).join("; ");
  return { ...parsed, values: values as Values<O> };
};
