/** Reads a comparison from a file, and checks all of it. */
import { readFileSync, statSync } from "node:fs";
import { FerruleError } from "#kit/errors.ts";
import {
  COMPARISON_VERSION,
  type Comparison,
  type DriverSize,
  type Facts,
  type LatencyRow,
  type Machine,
  type Measurement,
  type Peer,
  type Quartiles,
  type SameThreadRow,
  type ThroughputRow,
} from "./result.ts";
import type { Size } from "./line-count.ts";
import { among, flag, listOf, number, optional, type Parse, record, text, whole, wordOr, WrongField } from "./shape.ts";

const HINT = "`ferrule compare --json > FILE` writes a comparison.";
const MAX_BYTES = 64 << 20;

/** The file or the program's output is not a comparison; `field` is the first invalid field. */
export class NotAComparison extends FerruleError {
  readonly code = "NOT_A_COMPARISON";
  readonly hint = HINT;
  readonly path: string;
  /** Path of the first invalid field; empty if the document as a whole is invalid. */
  readonly field: string;
  constructor(path: string, what: string, field = "") {
    super(`${path} is not a comparison: ${what}`);
    this.path = path;
    this.field = field;
  }
}

/** The comparison has the format of another version of the program. */
export class OtherVersion extends FerruleError {
  readonly code = "OTHER_VERSION";
  readonly hint = "Read it with the Ferrule that wrote it, or measure again.";
  readonly path: string;
  readonly version: number;
  constructor(path: string, version: number) {
    super(`${path} has format version ${version}; this Ferrule reads version ${COMPARISON_VERSION}`);
    this.path = path;
    this.version = version;
  }
}

const quartiles: Parse<Quartiles> = (value, field) => {
  const read = record<Quartiles>({ q1: number(0), median: number(0), q3: number(0) })(value, field);
  if (read.q1 > read.median || read.median > read.q3) throw new WrongField(field, value, "in rising order");
  return read;
};

const peer = record<Peer>({
  key: text,
  name: text,
  language: among("C", "Rust", "TypeScript"),
  about: text,
  validates: flag,
  missing: optional(record({ why: text, install: text })),
  unsafeSites: optional(whole(0)),
  size: optional(record<Size>({ lines: whole(0), code: whole(0) })),
});

const peers: Parse<readonly Peer[]> = (value, field) => {
  const read = listOf(peer)(value, field);
  read.forEach(({ key }, i) => {
    if (read.findIndex(({ key: own }) => own === key) !== i)
      throw new WrongField(`${field}[${i}].key`, key, "unique: another peer has it");
  });
  return read;
};

const throughput = record<ThroughputRow>({
  peer: text,
  load: among("drop", "generate", "forward"),
  rate: wordOr("saturated", number(1)),
  bytes: wordOr("mix", whole(1)),
  batch: whole(1),
  queues: whole(1),
  rounds: whole(1),
  ns: quartiles,
  cpuNs: quartiles,
  ratio: quartiles,
  frames: whole(0),
  lost: whole(0),
  doubled: whole(0),
  reordered: whole(0),
  damaged: whole(0),
  missed: whole(0),
  collections: whole(0),
});

type Bin = readonly [number, number];
const bin: Parse<Bin> = (value, field) => {
  const pair = listOf(number(0))(value, field);
  if (pair.length !== 2) throw new WrongField(field, value, "a bound and a count");
  return [pair[0]!, whole(0)(pair[1], `${field}[1]`)];
};

const histogram: Parse<readonly Bin[]> = (value, field) => {
  const bins = listOf(bin)(value, field);
  bins.forEach(([bound], i) => {
    if (i > 0 && bound <= bins[i - 1]![0]) throw new WrongField(`${field}[${i}][0]`, bound, "above the bound before");
  });
  return bins;
};

const latencyFields = record<LatencyRow>({
  peer: text,
  bytes: whole(1),
  frames: whole(1),
  ns: record({ p50: number(0), p90: number(0), p99: number(0), p999: number(0), p9999: number(0), max: number(0) }),
  ratio: record({ p50: quartiles, p99: quartiles, p999: quartiles }),
  histogram,
  collections: whole(0),
});

