/** The tables of a comparison. Terminal, page and document format them differently. */
import { count } from "../terminal/format.ts";
import {
  along,
  type Axis,
  axisValue,
  distinct,
  framesPerSecond,
  measuredPeers,
  micros,
  nameOf,
  nanos,
  ratio,
  withQuartiles,
} from "./figures.ts";
import type {
  Comparison,
  FaultClass,
  LatencyRow,
  Measurement,
  Quartiles,
  SameThreadRow,
  ThroughputRow,
} from "./result.ts";

export interface Table {
  readonly id: string;
  readonly title: string;
  /** An explanation of the table's figures. */
  readonly note: string;
  readonly headings: readonly string[];
  /** The rows; the first cell of each is its heading. */
  readonly rows: readonly (readonly string[])[];
}

const NONE = "–";

/** Whether a cell is a figure, which is aligned to the right. */
export const isFigure = (cell: string): boolean => /^[\d–]/.test(cell);

/** A table with a row for each driver and a column for each value of the axis. */
const shorten = (
  found: Measurement,
  axis: Axis,
  about: Pick<Table, "id" | "title" | "note">,
  cell: (row: ThroughputRow) => string,
): Table => {
  const rows = along(axis, found.throughput);
  const measured = distinct(rows.map((row) => row[axis]));
  // With only one value, the table would repeat a column of the table of sizes, so it has no rows and is omitted.
  const values = axis === "bytes" || measured.length > 1 ? measured : [];
  const peers =
    values.length === 0 ? [] : measuredPeers(found).filter(({ key }) => rows.some(({ peer }) => peer === key));
  return {
    ...about,
    headings: ["driver", ...values.map((value) => axisValue(axis, value))],
    rows: peers.map(({ key, name }) => [
      name,
      ...values.map((value) => {
        const row = rows.find((each) => each.peer === key && each[axis] === value);
        return row === undefined ? NONE : cell(row);
      }),
    ]),
  };
};

/** Number of decimals for tables in which a difference of 2 % matters. */
const EXACT = 3;

const RATIO =
  "Frames per second divided by those of minimal C in the same rounds: below 1 is slower. Median (quartiles).";
const SATURATED = "The device sends without waiting for a line.";

const throughput = (found: Measurement): readonly Table[] => [
  shorten(
    found,
    "bytes",
    {
      id: "size",
      title: "Throughput by frame size, million frames a second",
      note: `Forwarding, batch 32, one queue. ${SATURATED} Median (quartiles).`,
    },
    ({ ns }) => framesPerSecond(ns),
  ),
  shorten(
    found,
    "bytes",
    {
      id: "size-ratio",
      title: "Throughput by frame size, against minimal C",
      note: `Forwarding, batch 32, one queue. ${SATURATED} ${RATIO}`,
    },
    (row) => ratio(row.ratio),
  ),
  shorten(
    found,
    "rate",
    {
      id: "rate",
      title: "Throughput by line rate, against minimal C",
      note: `Forwarding, 64 B, batch 32, one queue. ${RATIO}`,
    },
    (row) => ratio(row.ratio, EXACT),
  ),
  shorten(
    found,
    "batch",
    {
      id: "batch-ratio",
      title: "Throughput by batch, against minimal C",
      note: `Forwarding, 64 B, one queue. ${SATURATED} ${RATIO}`,
    },
    (row) => ratio(row.ratio),
  ),
  shorten(
    found,
    "load",
    {
      id: "load",
      title: "Throughput by load, against minimal C",
      note: `64 B, batch 32, one queue. ${SATURATED} ${RATIO}`,
    },
    (row) => ratio(row.ratio),
  ),
  shorten(
    found,
    "queues",
    {
      id: "queues",
      title: "Throughput by queues, against minimal C",
      note: `Forwarding, 64 B, batch 32. ${SATURATED} ${RATIO}`,
    },
    (row) => ratio(row.ratio),
  ),
  shorten(
    found,
    "bytes",
    {
      id: "processor",
      title: "Processor time a frame, ns",
      note: `Processor time of the driver's thread: forwarding, batch 32, one queue. ${SATURATED} Median (quartiles).`,
    },
    ({ cpuNs }) => withQuartiles(cpuNs, nanos),
  ),
];

