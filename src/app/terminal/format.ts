/** Formats numbers and tables for people. */
import { stripVTControlCharacters } from "node:util";

const scaled = (value: number, step: number, units: readonly string[]): string => {
  let unit = 0;
  let rest = value;
  // A value that rounding to three digits would turn into 1 of the next unit is printed in the next unit.
  while (unit < units.length - 1 && rest >= step * 0.9995) {
    rest /= step;
    unit++;
  }
  return `${unit === 0 ? Math.round(rest) : digits(rest)} ${units[unit]}`;
};

/** Formats a number from 1 to 1023 with at least three digits, never in exponent form. */
const digits = (value: number): string => value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);

/** Formats an amount of data, in powers of 1024. */
export const amount = (bytes: number): string => scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);

/** Formats bits per second in powers of 1000, like link speeds. */
export const bitRate = (bitsPerSecond: number): string =>
  scaled(bitsPerSecond, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);

/** Formats bytes per second in powers of 1000. */
export const byteRate = (bytesPerSecond: number): string =>
  scaled(bytesPerSecond, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);

/** Formats events per second, without a unit. */
export const rate = (perSecond: number): string => scaled(perSecond, 1000, ["", "k", "M", "G"]).trimEnd();

/** Formats a count with separators between thousands. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");

/** Formats a count with its noun: "1 client", "2 clients". */
export const counted = (value: number, one: string, several = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : several}`;

/** Formats a time given in microseconds. */
export const microseconds = (micros: number): string => scaled(micros, 1000, ["µs", "ms", "s"]);

/** Formats a speed in Mbit/s as data sheets do. */
export const linkSpeed = (megabits: number): string =>
  megabits >= 1000 ? `${megabits / 1000} Gbit/s` : `${megabits} Mbit/s`;

const two = (n: number): string => String(n).padStart(2, "0");

/** Formats a number of seconds as hours, minutes and seconds. */
export const clockTime = (seconds: number): string => {
  const whole = Math.floor(seconds);
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
};

/** The number of characters that a terminal shows, without colour sequences. */
export const visibleLength = (text: string): number => stripVTControlCharacters(text).length;

/** Truncates a line to `columns`; a truncated line loses its colours. */
export const fitted = (line: string, columns: number): string =>
  visibleLength(line) <= columns ? line : `${stripVTControlCharacters(line).slice(0, Math.max(0, columns - 1))}…`;

/** Formats columns, padded to the widest text; `align` has "l" or "r" for each column. */
export const table = (rows: readonly (readonly string[])[], align: string): readonly string[] => {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell))));
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      const space = " ".repeat(widths[i]! - visibleLength(cell));
      return align[i] === "r" ? space + cell : cell + space;
    });
    return cells.join("  ").trimEnd();
  });
};

/** A bar of `width` characters, of which the fraction `part` (0 to 1) is filled. */
export const bar = (part: number, width: number): string => {
  const filled = Math.round(Math.min(1, Math.max(0, part)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
};
