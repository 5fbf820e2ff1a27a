/** The demo without the kernel's network stack: a verified stream through driver, model and built-in responder. */
import { createHash } from "node:crypto";
import { setImmediate as others } from "node:timers/promises";
import { chipNamed } from "#chip/chips.ts";
import { formatMac } from "#wire/mac.ts";
import { amount, bitRate, microseconds } from "../terminal/format.ts";
import { WrongUsage } from "../terminal/usage.ts";
import { content } from "./content.ts";
import { DirectStation } from "./direct-station.ts";
import { BULK_BYTES, UserHost } from "./user-host.ts";
import { type Progress, progressLine } from "./progress.ts";
import {
  buildReport,
  type DemoReport,
  LABELS,
  type PingReport,
  summarisePings,
  type TransferReport,
} from "./report.ts";
import type { DemoOptions } from "./tap-rig.ts";

const MTU = 1500;
const PINGS = 100;
/** Time in milliseconds after which a stream pauses, so that the thread can handle signals and the terminal. */
const SLICE = 50;

interface Piece {
  readonly data: Uint8Array;
  readonly asked: number;
}

/** Yields the content to be sent, one datagram at a time. */
function* outwards(bytes: number): Generator<Piece, void, undefined> {
  for (const block of content(bytes, 1))
    for (let at = 0; at < block.length; at += BULK_BYTES) yield { data: block.subarray(at, at + BULK_BYTES), asked: 0 };
}

const NOTHING = new Uint8Array(0);

/** Yields requests for content, one datagram at a time. */
function* inwards(bytes: number): Generator<Piece, void, undefined> {
  for (let left = bytes; left > 0; left -= BULK_BYTES) yield { data: NOTHING, asked: Math.min(left, BULK_BYTES) };
}

const transfer = async (
  parts: { readonly station: DirectStation; readonly host: UserHost },
  direction: TransferReport["direction"],
  bytes: number,
  progress: Progress,
  stop: AbortSignal,
): Promise<TransferReport> => {
  const far = { received: createHash("sha256"), sent: createHash("sha256") };
  parts.station.responder.bulk.restart(far);
  const stream = parts.host.stream(direction === "host-to-wire" ? outwards(bytes) : inwards(bytes));
  const start = performance.now();
  let slice = start;
  let step = stream.next();
  for (; step.done !== true; step = stream.next()) {
    if (performance.now() - slice < SLICE) continue;
    const rate = (step.value * 8000) / (performance.now() - start);
    progress.update(progressLine(LABELS[direction], step.value, bytes, rate));
    await others();
    stop.throwIfAborted();
    slice = performance.now();
  }
  const seconds = (performance.now() - start) / 1000;
  const near = step.value;
  const [from, to] = direction === "host-to-wire" ? [near.sent, far.received] : [far.sent, near.received];
  const bitsPerSecond = Math.round((bytes * 8) / seconds);
  progress.step(LABELS[direction], `${amount(bytes)}, ${bitRate(bitsPerSecond)}`);
  return {
    direction,
    bytes,
    sha256Sent: from.digest("hex"),
    sha256Received: to.digest("hex"),
    seconds: Math.round(seconds * 1000) / 1000,
    bitsPerSecond,
  };
};

const pings = (host: UserHost, progress: Progress): PingReport => {
  const micros = Array.from({ length: PINGS }, (_, sequence) => host.ping(sequence));
  const summary = summarisePings(PINGS, micros);
  progress.step("ping", `${summary.received} of ${summary.sent}, median ${microseconds(summary.medianMicros ?? 0)}`);
  return summary;
};

/**
 * Runs the demo in this thread.
 * @param because the reason that the rig with TAPs is not used
 */
export const runOnResponder = async (
  options: DemoOptions,
  because: string,
  progress: Progress,
  stop: AbortSignal,
): Promise<DemoReport> => {
  const chip = chipNamed(options.chip);
  if (chip === undefined) throw new WrongUsage(`there is no chip "${options.chip}"`, "See `ferrule model chips`.");
  using station = new DirectStation(chip, MTU);
  const host = new UserHost(station);
  host.resolveResponder();
  const { nic } = station;
  const measured = {
    rig: "responder",
    rigReason: because,
    facts: {
      device: `model:${chip.key}`,
      chip: nic.chip.name,
      xid: nic.xid,
      mac: formatMac(nic.address),
      interfaceName: "",
      queues: { receive: 1, transmit: 1 },
      ringSlots: nic.slots,
      offloads: ["rx-checksum", "tx-checksum"],
    },
    ping: pings(host, progress),
    transfers: [
      await transfer({ station, host }, "wire-to-host", options.bytes, progress, stop),
      await transfer({ station, host }, "host-to-wire", options.bytes, progress, stop),
    ],
  } as const;
  return buildReport(measured, station.counters());
};
