/**
 * A measurement as tables for a terminal. These tables are for developers of a driver; `ferrule compare` prints others.
 */
import type { Measurement, Quartiles } from "#app/compare/result.ts";
import type { Row } from "../bench.ts";
import { tableOf } from "../table.ts";

const withQuartiles = ({ q1, median, q3 }: Quartiles, digits: number): string =>
  `${median.toFixed(digits)} (${q1.toFixed(digits)}-${q3.toFixed(digits)})`;

const throughput = ({ throughput: rows }: Measurement): Row[] =>
  rows.map((row) => ({
    load: row.load,
    "Mbit/s": row.rate,
    bytes: row.bytes,
    batch: row.batch,
    peer: row.peer,
    "ns a frame": withQuartiles(row.ns, 1),
    "CPU ns": withQuartiles(row.cpuNs, 1),
    "of minimal C": withQuartiles(row.ratio, 3),
    frames: row.frames,
    "lost, doubled, reordered": `${row.lost}, ${row.doubled}, ${row.reordered}`,
    damaged: row.damaged,
    missed: row.missed,
    collections: row.collections,
  }));

const latency = ({ latency: rows }: Measurement): Row[] =>
  rows.map(({ peer, bytes, frames, ns, ratio, collections }) => ({
    bytes,
    peer,
    "p50 ns": ns.p50,
    "p99 ns": ns.p99,
    "p99.9 ns": ns.p999,
    "p99.99 ns": ns.p9999,
    "max ns": ns.max,
    "p50 to minimal C": withQuartiles(ratio.p50, 3),
    "p99 to minimal C": withQuartiles(ratio.p99, 3),
    "p99.9 to minimal C": withQuartiles(ratio.p999, 3),
    frames,
    collections,
  }));

const sameThread = ({ sameThread: rows }: Measurement): Row[] =>
  rows.map(({ peer, batch, ns, against }) => ({
    batch,
    peer,
    "ns a frame": withQuartiles(ns, 2),
    "time divided by that of": against.map((other) => `${other.peer} ${withQuartiles(other.ratio, 2)}`).join(", "),
  }));

const inverse = ({ q1, median, q3 }: Quartiles): Quartiles => ({ q1: 1 / q3, median: 1 / median, q3: 1 / q1 });

const ONE: Quartiles = { q1: 1, median: 1, q3: 1 };

const row = (what: string, peer: string, ns: string, speed: Quartiles): Row => ({
  what,
  peer,
  ns,
  "speed of minimal C": withQuartiles(speed, 3),
});

/** The rows of one table: times, and speeds relative to minimal C. */
export const rowsOf = ({
  peers,
  throughput: frames,
  latency: requests,
  sameThread: threads,
}: Measurement): readonly Row[] => {
  return [
    ...frames.map(({ load, rate, bytes, batch, peer, ns, ratio }) =>
      row(`${load}, ${rate} Mbit/s, ${bytes} B, batch ${batch}`, peer, withQuartiles(ns, 1), ratio),
    ),
    ...requests.map(({ bytes, peer, ns, ratio }) =>
      row(`request and response, ${bytes} B, median`, peer, ns.p50.toFixed(0), inverse(ratio.p50)),
    ),
    ...threads.map(({ batch, peer, ns, against }) => {
      const ratio = against.find((other) => other.peer === peers[0]?.key)?.ratio ?? ONE;
      return row(`one thread, batch ${batch}`, peer, withQuartiles(ns, 2), inverse(ratio));
    }),
  ];
};

export const textOf = (measured: Measurement): string =>
  (
    [
      ["Throughput in frames per second; a ratio above 1 is faster", throughput(measured)],
      ["Request and response; a ratio above 1 is slower", latency(measured)],
      ["Driver and device in one thread", sameThread(measured)],
    ] as const
  )
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) => `${title}\n${tableOf(rows)}`)
    .join("\n\n");
