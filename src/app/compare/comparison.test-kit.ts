/** A comparison for tests, with invented figures. */
import type { Comparison, LatencyRow, Peer, Quartiles, SameThreadRow, ThroughputRow } from "./result.ts";

/** For each driver: key, name, language, and the time for a frame of 64 B in ns. */
const PEERS: readonly (readonly [key: string, name: string, language: Peer["language"], ns: number])[] = [
  ["minimal-c", "minimal C", "C", 20],
  ["careful-c", "careful C", "C", 23],
  ["burst-c", "C over bursts", "C", 30],
  ["rust", "safe Rust", "Rust", 24],
  ["link", "Ferrule over Link", "TypeScript", 45],
  ["turnaround", "Ferrule by turnaround", "TypeScript", 23.5],
  ["checked", "Ferrule, checked mode", "TypeScript", 80],
];

export const around = (median: number, width = 0.02): Quartiles => ({
  q1: median * (1 - width),
  median,
  q3: median * (1 + width),
});

const peers: readonly Peer[] = [
  ...PEERS.map(([key, name, language]) => ({
    key,
    name,
    language,
    about: `Forwards frames: ${name}.`,
    validates: key !== "minimal-c",
    ...(language === "Rust" ? { unsafeSites: 3 } : {}),
  })),
  {
    key: "dpdk",
    name: "DPDK net_r8169",
    language: "C",
    about: "DPDK's own driver.",
    validates: false,
    missing: { why: "DPDK is not installed", install: "sudo apt-get install librte-net-r8169-25" },
  },
];

const MINIMAL_NS = PEERS[0]![3];

/** @param times converts a driver's time for 64 B to its time under the conditions of this row */
const row = (
  peer: string,
  own: number,
  times: (ns: number) => number,
  given: Partial<ThroughputRow>,
): ThroughputRow => ({
  peer,
  load: "forward",
  rate: "saturated",
  bytes: 64,
  batch: 32,
  queues: 1,
  rounds: 40,
  ns: around(times(own)),
  cpuNs: around(times(own) * 0.99),
  ratio: around(times(MINIMAL_NS) / times(own)),
  frames: 1_000_000,
  lost: 0,
  doubled: 0,
  reordered: 0,
  damaged: 0,
  missed: 0,
  collections: 0,
  ...given,
});

export const SIZES = [64, 128, 256, 512, 1024, 1518, "mix"] as const;
export const BATCHES = [1, 8, 32, 256] as const;
const RATES = [1000, 2500, 5000, 10_000] as const;

const throughput: readonly ThroughputRow[] = PEERS.flatMap(([key, , , own]) => [
  ...SIZES.map((bytes) => row(key, own, (ns) => ns + (bytes === "mix" ? 10 : bytes / 64), { bytes })),
  ...BATCHES.filter((batch) => batch !== 32).map((batch) => row(key, own, (ns) => ns * (1 + 2 / batch), { batch })),
  ...RATES.map((rate) => row(key, own, () => 672_000 / rate, { rate, ratio: around(1, 0.001) })),
  ...(["drop", "generate"] as const).map((load) => row(key, own, (ns) => 5 + ns / 2, { load })),
  row(key, own, (ns) => ns, { queues: 4 }),
]);

/** A histogram with 20 bins per decade. In its tail, the number of requests falls to a tenth in each half decade. */
const histogram = (from: number): readonly (readonly [number, number])[] =>
  Array.from({ length: 41 }, (_, i) => [
    Math.round(from * 10 ** (i / 20)),
    Math.ceil(900_000 * (10 ** (-i / 10) - 10 ** (-(i + 1) / 10))),
  ]);

const latency: readonly LatencyRow[] = PEERS.map(([key, , language, ns]) => {
  const bins = histogram(600 + ns);
  const bound = (i: number): number => bins[i]![0];
  return {
    peer: key,
    bytes: 64,
    frames: bins.reduce((total, [, count]) => total + count, 0),
    ns: { p50: bound(3), p90: bound(10), p99: bound(20), p999: bound(30), p9999: bound(40), max: bound(40) },
    ratio: { p50: around(1 + ns / 5000, 0.002), p99: around(1.02), p999: around(1.05, 0.05) },
    histogram: bins,
    collections: language === "TypeScript" ? 1 : 0,
  };
});

const sameThread: readonly SameThreadRow[] = PEERS.flatMap(([key, , , ns]) =>
  BATCHES.map((batch) => ({
    peer: key,
    batch,
    ns: around((ns / 6) * (1 + 2 / batch)),
    against: key === "turnaround" ? [{ peer: "rust", ratio: around(1.1) }] : [],
  })),
);

export const madeUp = (given: Partial<Comparison> = {}): Comparison => ({
  version: 1,
  taken: "2026-01-31T12:00:00.000Z",
  quick: false,
  seconds: 181,
  machine: {
    cpu: "A processor",
    cores: 2,
    virtual: true,
    kernel: "6.1.0",
    node: "v26.10.0",
    compiler: "gcc 12.2.0",
    rustc: "rustc 1.63.0",
    loadBefore: 0.1,
    loadAfter: 1.2,
  },
  peers,
  throughput,
  latency,
  sameThread,
  notCovered: ["Linux's own r8169 in a guest: it needs QEMU."],
  facts: {
    ferrule: "0.1.0",
    features: [
      { driver: "Ferrule", yes: 20, remarked: 31, no: 5 },
      { driver: "Linux r8169", yes: 22, remarked: 18, no: 16 },
    ],
    sizes: [
      { driver: "Ferrule", lines: 11_929, code: 8939 },
      { driver: "Linux r8169", lines: 7864 },
    ],
    safetySites: 96,
    faults: [
      { class: "memory", impossible: 6, checked: 3, tested: 3 },
      { class: "race", impossible: 5, checked: 0, tested: 2 },
    ],
  },
  ...given,
});
