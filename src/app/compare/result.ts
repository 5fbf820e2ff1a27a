/**
 * The result of a comparison of drivers: the format of `ferrule compare --json`, and of the committed run behind
 * docs/performance.md.
 */

import type { Size } from "./line-count.ts";

/**
 * Version of the format. It is increased when a field is removed or its meaning changes. A file of another version is
 * rejected.
 */
export const COMPARISON_VERSION = 1;

/** A figure of several rounds: the median and the quartiles, of which q1 is the lower one. */
export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** A driver that is compared. */
export interface Peer {
  /**
   * Key of the driver, unique in a comparison: minimal-c, careful-c, burst-c, rust, dpdk, link, turnaround, checked, …
   */
  readonly key: string;
  /** Name for people: "safe Rust", "Ferrule over Link". */
  readonly name: string;
  readonly language: "C" | "Rust" | "TypeScript";
  /** One sentence about what the driver does and what it omits. */
  readonly about: string;
  /** Whether the driver validates each word that the device wrote. */
  readonly validates: boolean;
  /**
   * The reason that the driver was not measured, and the command that installs what is missing. Absent if it was
   * measured.
   */
  readonly missing?: { readonly why: string; readonly install: string };
  /**
   * Number of `unsafe` blocks and functions (Rust) or SAFETY sites (TypeScript); absent for C, where all code is
   * unsafe.
   */
  readonly unsafeSites?: number;
  /** Size of the sources of the data path; absent if they are not available. */
  readonly size?: Size;
}

export interface ThroughputRow {
  /** Key of the driver. */
  readonly peer: string;
  readonly load: "drop" | "generate" | "forward";
  /**
   * Speed of the line in Mbit/s, at which preamble and gap of each frame also take time; "saturated" if the device does
   * not wait for a line.
   */
  readonly rate: number | "saturated";
  /** Length of a frame with FCS, as in RFC 2544; or "mix": seven frames of 64 bytes, four of 594 and one of 1518. */
  readonly bytes: number | "mix";
  /** Maximum number of frames that the driver processes in one pass. */
  readonly batch: number;
  readonly queues: number;
  readonly rounds: number;
  /** Real time per frame in ns. */
  readonly ns: Quartiles;
  /** Processor time of the driver's thread per frame in ns. */
  readonly cpuNs: Quartiles;
  /** Frames per second divided by those of minimal C in the same round: 1 is equal, below 1 is slower. */
  readonly ratio: Quartiles;
  /** Number of frames in all rounds. */
  readonly frames: number;
  /** Number of frames that did not come back, as shown by the sequence numbers. */
  readonly lost: number;
  /** Number of frames that came back more than once. */
  readonly doubled: number;
  /** Number of frames that came back after a later one. */
  readonly reordered: number;
  /** Number of frames with wrong contents. */
  readonly damaged: number;
  /**
   * Number of frames that came from a line of limited speed when the driver had provided no receive buffer. A NIC would
   * have dropped them.
   */
  readonly missed: number;
  /** Number of garbage collections in the driver's process in these rounds; 0 for C and Rust. */
  readonly collections: number;
}

/** Percentiles of a time in ns. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** Latency of a request and its response, one at a time, measured at the device. */
export interface LatencyRow {
  /** Key of the driver. */
  readonly peer: string;
  /** Length of a frame with FCS, in bytes. */
  readonly bytes: number;
  readonly frames: number;
  readonly ns: Percentiles;
  /** The driver's percentile divided by that of minimal C in the same round: above 1 is slower. */
  readonly ratio: { readonly p50: Quartiles; readonly p99: Quartiles; readonly p999: Quartiles };
  /**
   * The whole distribution: for each bin, its upper bound in ns and its number of frames. Bounds are ascending; the sum
   * of the counts is `frames`.
   */
  readonly histogram: readonly (readonly [ns: number, count: number])[];
  /** Number of garbage collections in the driver's process during the measurement; 0 for C and Rust. */
  readonly collections: number;
}

/** A measurement with driver and device in one thread; the device's time is not counted. */
export interface SameThreadRow {
  /** Key of the driver. */
  readonly peer: string;
  readonly batch: number;
  /** Time per frame in ns. */
  readonly ns: Quartiles;
  /** Time divided by that of the other driver `peer`: above 1 is slower. */
  readonly against: readonly { readonly peer: string; readonly ratio: Quartiles }[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly virtual: boolean;
  readonly kernel: string;
  readonly node: string;
  /** The C compiler; absent if there is none, in which case no driver in C was measured. */
  readonly compiler?: string;
  readonly rustc?: string;
  readonly dpdk?: string;
  /** Load average of one minute, before the measurement. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/** What `bench/compare` measures and writes. */
export interface Measurement {
  readonly version: typeof COMPARISON_VERSION;
  /** Start of the measurement (ISO 8601, UTC). */
  readonly taken: string;
  readonly quick: boolean;
  /** Duration of the measurement in seconds. */
  readonly seconds: number;
  readonly machine: Machine;
  /** The drivers: those that were measured and those that are missing. Ratios refer to the first one. */
  readonly peers: readonly Peer[];
  readonly throughput: readonly ThroughputRow[];
  readonly latency: readonly LatencyRow[];
  readonly sameThread: readonly SameThreadRow[];
  /** What this run omitted, and why: one sentence for each omission. */
  readonly notCovered: readonly string[];
}

/** Number of features of docs/features.md that a driver has. */
export interface FeatureCount {
  readonly driver: string;
  /** Number of features without a remark. */
  readonly yes: number;
  /** Number of features with a remark, such as a restriction. */
  readonly remarked: number;
  readonly no: number;
}

/** A class of known faults of Linux's C driver, and what prevents them in Ferrule (docs/safety.md). */
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
  /** Absent if only a published number of lines is known. */
  readonly code?: number;
}

/** Facts that are counted in this project's sources and pages. */
export interface Facts {
  /** Version of Ferrule. */
  readonly ferrule: string;
  readonly features: readonly FeatureCount[];
  readonly sizes: readonly DriverSize[];
  /** Number of SAFETY lines in src/sys (docs/soundness.md). */
  readonly safetySites: number;
  readonly faults: readonly FaultClass[];
}

export interface Comparison extends Measurement {
  readonly facts: Facts;
}

/** The comparison as JSON, with a line for each row. */
export const comparisonJson = (found: Comparison): readonly string[] => {
  const fields = Object.entries(found).map(([name, value]) => {
    if (!Array.isArray(value) || value.length === 0) return [`  "${name}": ${JSON.stringify(value)}`];
    const rows = value.map((row) => `    ${JSON.stringify(row)}`);
    return [`  "${name}": [`, ...rows.map((row, i) => (i < rows.length - 1 ? `${row},` : row)), "  ]"];
  });
  const lines = fields.map((field, i) => (i < fields.length - 1 ? [...field.slice(0, -1), `${field.at(-1)},`] : field));
  return ["{", ...lines.flat(), "}"];
};