const OUTCOMES = ["frames", "missed", "lost", "doubled", "reordered", "damaged", "collections"] as const;

const delivery = (found: Measurement): Table => ({
  id: "delivery",
  title: "What became of the frames",
  note: "Counted by the sequence number in each frame, over all loads, sizes, batches and rates. Missed: no receive buffer was free in time, so a NIC would drop the frame. Damaged: the frame came back with wrong contents. Collections: garbage collections during the measurement.",
  headings: ["driver", ...OUTCOMES],
  rows: measuredPeers(found).flatMap(({ key, name }) => {
    const rows = found.throughput.filter(({ peer }) => peer === key);
    const total = (outcome: (typeof OUTCOMES)[number]): number => rows.reduce((sum, row) => sum + row[outcome], 0);
    return rows.length === 0 ? [] : [[name, ...OUTCOMES.map((outcome) => count(total(outcome)))]];
  }),
});

/** The name of a row's driver, followed by the length of the frames if several lengths were measured. */
const latencyName = (found: Measurement, { peer, bytes }: LatencyRow): string =>
  distinct(found.latency.map((row) => row.bytes)).length > 1
    ? `${nameOf(found, peer)}, ${bytes} B`
    : nameOf(found, peer);

const PERCENTILES = ["p50", "p90", "p99", "p999", "p9999", "max"] as const;

const latency = (found: Measurement): readonly Table[] => [
  {
    id: "latency",
    title: "Latency of a request and its response, µs",
    note: "One request at a time. The device measures the time from its doorbell or OWN bit to the response in its ring.",
    headings: ["driver", "frames", "p50", "p90", "p99", "p99.9", "p99.99", "max", "collections"],
    rows: found.latency.map((row) => [
      latencyName(found, row),
      count(row.frames),
      ...PERCENTILES.map((name) => micros(row.ns[name])),
      count(row.collections),
    ]),
  },
  {
    id: "latency-ratio",
    title: "Latency, against minimal C",
    note: "The percentile divided by that of minimal C in the same round: above 1 is slower. Median (quartiles).",
    headings: ["driver", "p50", "p99", "p99.9"],
    rows: found.latency.map((row) => [
      latencyName(found, row),
      ...(["p50", "p99", "p999"] as const).map((name) => ratio(row.ratio[name], EXACT)),
    ]),
  },
];

const sameThread = (found: Measurement): readonly Table[] => {
  const batches = distinct(found.sameThread.map(({ batch }) => batch)).toSorted((a, b) => a - b);
  const byBatch = (peer: string, cell: (row: SameThreadRow) => string | undefined): readonly string[] =>
    batches.map((batch) => {
      const row = found.sameThread.find((each) => each.peer === peer && each.batch === batch);
      return (row === undefined ? undefined : cell(row)) ?? NONE;
    });
  const peers = distinct(found.sameThread.map(({ peer }) => peer));
  const pairs = peers.flatMap((peer) => {
    const rows = found.sameThread.filter((row) => row.peer === peer);
    return distinct(rows.flatMap(({ against }) => against.map((each) => each.peer))).map((other) => ({ peer, other }));
  });
  const headings = batches.map((batch) => `batch ${batch}`);
  return [
    {
      id: "batch",
      title: "Time a frame by batch, ns",
      note: "Forwarding 64 B with driver and device in one thread; the device's time is not counted. Median (quartiles).",
      headings: ["driver", ...headings],
      rows: peers.map((peer) => [nameOf(found, peer), ...byBatch(peer, ({ ns }) => withQuartiles(ns, nanos))]),
    },
    {
      id: "batch-against",
      title: "Time a frame by batch, against another driver",
      note: "Time divided by that of the other driver in the same rounds: above 1 is slower. Median (quartiles).",
      headings: ["driver", "against", ...headings],
      rows: pairs.map(({ peer, other }) => [
        nameOf(found, peer),
        nameOf(found, other),
        ...byBatch(peer, ({ against }) => {
          const quotient = against.find((each) => each.peer === other)?.ratio;
          return quotient && ratio(quotient);
        }),
      ]),
    },
  ];
};

