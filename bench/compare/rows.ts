/** Computes the rows of a result from rounds: medians, quartiles, and ratios of times in the same round. */
import type { LatencyRow, Quartiles, ThroughputRow } from "#app/compare/result.ts";
import { percentile } from "../statistics.ts";
import type { LatencyRounds, TaskRounds } from "./campaign.ts";
import type { LatencyWindow, Times, Window } from "./device.ts";
import type { Runner } from "./peers.ts";

export const quartilesOf = (samples: readonly number[]): Quartiles => ({
  q1: percentile(samples, 0.25),
  median: percentile(samples, 0.5),
  q3: percentile(samples, 0.75),
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The measurement windows of the runner at `place`, one for each round. */
const column = <T>(rounds: readonly (readonly T[])[], place: number): T[] => rounds.map((round) => round[place]!);

const perFrame = ({ ns, frames }: Window): number => ns / frames;

/** The rows of one task. The ratio of a row is the first runner's time divided by that of the row's runner. */
export const throughputRows = ({ task, runners, rounds }: TaskRounds, all: readonly Runner[]): ThroughputRow[] =>
  runners.map((runner, place) => {
    const own = column(rounds, place);
    return {
      peer: all[runner]!.peer.key,
      ...task,
      queues: 1,
      rounds: rounds.length,
      ns: quartilesOf(own.map(perFrame)),
      cpuNs: quartilesOf(own.map(({ cpu, frames }) => cpu / frames)),
      ratio: quartilesOf(rounds.map((round) => perFrame(round[0]!) / perFrame(round[place]!))),
      frames: sum(own.map(({ frames }) => frames)),
      lost: sum(own.map(({ lost }) => lost)),
      doubled: sum(own.map(({ doubled }) => doubled)),
      reordered: sum(own.map(({ reordered }) => reordered)),
      damaged: sum(own.map(({ damaged }) => damaged)),
      missed: sum(own.map(({ missed }) => missed)),
      collections: sum(own.map(({ collections }) => collections)),
    };
  });

/** Merges bins into wider ones of about one percent, for a chart on the page. */
export const widened = (bins: Times["bins"]): (readonly [number, number])[] => {
  const wide: [number, number][] = [];
  let least = 0;
  for (const [bound, count] of bins) {
    const last = wide.at(-1);
    if (last !== undefined && bound <= least * 1.01) {
      last[0] = bound;
      last[1] += count;
    } else {
      wide.push([bound, count]);
      least = bound;
    }
  }
  return wide;
};

/** Merges the distributions of several processes. */
export const merged = (times: readonly Times[]): Times["bins"] => {
  const counts = new Map<number, number>();
  for (const [ns, count] of times.flatMap(({ bins }) => bins)) counts.set(ns, (counts.get(ns) ?? 0) + count);
  return [...counts].toSorted(([a], [b]) => a - b);
};

/** A percentile in ns. With a `share` of 0.99, this is the time that 99 percent of the samples do not exceed. */
const percentileOf = (bins: Times["bins"], share: number): number => {
  const target = share * sum(bins.map(([, count]) => count));
  let seen = 0;
  for (const [bound, count] of bins) {
    seen += count;
    if (seen >= target) return bound;
  }
  return NaN;
};

export const latencyRows = ({ bytes, runners, rounds, times }: LatencyRounds, all: readonly Runner[]): LatencyRow[] =>
  runners.map((runner, place) => {
    const bins = merged(times.get(runner)!);
    const against = (of: (window: LatencyWindow) => number): Quartiles =>
      quartilesOf(rounds.map((round) => of(round[place]!) / of(round[0]!)));
    return {
      peer: all[runner]!.peer.key,
      bytes,
      frames: sum(bins.map(([, count]) => count)),
      ns: {
        p50: percentileOf(bins, 0.5),
        p90: percentileOf(bins, 0.9),
        p99: percentileOf(bins, 0.99),
        p999: percentileOf(bins, 0.999),
        p9999: percentileOf(bins, 0.9999),
        max: Math.max(...times.get(runner)!.map(({ max }) => max)),
      },
      ratio: { p50: against(({ p50 }) => p50), p99: against(({ p99 }) => p99), p999: against(({ p999 }) => p999) },
      histogram: widened(bins),
      collections: sum(column(rounds, place).map(({ collections }) => collections)),
    };
  });
