/** What the plots of a comparison show. Each has a table with the same figures. */
import {
  along,
  axisValue,
  distinct,
  framesPerSecond,
  inMillions,
  measuredPeers,
  micros,
  millions,
  nanos,
  ratio,
  withQuartiles,
} from "./figures.ts";
import { h, type Markup } from "./markup.ts";
import { ACROSS, type Axis, type Group, HEIGHT, legend, linePlot, ratioPlot, type Series, upTo } from "./plot.ts";
import type { Measurement, Quartiles } from "./result.ts";
import { extent, linearScale, logScale } from "./scale.ts";

/** Creates a series for each driver that has points. */
const seriesOf = (found: Measurement, of: (key: string) => Omit<Series, "name" | "index">): readonly Series[] =>
  found.peers.map(({ key, name }, index) => ({ name, index, ...of(key) })).filter(({ points }) => points.length > 0);

const figure = (plot: Markup, series: readonly Pick<Series, "name" | "index">[]): Markup =>
  h("figure", {}, legend(series), plot);

const highest = (series: readonly Series[]): number =>
  extent(series.flatMap(({ points }) => points.map(({ y, high }) => Math.max(y, high ?? y))))[1];

/** Creates a y axis from 0. */
const fromZero = (title: string, series: readonly Series[]): Axis => ({
  title,
  scale: linearScale(highest(series), upTo(HEIGHT)),
  label: String,
});

/** Creates an x axis with a tick at each of these values. */
const atValues = (title: string, values: readonly number[]): Axis => ({
  title,
  scale: logScale(extent(values), ACROSS, distinct(values)),
  label: String,
});

const bySize = (found: Measurement): Markup | undefined => {
  const rows = along("bytes", found.throughput);
  const series = seriesOf(found, (key) => ({
    points: rows.flatMap(({ peer, bytes, ns }) => {
      if (peer !== key || bytes === "mix") return [];
      const { q1, q3 } = inMillions(ns);
      const text = `${bytes} B, ${framesPerSecond(ns)} million frames a second`;
      return [{ x: bytes, y: millions(ns.median), low: q1, high: q3, text }];
    }),
  }));
  if (series.length === 0) return undefined;
  const about = {
    id: "plot-size",
    title: "Throughput by frame size",
    description: "A line for each driver: million frames per second over bytes per frame, with quartiles.",
  };
  const sizes = series.flatMap(({ points }) => points.map(({ x }) => x));
  return figure(
    linePlot(
      about,
      atValues("bytes a frame, FCS included", sizes),
      fromZero("million frames a second", series),
      series,
    ),
    series,
  );
};

const byBatch = (found: Measurement): Markup | undefined => {
  const series = seriesOf(found, (key) => ({
    points: found.sameThread
      .filter(({ peer }) => peer === key)
      .toSorted((a, b) => a.batch - b.batch)
      .map(({ batch, ns }) => ({
        x: batch,
        y: ns.median,
        low: ns.q1,
        high: ns.q3,
        text: `batch ${batch}, ${withQuartiles(ns, nanos)} ns a frame`,
      })),
  }));
  if (series.length === 0) return undefined;
  const about = {
    id: "plot-batch",
    title: "Time a frame by batch",
    description: "A line for each driver: nanoseconds per frame over frames per batch, with quartiles.",
  };
  const batches = series.flatMap(({ points }) => points.map(({ x }) => x));
  return figure(linePlot(about, atValues("frames a batch", batches), fromZero("ns a frame", series), series), series);
};

/** The share of requests that took longer than the bound of each bin, as a line with steps. */
const slower = (histogram: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] => {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  let left = total;
  return histogram
    .filter(([, count]) => count > 0)
    .flatMap(([bound, count]) => {
      const before = left / total;
      left -= count;
      return [[bound, before] as const, ...(left > 0 ? [[bound, left / total] as const] : [])];
    });
};

const PERCENTILES = [
  ["p50", 0.5],
  ["p90", 0.1],
  ["p99", 0.01],
  ["p999", 0.001],
  ["p9999", 0.0001],
] as const;

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

