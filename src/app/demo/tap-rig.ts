/** The demo between two network namespaces: Linux's TCP/IP at both ends, driver, model and wire between them. */
import { NetworkNamespace } from "#sys/namespace.ts";
import { ThreadFailure } from "../worker-thread.ts";
import type { Session, SessionOptions } from "../session.ts";
import { oppositeEnd, type WireSpec } from "../wires/wire-spec.ts";
import { PeerThread } from "./peer-thread.ts";
import { amount, bitRate, microseconds } from "../terminal/format.ts";
import { type Progress, progressLine } from "./progress.ts";
import { buildReport, type DemoReport, LABELS, summarisePings, type TransferReport } from "./report.ts";

export interface DemoOptions {
  /** Key of the chip. */
  readonly chip: string;
  /** Number of bytes in each transfer. */
  readonly bytes: number;
  /** The far end of the NIC's wire; default: a TAP. It is never the responder, which has a rig of its own. */
  readonly wire?: WireSpec | undefined;
}

/** The two ends of the cable. The addresses exist only in the namespaces created here. */
const HOST = { name: "fe0", address: "10.9.0.1" } as const;
const WIRE = { name: "fe0w", address: "10.9.0.2" } as const;
const PREFIX = 24;
const MTU = 1500;
const PINGS = 100;

/** Time limit in milliseconds for the link to come up. */
const CARRIER_LIMIT = 10_000;
/** Time limit in milliseconds for a short operation of a peer. */
const JOB_LIMIT = 10_000;
/** Time limit in milliseconds for all pings together. */
const PINGS_LIMIT = 30_000;
/** Minimum rate in bytes per millisecond: a slower transfer is aborted. */
const SLOWEST = 500;
const transferLimit = (bytes: number): number => JOB_LIMIT + Math.ceil(bytes / SLOWEST);

/** The published counters may lag behind the threads by this time, in milliseconds. */
const SETTLE_MILLIS = 300;

interface Ends {
  readonly host: PeerThread;
  readonly wire: PeerThread;
}

const transfer = async (
  ends: Ends,
  direction: TransferReport["direction"],
  bytes: number,
  progress: Progress,
): Promise<TransferReport> => {
  const inwards = direction === "wire-to-host";
  const [from, to] = inwards ? [ends.wire, ends.host] : [ends.host, ends.wire];
  const address = inwards ? WIRE.address : HOST.address;
  const { port } = await from.call("offer", { bytes, seed: inwards ? 1 : 2 }, JOB_LIMIT);
  const start = performance.now();
  to.onProgress = (done) =>
    progress.update(progressLine(LABELS[direction], done, bytes, (done * 8000) / (performance.now() - start)));
  const limit = transferLimit(bytes);
  // Both ends are awaited together. If one end fails, the other only stalls, so the first error is the one to report.
  const [sent, received] = await Promise.all([
    from.call("sent", undefined, limit),
    to.call("download", { address, port, bytes }, limit),
  ]);
  const bitsPerSecond = Math.round((received.bytes * 8) / received.seconds);
  progress.step(LABELS[direction], `${amount(bytes)}, ${bitRate(bitsPerSecond)}`);
  return {
    direction,
    bytes: received.bytes,
    sha256Sent: sent.sha256,
    sha256Received: received.sha256,
    seconds: Math.round(received.seconds * 1000) / 1000,
    bitsPerSecond,
  };
};

const ping = async (ends: Ends, progress: Progress) => {
  const { sent, micros } = await ends.host.call("ping", { address: WIRE.address, count: PINGS }, PINGS_LIMIT);
  const summary = summarisePings(sent, micros);
  const median = summary.medianMicros === null ? "" : `, median ${microseconds(summary.medianMicros)}`;
  progress.step("ping", `${summary.received} of ${summary.sent}${median}`);
  return summary;
};

const measure = async (session: Session, ends: Ends, options: DemoOptions, progress: Progress): Promise<DemoReport> => {
  await session.carrier(CARRIER_LIMIT);
  await Promise.all([
    ends.host.call("configure", undefined, JOB_LIMIT),
    ends.wire.call("configure", undefined, JOB_LIMIT),
  ]);
  const pings = await ping(ends, progress);
  const transfers = [
    await transfer(ends, "wire-to-host", options.bytes, progress),
    await transfer(ends, "host-to-wire", options.bytes, progress),
  ];
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
  const measured = { rig: "tap", rigReason: null, facts: session.facts, ping: pings, transfers } as const;
  return buildReport(measured, session.statistics());
};

/** Rejects if the session ends by itself, or a stop is requested. */
const broken = (session: Session, stopped: Promise<never>): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>();
  session.onEvent((event) => {
    if (event.kind === "failed") reject(new ThreadFailure(event.error));
  });
  return Promise.race([promise, stopped]);
};

/** Runs the demo. All resources are released when it returns or throws. */
export const runOnTaps = async (
  options: DemoOptions,
  progress: Progress,
  open: (options: SessionOptions) => Promise<Session>,
  stopped: Promise<never>,
): Promise<DemoReport> => {
  using hostSpace = NetworkNamespace.create();
  using wireSpace = NetworkNamespace.create();
  const far = farEnd(options.wire, wireSpace);
  const nicAt = (name: string, namespace: NetworkNamespace, wire: WireSpec): Promise<Session> =>
    open({ device: { kind: "model", chip: options.chip, wire }, host: { name, namespace: namespace.fd }, mtu: MTU });
  await using session = await nicAt(HOST.name, hostSpace, far.wire);
  // If the wire is a socket, there must be a NIC at its other end too.
  await using other = far.other && (await nicAt(far.name, wireSpace, far.other));
  await other?.carrier(CARRIER_LIMIT);
  await using host = peerAt(HOST, hostSpace);
  await using wire = peerAt({ ...WIRE, name: far.name }, wireSpace);
  const end = other === undefined ? far.name : `another NIC, driven as ${far.name}`;
  progress.say(`${session.facts.chip} driven as ${HOST.name}; its wire ends in ${end}, in another namespace.`);
  return await Promise.race([measure(session, { host, wire }, options, progress), broken(session, stopped)]);
};

interface Far {
  /** The interface in the other namespace. */
  readonly name: string;
  readonly wire: WireSpec;
  /** The wire of the NIC at the other end, if there is one. */
  readonly other?: WireSpec | undefined;
}

const farEnd = (wire: WireSpec | undefined, { fd }: NetworkNamespace): Far => {
  if (wire !== undefined && wire.kind !== "tap") return { name: WIRE.name, wire, other: oppositeEnd(wire) };
  const name = wire?.name ?? WIRE.name;
  return { name, wire: { kind: "tap", name, namespace: fd } };
};

const peerAt = (end: { readonly name: string; readonly address: string }, space: NetworkNamespace): PeerThread =>
  new PeerThread({ namespace: space.fd, interfaceName: end.name, address: end.address, prefix: PREFIX });