const latency: Parse<LatencyRow> = (value, field) => {
  const read = latencyFields(value, field);
  const counted = read.histogram.reduce((total, [, count]) => total + count, 0);
  if (counted !== read.frames) throw new WrongField(`${field}.histogram`, counted, `of ${read.frames} frames`);
  return read;
};

const sameThread = record<SameThreadRow>({
  peer: text,
  batch: whole(1),
  ns: quartiles,
  against: listOf(record({ peer: text, ratio: quartiles })),
});

const machine = record<Machine>({
  cpu: text,
  cores: whole(1),
  virtual: flag,
  kernel: text,
  node: text,
  compiler: optional(text),
  rustc: optional(text),
  dpdk: optional(text),
  loadBefore: number(0),
  loadAfter: number(0),
});

const facts = record<Facts>({
  ferrule: text,
  features: listOf(record({ driver: text, yes: whole(0), remarked: whole(0), no: whole(0) })),
  sizes: listOf(record<DriverSize>({ driver: text, lines: whole(1), code: optional(whole(1)) })),
  safetySites: whole(0),
  faults: listOf(record({ class: text, impossible: whole(0), checked: whole(0), tested: whole(0) })),
});

const instant: Parse<string> = (value, field) => {
  const read = text(value, field);
  if (!/^\d{4}-\d\d-\d\dT/.test(read) || Number.isNaN(Date.parse(read)))
    throw new WrongField(field, value, "a time as in 2026-01-31T12:00:00Z");
  return read;
};

const measured = {
  version: among(COMPARISON_VERSION),
  taken: instant,
  quick: flag,
  seconds: number(0),
  machine,
  peers,
  throughput: listOf(throughput),
  latency: listOf(latency),
  sameThread: listOf(sameThread),
  notCovered: listOf(text),
};

/** Checks that each row belongs to a driver that was measured. */
const checkPeers = (read: Measurement): void => {
  const known = new Set(read.peers.filter(({ missing }) => missing === undefined).map(({ key }) => key));
  const check = (key: string, field: string): void => {
    if (!known.has(key)) throw new WrongField(field, key, "a peer that was measured");
  };
  read.throughput.forEach((row, i) => check(row.peer, `throughput[${i}].peer`));
  read.latency.forEach((row, i) => check(row.peer, `latency[${i}].peer`));
  read.sameThread.forEach((row, i) => {
    check(row.peer, `sameThread[${i}].peer`);
    row.against.forEach((each, j) => check(each.peer, `sameThread[${i}].against[${j}].peer`));
  });
};

const parse = <T extends Measurement>(json: string, path: string, shape: Parse<T>): T => {
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch (error) {
    throw new NotAComparison(path, `not JSON: ${(error as Error).message}`);
  }
  const { version } = Object(document) as { version?: unknown };
  if (typeof version === "number" && version !== COMPARISON_VERSION) throw new OtherVersion(path, version);
  try {
    const read = shape(document, "");
    checkPeers(read);
    return read;
  } catch (error) {
    if (error instanceof WrongField) throw new NotAComparison(path, error.message, error.field);
    throw error;
  }
};

/** @throws {NotAComparison} naming the field; {OtherVersion} */
export const parseComparison = (json: string, path: string): Comparison =>
  parse(json, path, record<Comparison>({ ...measured, facts }));

/** Parses the output of the measuring program. @throws {NotAComparison} naming the field; {OtherVersion} */
export const parseMeasurement = (json: string, path: string): Measurement =>
  parse(json, path, record<Measurement>(measured));

/** @throws {NotAComparison} naming the field; {OtherVersion} */
export const parseFacts = (json: string, path: string): Facts => {
  try {
    return facts(JSON.parse(json), "facts");
  } catch (error) {
    throw new NotAComparison(path, (error as Error).message);
  }
};

/** @throws {NotAComparison} naming the field; {OtherVersion} */
export const readComparison = (path: string): Comparison => {
  let json: string;
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MAX_BYTES)
      throw new NotAComparison(path, `not a file of at most ${MAX_BYTES >> 20} MiB`);
    json = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof NotAComparison) throw error;
    throw new NotAComparison(path, `it cannot be read [${(error as NodeJS.ErrnoException).code ?? "EIO"}]`);
  }
  return parseComparison(json, path);
};
