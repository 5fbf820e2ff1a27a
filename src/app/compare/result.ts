/** What one comparison of drivers found: the form of `ferrule compare --json`, and of the committed run behind docs/performance.md. */

import type { Size } from "./line-count.ts";

/** Raised when a field changes its meaning or goes; a file of another version is refused. */
export const COMPARISON_VERSION = 1;

/** A figure over rounds: median and quartiles, of which q1 is the lowest. */
export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** A driver that takes part. */
export interface Peer {
  /** minimal-c, careful-c, burst-c, rust, dpdk, link, turnaround, checked, …: unique in a comparison. */
  readonly key: string;
  /** For people: "safe Rust", "Ferrule over Link". */
  readonly name: string;
  readonly language: "C" | "Rust" | "TypeScript";
  /** One sentence: what it does, and what it leaves out. */
  readonly about: string;
  /** Whether it validates each word that the device wrote. */
  readonly validates: boolean;
  /** Why it was not measured, and the command that installs what is missing. Absent for a peer that was measured. */
  readonly missing?: { readonly why: string; readonly install: string };
  /** `unsafe` blocks and functions (Rust) or SAFETY sites (TypeScript); absent for C, where all code is. */
  readonly unsafeSites?: number;
  /** Of the sources of its data path; absent where we do not have them. */
  readonly size?: Size;
}

export interface ThroughputRow {
  /** Key of a peer. */
  readonly peer: string;
  readonly load: "drop" | "generate" | "forward";
  /** Mbit/s of the line, preamble and gap included; "saturated": the device never waits. */
  readonly rate: number | "saturated";
  /** Bytes of a frame with its FCS, as RFC 2544 counts, or a mix: seven of 64, four of 594 and one of 1518. */
  readonly bytes: number | "mix";
  /** Frames at most that the driver takes in one pass. */
  readonly batch: number;
  readonly queues: number;
  readonly rounds: number;
  /** Real time a frame, ns. */
  readonly ns: Quartiles;
  /** Processor time a frame of the driver's thread, ns. */
  readonly cpuNs: Quartiles;
  /** Frames a second divided by minimal C's in the same round: 1 is equal, below 1 is slower. */
  readonly ratio: Quartiles;
  /** Frames of all rounds, and what their sequence numbers showed. */
  readonly frames: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Frames that came back changed otherwise than they should. */
  readonly damaged: number;
  /** Frames of a paced line for which the driver had no receive buffer free in time: a NIC drops them. */
  readonly missed: number;
  /** Garbage collections of the driver's process in these rounds; 0 for C and Rust. */
  readonly collections: number;
}

/** Percentiles of a time, ns. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** Request and response, one at a time, as the device sees them. */
export interface LatencyRow {
  /** Key of a peer. */
  readonly peer: string;
  /** Bytes of a frame with its FCS. */
  readonly bytes: number;
  readonly frames: number;
  readonly ns: Percentiles;
  /** The peer's percentile divided by minimal C's, round by round: above 1 is slower. */
  readonly ratio: { readonly p50: Quartiles; readonly p99: Quartiles; readonly p999: Quartiles };
  /** Whole distribution: upper bound of a bin in ns, frames in it. Bounds rise; the counts add up to `frames`. */
  readonly histogram: readonly (readonly [ns: number, count: number])[];
  /** Garbage collections of the driver's process meanwhile; 0 for C and Rust. */
  readonly collections: number;
}

/** Driver and device in one thread, the device's time not counted. */
export interface SameThreadRow {
  /** Key of a peer. */
  readonly peer: string;
  readonly batch: number;
  /** Time a frame, ns. */
  readonly ns: Quartiles;
  /** Time divided by that of the peer named: above 1 is slower. */
  readonly against: readonly { readonly peer: string; readonly ratio: Quartiles }[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly virtual: boolean;
  readonly kernel: string;
  readonly node: string;
  /** Absent where there is no C compiler, and so no C. */
  readonly compiler?: string;
  readonly rustc?: string;
  readonly dpdk?: string;
  /** Load average of a minute. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/** What `bench/compare` measures and writes. */
export interface Measurement {
  readonly version: typeof COMPARISON_VERSION;
  /** When it began: ISO 8601, UTC. */
  readonly taken: string;
  readonly quick: boolean;
  /** How long it took. */
  readonly seconds: number;
  readonly machine: Machine;
  /** Those that were measured and those that are missing. The first is the one that ratios refer to. */
  readonly peers: readonly Peer[];
  readonly throughput: readonly ThroughputRow[];
  readonly latency: readonly LatencyRow[];
  readonly sameThread: readonly SameThreadRow[];
  /** What this run left out, a sentence each, with the reason. */
  readonly notCovered: readonly string[];
}

/** How many features of docs/features.md a driver has. */
export interface FeatureCount {
  readonly driver: string;
  /** Without any remark. */
  readonly yes: number;
  /** With a remark: a restriction, or how far it goes. */
  readonly remarked: number;
  readonly no: number;
}

/** Known faults of the C driver of one class, and what keeps them from Ferrule: docs/safety.md. */
export interface FaultClass {
  readonly class: string;
  readonly impossible: number;
  readonly checked: number;
  readonly tested: number;
}

/** The size of a driver's sources. */
export interface DriverSize {
  readonly driver: string;
  readonly lines: number;
  /** Absent where only a published count of lines is known. */
  readonly code?: number;
}

/** What is counted in this project's sources and pages, not measured. */
export interface Facts {
  /** Version of Ferrule. */
  readonly ferrule: string;
  readonly features: readonly FeatureCount[];
  readonly sizes: readonly DriverSize[];
  /** SAFETY lines of src/sys: docs/soundness.md. */
  readonly safetySites: number;
  readonly faults: readonly FaultClass[];
}

export interface Comparison extends Measurement {
  readonly facts: Facts;
}

/** As JSON, a line for each row. */
export const comparisonJson = (found: Comparison): readonly string[] => {
  const fields = Object.entries(found).map(([name, value]) => {
    if (!Array.isArray(value) || value.length === 0) return [`  "${name}": ${JSON.stringify(value)}`];
    const rows = value.map((row) => `    ${JSON.stringify(row)}`);
    return [`  "${name}": [`, ...rows.map((row, i) => (i < rows.length - 1 ? `${row},` : row)), "  ]"];
  });
  const lines = fields.map((field, i) => (i < fields.length - 1 ? [...field.slice(0, -1), `${field.at(-1)},`] : field));
  return ["{", ...lines.flat(), "}"];
};
