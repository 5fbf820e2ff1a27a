/** The start-up check: whether this process can call the C library, with correct results. */
import { FerruleError } from "#kit/errors.ts";
import { EventFd } from "./eventfd.ts";
import { MINIMUM_NODE, ffiProblem, isAtLeast } from "./ffi.ts";
import { Iovecs, addressOf, readv } from "./memory.ts";
import { Poller } from "./poll.ts";

export interface SelfTestResult {
  readonly ok: boolean;
  /** What was checked and, if the check failed, what was found. */
  readonly what: string;
  /** What to do; empty if the check passed. */
  readonly hint: string;
}

const REPORT = "This should not happen: please report it, with the output of `ferrule doctor`.";

/** Runs one check, which returns what was wrong, or undefined. */
const run = (what: string, hint: string, check: () => string | undefined): SelfTestResult => {
  try {
    const wrong = check();
    return wrong === undefined ? { ok: true, what, hint: "" } : { ok: false, what: `${what}: ${wrong}`, hint };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { ok: false, what: `${what}: ${error.message}`, hint: error instanceof FerruleError ? error.hint : hint };
  }
};

const nodeVersion = (): string | undefined =>
  isAtLeast(process.versions.node, MINIMUM_NODE) ? undefined : `this is ${process.versions.node}`;

const platform = (): string | undefined =>
  process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")
    ? undefined
    : `this is ${process.platform} on ${process.arch}`;

const byteOrder = (): string | undefined =>
  new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? undefined : "this machine is big-endian";

const addresses = (): string | undefined => {
  for (const buffer of [new ArrayBuffer(64), new SharedArrayBuffer(64)]) {
    const address = addressOf(buffer);
    if (address === 0n || address % 8n !== 0n) return `a buffer has the address 0x${address.toString(16)}`;
  }
  return undefined;
};

/** Signals an eventfd, finds it ready with poll, and reads the count of 1 with readv. */
const roundTrip = (): string | undefined => {
  using event = EventFd.create();
  const poller = new Poller([event.number]);
  if (poller.wait(0) !== 0) return "an event was found before it was signalled";
  event.signal();
  if (poller.wait(1000) !== 1 || !poller.ready(0)) return "a signalled event was not found";
  const memory = new ArrayBuffer(64);
  const iovecs = new Iovecs(1, memory);
  iovecs.point(0, 8, 8);
  const length = readv(event.number, iovecs, 1);
  const count = new Uint32Array(memory)[2];
  return length === 8 && count === 1 ? undefined : `read ${length} bytes and a count of ${count}`;
};

/** Runs all checks, ordered so that the first failure explains later ones. Never throws. */
export const selfTest = (): SelfTestResult[] => [
  run("Linux on x86-64 or arm64", "Use one of those.", platform),
  run("little-endian memory", "Use a little-endian machine.", byteOrder),
  run(`Node ${MINIMUM_NODE} or newer`, "`npm ci` installs a recent Node under node_modules/.bin.", nodeVersion),
  run("calls into the C library (node:ffi)", REPORT, () => {
    const problem = ffiProblem();
    if (problem !== undefined) throw problem;
    return undefined;
  }),
  run("addresses of buffers", REPORT, addresses),
  run("eventfd, poll and readv", REPORT, roundTrip),
];
