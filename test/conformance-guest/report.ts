/**
 * Generates docs/conformance.json from the results of runs, and docs/conformance.md from docs/conformance.json. Both
 * contain the last run of each subject on each chip and kernel.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CHIPS } from "#chip/chips.ts";
import { KERNELS } from "../guest/parts.ts";
import type { Outcome } from "./reporter.ts";

export const DATA = fileURLToPath(new URL("../../docs/conformance.json", import.meta.url));
export const PAGE = fileURLToPath(new URL("../../docs/conformance.md", import.meta.url));

/** A subject's tests on one chip and kernel: one line of docs/conformance.json. */
export interface Run {
  /** Name of the subject: "ping". */
  readonly subject: string;
  /** Chip and kernel: "rtl8168h on Linux 6.12". */
  readonly on: string;
  /** Titles of the tests that passed. */
  readonly passed: readonly string[];
  /** The reason for which each failed test failed, by its title. */
  readonly failed: Readonly<Record<string, string>>;
  /** The reason for which each skipped test was skipped, by its title. */
  readonly skipped: Readonly<Record<string, string>>;
  /** Notes of tests on their results, by title. */
  readonly notes: Readonly<Record<string, readonly string[]>>;
}

const INTRODUCTION = `# Conformance

This page has the results of unmodified C drivers on the models, in guests under QEMU. Most subjects test Linux's r8169; the subjects \`dpdk\`,
\`ipxe\` and \`vendor\` test DPDK's driver, iPXE's, and Realtek's own for Linux. Each figure counts the tests in the last run of a subject on a
chip and kernel. [conformance.json](conformance.json) has every result, with the test's title and measurements, in one line for each run.
\`npm run test:guest -- --report\` writes both files from the results of \`npm run test:guest\`. It keeps the runs on other machines that
conformance.json already has.
`;

const distinct = (values: Iterable<string>): readonly string[] => [...new Set(values)];
const reasons = (outcomes: readonly Outcome[], kind: Outcome["outcome"]): Record<string, string> =>
  Object.fromEntries(outcomes.flatMap(({ title, outcome, why }) => (outcome === kind ? [[title, why ?? ""]] : [])));

const runOf = (outcomes: readonly Outcome[]): Run => ({
  subject: outcomes[0]!.subject,
  on: outcomes[0]!.on,
  passed: outcomes.filter(({ outcome }) => outcome === "passed").map(({ title }) => title),
  failed: reasons(outcomes, "failed"),
  skipped: reasons(outcomes, "skipped"),
  notes: Object.fromEntries(outcomes.flatMap(({ title, notes }) => (notes.length === 0 ? [] : [[title, notes]]))),
});

/** The runs in one file, which has one outcome per line. */
const runsOf = (file: string): readonly Run[] => {
  const outcomes = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Outcome);
  return [...Map.groupBy(outcomes, ({ subject, on }) => `${subject}\0${on}`).values()].map(runOf);
};

const place = (list: readonly string[], name: string): number =>
  list.includes(name) ? list.indexOf(name) : list.length;
const chipOf = ({ on }: Run): string => on.split(" on ")[0]!;
const kernelOf = ({ on }: Run): string => on.split(" on ")[1]!;
const kernelRank = (kernel: string): number => place(KERNELS, kernel.replace("Linux ", ""));
const chipRank = (chip: string): number =>
  place(
    CHIPS.map(({ key }) => key),
    chip,
  );

/** Sorts by subject, kernel and chip. */
const inOrder = (one: Run, other: Run): number =>
  one.subject.localeCompare(other.subject) ||
  kernelRank(kernelOf(one)) - kernelRank(kernelOf(other)) ||
  chipRank(chipOf(one)) - chipRank(chipOf(other));

