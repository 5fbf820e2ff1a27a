/**
 * A strict parser of Prometheus's text format. Everything that `promtool check metrics` reports as an error or a
 * warning is an error here.
 */
import type { Family, Sample } from "./exposition.ts";

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/;
/** Suffixes of units that are not base units, about which promtool warns. */
const FOREIGN_UNITS =
  /_(milliseconds|microseconds|millis|micros|minutes|hours|kilobytes|megabits|bits|percent)(_total)?$/;

const unescaped = (text: string): string =>
  text.replaceAll(/\\(.)/g, (_, each: string) => (each === "n" ? "\n" : each));

const labelsOf = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== "";) {
    const [whole, name = "", value = ""] = LABEL.exec(rest) ?? [];
    if (whole === undefined) throw new Error(`bad labels: ${rest}`);
    if (Object.hasOwn(labels, name) || name.startsWith("__"))
      throw new Error(`label ${name} is given twice, or reserved`);
    labels[name] = unescaped(value);
    rest = rest.slice(whole.length);
  }
  return labels;
};

/** Parses a line `# HELP` or `# TYPE`. @returns the name, and the rest of the line */
const comment = (line: string | undefined, kind: "HELP" | "TYPE"): readonly [string, string] => {
  const [, word, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line ?? "") ?? [];
  if (word !== kind || !NAME.test(name!)) throw new Error(`# ${kind} was expected, not ${line}`);
  return [name!, rest!];
};

const sampleOf = (line: string, family: string): Sample => {
  const [, name, labels = "", digits = ""] = SAMPLE.exec(line) ?? [];
  if (name !== family) throw new Error(`a sample of ${family} was expected, not ${line}`);
  const value = Number(digits);
  if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
  return { labels: labelsOf(labels), value };
};

const check = ({ name, type, help, samples }: Family): void => {
  if (type !== "counter" && type !== "gauge") throw new Error(`${name} has type ${String(type)}`);
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`);
  if (help.trim() === "") throw new Error(`${name} has no help`);
  if (FOREIGN_UNITS.test(name)) throw new Error(`${name} is not in a base unit`);
  if (samples.length === 0) throw new Error(`${name} has no sample`);
  if (type === "counter" && samples.some(({ value }) => value < 0)) throw new Error(`${name} is negative`);
  const keys = samples.map(({ labels }) => Object.entries(labels).map(String).toSorted().join());
  if (new Set(keys).size < keys.length) throw new Error(`${name} has two samples with the same labels`);
};

/** @throws {Error} with the incorrect line or family */
export const parseExposition = (text: string): readonly Family[] => {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const lines = text.slice(0, -1).split("\n");
  const families: Family[] = [];
  for (let at = 0; at < lines.length;) {
    const [name, help] = comment(lines[at++], "HELP");
    const [typed, type] = comment(lines[at++], "TYPE");
    if (typed !== name) throw new Error(`# TYPE of ${name} was expected, not of ${typed}`);
    const samples: Sample[] = [];
    while (lines[at] !== undefined && !lines[at]!.startsWith("#")) samples.push(sampleOf(lines[at++]!, name));
    families.push({ name, type: type as Family["type"], help: unescaped(help), samples });
  }
  families.forEach(check);
  if (new Set(families.map(({ name }) => name)).size < families.length) throw new Error("a family is given twice");
  return families;
};
