/** A plain text table. */
import type { Row } from "./bench.ts";

/** Columns of figures are aligned to the right. */
export const tableOf = (rows: readonly Row[]): string => {
  const titles = Object.keys(rows[0] ?? {});
  const cells = [titles, ...rows.map((row) => titles.map((title) => String(row[title] ?? "")))];
  const widths = titles.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const numeric = titles.map((title) => rows.every((row) => /^[\d(-]/.test(String(row[title] ?? ""))));
  const fit = (cell: string, column: number): string =>
    numeric[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return cells.map((line) => `  ${line.map(fit).join("  ").trimEnd()}`).join("\n");
};