/** Later runs replace earlier ones. */
export const merged = (runs: readonly Run[]): readonly Run[] =>
  [...new Map(runs.map((run) => [`${run.subject}\0${run.on}`, run])).values()].toSorted(inOrder);

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** "210 ✔, 3 –": how many tests of these runs passed, failed and were skipped. */
const counts = (runs: readonly Run[]): string => {
  const sum = (count: (run: Run) => number): number => runs.reduce((total, run) => total + count(run), 0);
  const marks = [
    [sum(({ passed }) => passed.length), "✔"],
    [sum(({ failed }) => Object.keys(failed).length), "✘"],
    [sum(({ skipped }) => Object.keys(skipped).length), "–"],
  ] as const;
  return marks.flatMap(([count, mark]) => (count === 0 ? [] : [`${count} ${mark}`])).join(", ");
};

/** A row for each name, a column for each kernel. */
const table = (what: string, runs: readonly Run[], nameOf: (run: Run) => string): readonly string[] => {
  const kernels = distinct(runs.map(kernelOf)).toSorted((one, other) => kernelRank(one) - kernelRank(other));
  const row = (name: string): string => {
    const own = runs.filter((run) => nameOf(run) === name);
    return `| ${name} | ${kernels.map((kernel) => counts(own.filter((run) => kernelOf(run) === kernel))).join(" | ")} |`;
  };
  return [
    `| ${what} | ${kernels.join(" | ")} |`,
    `|---|${"---|".repeat(kernels.length)}`,
    ...distinct(runs.map(nameOf)).map(row),
  ];
};

/** Largest number of failures that the page lists; docs/conformance.json has all of them. */
const MAX_FAILURES = 50;

const failures = (runs: readonly Run[]): readonly string[] => {
  const lines = runs.flatMap(({ subject, on, failed }) =>
    Object.entries(failed).map(([title, why]) => `- ${subject}, ${on}, ${escaped(title)}: ${escaped(why)}`),
  );
  if (lines.length === 0) return ["None."];
  const more = lines.length - MAX_FAILURES;
  return [...lines.slice(0, MAX_FAILURES), ...(more > 0 ? [`- and ${more} more`] : [])];
};

/** Why tests were skipped; reasons that differ only in the chip or a number are merged. */
const skips = (runs: readonly Run[]): readonly string[] => {
  const all = runs.flatMap(({ subject, skipped }) =>
    Object.values(skipped).map(
      (why) => `${subject}: ${escaped(why.replaceAll(/RTL\d\S*/g, "the chip").replaceAll(/\b\d{2,}\b/g, "N"))}`,
    ),
  );
  return distinct(all).map((line) => `- ${line} (${all.filter((other) => other === line).length})`);
};

/** docs/conformance.md from these runs, in their order. */
export const pageOf = (runs: readonly Run[]): string => {
  const byChip = runs.toSorted((one, other) => chipRank(chipOf(one)) - chipRank(chipOf(other)));
  return [
    INTRODUCTION,
    "✔ passed, ✘ failed, – skipped; empty: not run.",
    "",
    "## By subject",
    "",
    ...table("subject", runs, ({ subject }) => subject),
    "",
    "## By chip",
    "",
    ...table("chip", byChip, chipOf),
    "",
    "## Failed",
    "",
    ...failures(runs),
    "",
    "## Skipped",
    "",
    "How often, and why:",
    "",
    ...skips(runs),
    "",
  ].join("\n");
};

/** The runs in docs/conformance.json. */
export const recorded = (): readonly Run[] =>
  existsSync(DATA) ? (JSON.parse(readFileSync(DATA, "utf8")) as readonly Run[]) : [];

/** @param folder has a file for each run, named after the time of its start, with one outcome per line */
export const writeReport = (folder: string): void => {
  const files = globSync(join(folder, "*.jsonl")).sort();
  const runs = merged([...recorded(), ...files.flatMap(runsOf)]);
  writeFileSync(DATA, `[\n${runs.map((run) => JSON.stringify(run)).join(",\n")}\n]\n`);
  writeFileSync(PAGE, pageOf(runs));
};
