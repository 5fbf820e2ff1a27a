/**
 * A comparison for a terminal: tables of at most a hundred columns, followed by the method and by what was not
 * measured.
 */
import { table as columns, visibleLength } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";
import { missingPeers } from "./figures.ts";
import { command, machineLine, METHOD, caveats } from "./method.ts";
import type { Comparison } from "./result.ts";
import { isFigure, type Table, tablesOf } from "./tables.ts";

export const WIDTH = 100;

/** The text in lines of at most WIDTH columns. */
const folded = (text: string): readonly string[] => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

const alignOf = (rows: readonly (readonly string[])[]): string =>
  (rows[0] ?? []).map((_, i) => (rows.every((row) => isFigure(row[i]!)) ? "r" : "l")).join("");

/**
 * The lines of a table. A table that is too wide is split into several parts, one below the other. Each part begins
 * with the columns that contain words.
 */
const parts = ({ headings, rows }: Pick<Table, "headings" | "rows">): readonly (readonly string[])[] => {
  const align = alignOf(rows);
  const fixed = align.indexOf("r") < 0 ? headings.length : align.indexOf("r");
  const all = [headings, ...rows];
  const printed = (from: number, to: number): readonly string[] => {
    const chosen = all.map((row) => [...row.slice(0, fixed), ...row.slice(from, to)]);
    return columns(chosen, align.slice(0, fixed) + align.slice(from, to));
  };
  const found: (readonly string[])[] = [];
  let from = fixed;
  do {
    let to = headings.length;
    while (to > from + 1 && printed(from, to).some((line) => visibleLength(line) > WIDTH)) to--;
    found.push(printed(from, to));
    from = to;
  } while (from < headings.length);
  return found;
};

const tableLines = (table: Table, paint: Stream["paint"]): readonly string[] => [
  paint("bold", table.title),
  ...folded(table.note).map((line) => paint("dim", line)),
  ...parts(table).flatMap(([heading = "", ...rows]) => [paint("bold", heading), ...rows]),
  "",
];

const listed = (heading: string, entries: readonly string[], paint: Stream["paint"]): readonly string[] =>
  entries.length === 0 ? [] : [paint("bold", heading), ...entries.flatMap(folded), ""];

/** All lines of a comparison. */
export const comparisonLines = (found: Comparison, { paint }: Pick<Stream, "paint">): readonly string[] => [
  ...caveats(found).flatMap(folded),
  ...tablesOf(found).flatMap((table) => tableLines(table, paint)),
  ...listed(
    "Not measured",
    missingPeers(found).map(({ name, why, install }) => `${name}: ${why}. ${install}`),
    paint,
  ),
  ...listed("Not covered", found.notCovered, paint),
  ...listed("How it was measured", METHOD, paint),
  ...folded(machineLine(found)),
  ...folded(command(found)),
];