const distribution = (found: Measurement): Markup | undefined => {
  const bytes = found.latency[0]?.bytes;
  const series = seriesOf(found, (key) => {
    const row = found.latency.find((each) => each.peer === key && each.bytes === bytes);
    if (row === undefined) return { points: [] };
    const points = PERCENTILES.filter(([, share]) => share * row.frames >= 1).map(([name, share]) => {
      const text = `${percent(share)} of the requests took longer than ${micros(row.ns[name])} µs`;
      return { x: row.ns[name], y: share, text };
    });
    return { points, line: slower(row.histogram) };
  });
  if (series.length === 0) return undefined;
  const about = {
    id: "plot-latency",
    title: "Distribution of latency",
    description: "A line for each driver, on logarithmic axes: the share of requests that took longer than a time.",
  };
  const lines = series.flatMap(({ line = [], points }) => [...line, ...points.map(({ x, y }) => [x, y] as const)]);
  const times = extent(lines.map(([time]) => time));
  const shares = extent(lines.map(([, share]) => share));
  const x: Axis = { title: "µs", scale: logScale(times, ACROSS), label: (ns) => String(ns / 1000) };
  const range = [10 ** Math.floor(Math.log10(shares[0])), 1] as const;
  const y: Axis = { title: "slower requests", scale: logScale(range, upTo(HEIGHT)), label: percent };
  return figure(linePlot(about, x, y, series), series);
};

/** Width of the margin on the left, which has the names of the groups. */
const RATIO_LEFT = 122;
const RATIO_TICKS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50] as const;

type Ratios = readonly (readonly [group: string, of: (key: string) => Quartiles | undefined])[];

const ratios = (
  found: Measurement,
  about: { readonly id: string; readonly title: string; readonly axis: string },
  wanted: Ratios,
): Markup | undefined => {
  const groups: readonly Group[] = wanted
    .map(([name, of]) => ({
      name,
      entries: found.peers.flatMap((peer, index) => {
        const q = of(peer.key);
        if (q === undefined) return [];
        const point = { x: q.median, low: q.q1, high: q.q3, text: ratio(q, 3) };
        return [{ name: peer.name, index, point }];
      }),
    }))
    .filter(({ entries }) => entries.length > 0);
  if (groups.length === 0) return undefined;
  const points = groups.flatMap(({ entries }) => entries.map(({ point }) => point));
  const [lowest, highest] = extent(points.flatMap(({ low, high }) => [low ?? 1, high ?? 1, 0.9, 1.1]));
  const range = [lowest * 0.97, highest * 1.03] as const;
  const ticks = RATIO_TICKS.filter((tick) => tick >= range[0] && tick <= range[1]);
  const x: Axis = { title: about.axis, scale: logScale(range, [RATIO_LEFT, ACROSS[1]], ticks), label: String };
  const description = `For ${groups.map(({ name }) => name).join(", ")} one row each: the ratio of every driver to minimal C, with quartiles, and a line at 1.`;
  const shown = measuredPeers(found).filter(({ name }) =>
    groups.some(({ entries }) => entries.some((entry) => entry.name === name)),
  );
  const index = (key: string): number => found.peers.findIndex(({ key: own }) => own === key);
  return figure(
    ratioPlot({ id: about.id, title: about.title, description }, x, groups),
    shown.map(({ key, name }) => ({ name, index: index(key) })),
  );
};

const throughputRatios = (found: Measurement): Markup | undefined => {
  const rows = along("rate", found.throughput);
  const rates = distinct(rows.map(({ rate }) => rate));
  return ratios(
    found,
    {
      id: "plot-rate",
      title: "Throughput against minimal C",
      axis: "frames a second, as a ratio to minimal C: left is slower",
    },
    rates.map((rate) => [
      axisValue("rate", rate),
      (key) => rows.find((row) => row.peer === key && row.rate === rate)?.ratio,
    ]),
  );
};

const latencyRatios = (found: Measurement): Markup | undefined => {
  const bytes = found.latency[0]?.bytes;
  const of = (key: string) => found.latency.find((row) => row.peer === key && row.bytes === bytes)?.ratio;
  return ratios(
    found,
    {
      id: "plot-latency-ratio",
      title: "Latency against minimal C",
      axis: "time, as a ratio to minimal C: right is slower",
    },
    [
      ["p50", (key) => of(key)?.p50],
      ["p99", (key) => of(key)?.p99],
      ["p99.9", (key) => of(key)?.p999],
    ],
  );
};

/** The plot for a table; undefined if there is none or nothing was measured. */
export const plotFor = (found: Measurement, table: string): Markup | undefined => {
  if (table === "size") return bySize(found);
  if (table === "rate") return throughputRatios(found);
  if (table === "latency") return distribution(found);
  if (table === "latency-ratio") return latencyRatios(found);
  return table === "batch" ? byBatch(found) : undefined;
};