const drivers = (found: Comparison): Table => ({
  id: "drivers",
  title: "The drivers of this comparison",
  note: "Validates: whether each word that the device wrote is validated before use. Lines: the data path without comments and blank lines. Unchecked: the places whose memory accesses the language does not check. In C that is all code, in Rust the `unsafe` blocks and functions, and in TypeScript the calls with a SAFETY comment, which map the memory.",
  headings: ["driver", "language", "validates", "lines", "unchecked"],
  rows: measuredPeers(found).map(({ name, language, validates, size, unsafeSites }) => [
    name,
    language,
    validates ? "yes" : "no",
    size === undefined ? NONE : count(size.code),
    language === "C" ? "all" : unsafeSites === undefined ? NONE : count(unsafeSites),
  ]),
});

const project = ({ facts }: Comparison): readonly Table[] => [
  {
    id: "features",
    title: "Features of the whole drivers",
    note: "Rows of docs/features.md: yes without a remark, yes with a restriction or another remark, and no.",
    headings: ["driver", "yes", "with a remark", "no"],
    rows: facts.features.map(({ driver, yes, remarked, no }) => [driver, ...[yes, remarked, no].map(count)]),
  },
  {
    id: "lines",
    title: "Lines",
    note: "Counted by one program: the whole drivers with their tables of start-up values, without tests (Linux's figure is the published one, of r8169*.c and r8169*.h).",
    headings: ["sources", "lines", "without comments and blank lines"],
    rows: facts.sizes.map(({ driver, lines, code }) => [driver, count(lines), code === undefined ? NONE : count(code)]),
  },
  {
    id: "faults",
    title: "Known faults of the C driver",
    note: `Faults that were fixed in the C driver from 2004 to 2026, and what prevents them in Ferrule: the fault cannot be written, it is detected where it would occur, or a test fails if it occurs. docs/safety.md has the evidence for each. In Ferrule there are ${facts.safetySites} places that the language does not check, each with a reason (docs/soundness.md).`,
    headings: ["class", "impossible", "checked", "tested", "together"],
    rows: [...facts.faults.map((row) => faultRow(row.class, [row])), faultRow("all", facts.faults)],
  },
];

const faultRow = (name: string, rows: readonly FaultClass[]): readonly string[] => {
  const sums = (["impossible", "checked", "tested"] as const).map((kept) =>
    rows.reduce((sum, row) => sum + row[kept], 0),
  );
  return [name, ...sums.map(count), count(sums.reduce((sum, each) => sum + each, 0))];
};

/** The ratio with the lowest median; undefined for a driver that was not measured at a line rate. */
const worst = (ratios: readonly Quartiles[]): Quartiles | undefined =>
  ratios.toSorted((a, b) => a.median - b.median)[0];

const summary = (found: Measurement): Table => ({
  id: "summary",
  title: "In short",
  note: "Ratios to minimal C: median (quartiles). Throughput is that of forwarding 64 B in batches of 32; below 1 is slower. Saturated: the device never waits. At a line rate: the worst ratio of all rates. Latency: above 1 is slower.",
  headings: ["driver", "saturated", "at a line rate", "latency p50", "latency p99"],
  rows: measuredPeers(found).flatMap(({ key, name }) => {
    const rates = along("rate", found.throughput).filter(({ peer }) => peer === key);
    const saturated = rates.find(({ rate }) => rate === "saturated");
    const paced = worst(rates.filter(({ rate }) => rate !== "saturated").map((row) => row.ratio));
    const request = found.latency.find(({ peer }) => peer === key);
    if (saturated === undefined && request === undefined) return [];
    const figures = [saturated?.ratio, paced, request?.ratio.p50, request?.ratio.p99];
    return [[name, ...figures.map((figure) => (figure === undefined ? NONE : ratio(figure, EXACT)))]];
  }),
});

/** All tables in the order in which they are shown; those without rows are omitted. */
export const tablesOf = (found: Comparison): readonly Table[] =>
  [
    summary(found),
    ...throughput(found),
    delivery(found),
    ...latency(found),
    ...sameThread(found),
    drivers(found),
    ...project(found),
  ].filter(({ rows }) => rows.length > 0);
