/** Figures of a comparison as people read them, and the rows that differ in one respect only. */
import { rate as scaledRate } from "../terminal/format.ts";
import type { Measurement, Quartiles, ThroughputRow } from "./result.ts";

/** What a row of throughput was measured under. */
export type Axis = "load" | "rate" | "bytes" | "batch" | "queues";

/** Each table of throughput varies one of these, and has the others as here. */
export const BASE = { load: "forward", rate: "saturated", bytes: 64, batch: 32, queues: 1 } as const satisfies {
  readonly [A in Axis]: ThroughputRow[A];
};
const AXES = Object.keys(BASE) as readonly Axis[];

const LOADS: readonly unknown[] = ["drop", "generate", "forward"];
/** Numbers first and rising; a word such as "mix" or "saturated" is beyond every number. */
const place = (value: unknown): number => (typeof value === "number" ? value : 1e9 + LOADS.indexOf(value));

/** Rows that are as in BASE but for `axis`, in its order. */
export const along = (axis: Axis, rows: readonly ThroughputRow[]): readonly ThroughputRow[] =>
  rows
    .filter((row) => AXES.every((other) => other === axis || row[other] === BASE[other]))
    .sort((a, b) => place(a[axis]) - place(b[axis]));

/** Different values, in the order of their first occurrence. */
export const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

export const axisValue = (axis: Axis, value: ThroughputRow[Axis]): string => {
  if (axis === "bytes" && value !== "mix") return `${value} B`;
  if (axis === "rate" && typeof value === "number") return `${value / 1000} Gbit/s`;
  return String(value);
};

/** Peers that were measured, in the comparison's order. */
export const measuredPeers = ({ peers }: Measurement) => peers.filter(({ missing }) => missing === undefined);
export const missingPeers = ({ peers }: Measurement) =>
  peers.flatMap(({ name, missing }) => (missing === undefined ? [] : [{ name, ...missing }]));

export const nameOf = ({ peers }: Measurement, key: string): string =>
  peers.find(({ key: own }) => own === key)?.name ?? key;

/** The median with its quartiles: "0.98 (0.97-0.99)". */
export const withQuartiles = ({ q1, median, q3 }: Quartiles, text: (value: number) => string): string =>
  `${text(median)} (${text(q1)}-${text(q3)})`;

const fixed =
  (decimals: number) =>
  (value: number): string =>
    value.toFixed(decimals);

/** A ratio; with a third decimal where a difference of 2 % matters. */
export const ratio = (q: Quartiles, decimals: 2 | 3 = 2): string => withQuartiles(q, fixed(decimals));

/** Nanoseconds a frame. */
export const nanos = (value: number): string => value.toFixed(value < 99.95 ? 1 : 0);

/** A time of a request, from ns: in µs. */
export const micros = (ns: number): string => (ns / 1000).toFixed(ns < 99_950 ? 2 : 0);

/** Millions of frames a second from ns a frame. */
export const millions = (ns: number): number => 1000 / ns;

/** The quartiles of frames a second: the slowest quarter is the lowest. */
export const inMillions = ({ q1, median, q3 }: Quartiles): Quartiles => ({
  q1: millions(q3),
  median: millions(median),
  q3: millions(q1),
});

export const framesPerSecond = (q: Quartiles): string => withQuartiles(inMillions(q), nanos);

/** A count, shortened: "1.49 M". */
export const short = (value: number): string => scaledRate(value);
