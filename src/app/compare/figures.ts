/** Formats the figures of a comparison, and selects rows that differ in only one condition. */
import { rate as scaledRate } from "../terminal/format.ts";
import type { Measurement, Quartiles, ThroughputRow } from "./result.ts";

/** A condition under which a row of throughput was measured. */
export type Axis = "load" | "rate" | "bytes" | "batch" | "queues";

/** The usual conditions. Each table of throughput varies one of them. */
export const BASE = { load: "forward", rate: "saturated", bytes: 64, batch: 32, queues: 1 } as const satisfies {
  readonly [A in Axis]: ThroughputRow[A];
};
const AXES = Object.keys(BASE) as readonly Axis[];

const LOADS: readonly unknown[] = ["drop", "generate", "forward"];
/** The sort key of a value: numbers come first, in ascending order, then words such as "mix" or "saturated". */
const place = (value: unknown): number => (typeof value === "number" ? value : 1e9 + LOADS.indexOf(value));

/** The rows that have the conditions of BASE except for `axis`, in order of `axis`. */
export const along = (axis: Axis, rows: readonly ThroughputRow[]): readonly ThroughputRow[] =>
  rows
    .filter((row) => AXES.every((other) => other === axis || row[other] === BASE[other]))
    .sort((a, b) => place(a[axis]) - place(b[axis]));

/** The distinct values, in the order of their first occurrence. */
export const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

export const axisValue = (axis: Axis, value: ThroughputRow[Axis]): string => {
  if (axis === "bytes" && value !== "mix") return `${value} B`;
  if (axis === "rate" && typeof value === "number") return `${value / 1000} Gbit/s`;
  return String(value);
};

/** The drivers that were measured, in the comparison's order. */
export const measuredPeers = ({ peers }: Measurement) => peers.filter(({ missing }) => missing === undefined);
export const missingPeers = ({ peers }: Measurement) =>
  peers.flatMap(({ name, missing }) => (missing === undefined ? [] : [{ name, ...missing }]));

export const nameOf = ({ peers }: Measurement, key: string): string =>
  peers.find(({ key: own }) => own === key)?.name ?? key;

/** Formats the median with its quartiles: "0.98 (0.97-0.99)". */
export const withQuartiles = ({ q1, median, q3 }: Quartiles, text: (value: number) => string): string =>
  `${text(median)} (${text(q1)}-${text(q3)})`;

const fixed =
  (decimals: number) =>
  (value: number): string =>
    value.toFixed(decimals);

/** Formats a ratio, with two decimals, or three where a difference of 2 % matters. */
export const ratio = (q: Quartiles, decimals: 2 | 3 = 2): string => withQuartiles(q, fixed(decimals));

/** Formats nanoseconds per frame. */
export const nanos = (value: number): string => value.toFixed(value < 99.95 ? 1 : 0);

/** Formats the time of a request, given in ns, in µs. */
export const micros = (ns: number): string => (ns / 1000).toFixed(ns < 99_950 ? 2 : 0);

/** Converts ns per frame to millions of frames per second. */
export const millions = (ns: number): number => 1000 / ns;

/**
 * Converts quartiles of ns per frame to quartiles of millions of frames per second; the upper quartile of the times
 * becomes the lower one of the rates.
 */
export const inMillions = ({ q1, median, q3 }: Quartiles): Quartiles => ({
  q1: millions(q3),
  median: millions(median),
  q3: millions(q1),
});

export const framesPerSecond = (q: Quartiles): string => withQuartiles(inMillions(q), nanos);

/** Formats a count in short form: "1.49 M". */
export const short = (value: number): string => scaledRate(value);
