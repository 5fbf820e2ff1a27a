/** Results of the demo: as data, as text, and whether it passed. */
import { amount, bitRate, count, counted, linkSpeed, microseconds, table } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";
import type { SessionFacts } from "../session.ts";
import type { Statistics } from "../counters.ts";

/** Round trip times in microseconds; null if no ping was answered. */
export interface PingReport {
  readonly sent: number;
  readonly received: number;
  readonly minMicros: number | null;
  readonly medianMicros: number | null;
  readonly p99Micros: number | null;
  readonly maxMicros: number | null;
}

export interface TransferReport {
  readonly direction: "wire-to-host" | "host-to-wire";
  readonly bytes: number;
  readonly sha256Sent: string;
  readonly sha256Received: string;
  readonly seconds: number;
  readonly bitsPerSecond: number;
}

export interface PauseSummary {
  readonly count: number;
  readonly millis: number;
}

export interface DemoReport {
  /** "tap": Linux's own TCP/IP at both ends; "responder": no network stack, see `rigReason`. */
  readonly rig: "tap" | "responder";
  /** The reason that the rig is not "tap"; null if it is. */
  readonly rigReason: string | null;
  readonly chip: string;
  /** The chip's XID: three hexadecimal digits. */
  readonly xid: string;
  readonly mac: string;
  readonly link: {
    readonly up: boolean;
    readonly megabits: number;
    readonly fullDuplex: boolean;
    readonly mtu: number;
  };
  readonly offloads: readonly string[];
  readonly ping: PingReport;
  readonly transfers: readonly TransferReport[];
  /** Numbers of frames in the driver (a super-frame counts once) and on the wire (each segment counts). */
  readonly frames: {
    readonly sent: number;
    readonly received: number;
    readonly wireSent: number;
    readonly wireReceived: number;
  };
  /** Number of super-frames that the kernel sent and the NIC segmented. */
  readonly superFrames: number;
  readonly interrupts: number;
  /** Average number of frames per interrupt. Frames of both directions count. */
  readonly framesPerInterrupt: number;
  /** Number of frames lost anywhere between the two network stacks. */
  readonly drops: number;
  /** Number of invalid frames and descriptor words from the NIC. */
  readonly errors: number;
  /** Number of offences found by the model's strict mode. */
  readonly offences: number;
  /** Garbage collections in the data-plane threads. If driver and model share one, `driver` has all. */
  readonly gcPauses: PauseSummary & { readonly driver: PauseSummary; readonly model: PauseSummary };
}

/** Percentile of sorted times (nearest rank); null if there are none. */
const percentile = (sorted: readonly number[], part: number): number | null =>
  sorted.length === 0 ? null : Math.round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]! * 10) / 10;

/** @param micros round trip times of the answered requests */
export const summarisePings = (sent: number, micros: readonly number[]): PingReport => {
  const sorted = [...micros].sort((a, b) => a - b);
  return {
    sent,
    received: sorted.length,
    minMicros: percentile(sorted, 0),
    medianMicros: percentile(sorted, 0.5),
    p99Micros: percentile(sorted, 0.99),
    maxMicros: percentile(sorted, 1),
  };
};

export interface Measured {
  readonly rig: DemoReport["rig"];
  readonly rigReason: string | null;
  readonly facts: SessionFacts;
  readonly ping: PingReport;
  readonly transfers: readonly TransferReport[];
}

const pauses = (count: number, micros: number): PauseSummary => ({ count, millis: Math.round(micros) / 1000 });

/** The counters used in a report. */
export type ReportCounters = Pick<
  Statistics,
  | "linkUp"
  | "linkSpeed"
  | "linkFullDuplex"
  | "mtu"
  | "sentFrames"
  | "receivedFrames"
  | "wireSentFrames"
  | "wireReceivedFrames"
  | "superFrames"
  | "interrupts"
  | "sendDrops"
  | "receiveDrops"
  | "wireDrops"
  | "missedFrames"
  | "receiveErrors"
  | "deviceNonsense"
  | "offences"
  | "gcPauses"
  | "gcMicros"
  | "modelGcPauses"
  | "modelGcMicros"
>;

/** Combines the measurements and the final counters. */
export const buildReport = (measured: Measured, now: ReportCounters): DemoReport => ({
  rig: measured.rig,
  rigReason: measured.rigReason,
  chip: measured.facts.chip,
  xid: measured.facts.xid.toString(16).padStart(3, "0"),
  mac: measured.facts.mac,
  link: { up: now.linkUp === 1, megabits: now.linkSpeed, fullDuplex: now.linkFullDuplex === 1, mtu: now.mtu },
  offloads: measured.facts.offloads,
  ping: measured.ping,
  transfers: measured.transfers,
  frames: {
    sent: now.sentFrames,
    received: now.receivedFrames,
    wireSent: now.wireSentFrames,
    wireReceived: now.wireReceivedFrames,
  },
  superFrames: now.superFrames,
  interrupts: now.interrupts,
  framesPerInterrupt:
    now.interrupts === 0 ? 0 : Math.round(((now.sentFrames + now.receivedFrames) / now.interrupts) * 10) / 10,
  drops: now.sendDrops + now.receiveDrops + now.wireDrops + now.missedFrames,
  errors: now.receiveErrors + now.deviceNonsense,
  offences: now.offences,
  gcPauses: {
    ...pauses(now.gcPauses + now.modelGcPauses, now.gcMicros + now.modelGcMicros),
    driver: pauses(now.gcPauses, now.gcMicros),
    model: pauses(now.modelGcPauses, now.modelGcMicros),
  },
});

/** Failures, one sentence each; empty if the demo succeeded. */
export const failures = (report: DemoReport): readonly string[] => {
  const wrong: string[] = [];
  if (!report.link.up) wrong.push("the link was down at the end");
  if (report.ping.received < report.ping.sent)
    wrong.push(`${report.ping.sent - report.ping.received} of ${report.ping.sent} pings were not answered`);
  for (const { direction, sha256Sent, sha256Received } of report.transfers)
    if (sha256Sent !== sha256Received) wrong.push(`${LABELS[direction]}: received data differs from sent data`);
  if (report.transfers.length === 0) wrong.push("nothing was transferred");
  if (report.drops > 0) wrong.push(`${counted(report.drops, "frame")} dropped`);
  if (report.errors > 0) wrong.push(counted(report.errors, "error"));
  if (report.offences > 0) wrong.push(`the model's strict mode found ${counted(report.offences, "offence")}`);
  return wrong;
};

export const LABELS = {
  "wire-to-host": "wire to host",
  "host-to-wire": "host to wire",
} as const satisfies Record<TransferReport["direction"], string>;

const pingText = (ping: PingReport): string => {
  const answered = `${ping.received} of ${ping.sent} answered`;
  const { minMicros, medianMicros, p99Micros, maxMicros } = ping;
  if (minMicros === null || medianMicros === null || p99Micros === null || maxMicros === null) return answered;
  return `${answered}; min ${microseconds(minMicros)}, median ${microseconds(medianMicros)}, p99 ${microseconds(p99Micros)}, max ${microseconds(maxMicros)}`;
};

const transferText = (transfer: TransferReport, paint: Stream["paint"]): string => {
  const match =
    transfer.sha256Sent === transfer.sha256Received
      ? paint("green", `SHA-256 ${transfer.sha256Sent.slice(0, 12)}… at both ends`)
      : paint(
          "red",
          `SHA-256 ${transfer.sha256Sent.slice(0, 12)}… sent, ${transfer.sha256Received.slice(0, 12)}… received`,
        );
  return `${amount(transfer.bytes)} in ${transfer.seconds.toFixed(2)} s, ${bitRate(transfer.bitsPerSecond)}, ${match}`;
};

/** The report as text. */
export const reportLines = (report: DemoReport, stream: Pick<Stream, "paint">): readonly string[] => {
  const paint: Stream["paint"] = (style, text) => stream.paint(style, text);
  const { frames, link, gcPauses } = report;
  const paintErrors = (value: number): string => (value === 0 ? paint("green", "0") : paint("red", count(value)));
  const wrong = failures(report);
  return [
    ...table(
      [
        ["chip", `${report.chip} (XID ${report.xid}), the model, with address ${report.mac}`],
        [
          "between",
          report.rig === "tap"
            ? "Linux's TCP/IP in two network namespaces"
            : `the built-in responder and a host that has no network stack (${report.rigReason})`,
        ],
        ["link", `${linkSpeed(link.megabits)}, ${link.fullDuplex ? "full" : "half"} duplex, MTU ${link.mtu}`],
        ["offloads", report.offloads.join(", ")],
        ["ping", pingText(report.ping)],
        ...report.transfers.map((transfer) => [LABELS[transfer.direction], transferText(transfer, paint)]),
        [
          "frames",
          `${count(frames.sent)} sent, ${count(frames.received)} received; on the wire ${count(frames.wireSent)} out, ${count(frames.wireReceived)} in`,
        ],
        ["super-frames", `${count(report.superFrames)} segmented by the NIC`],
        ["interrupts", `${count(report.interrupts)}, ${report.framesPerInterrupt} frames each`],
        ["drops", paintErrors(report.drops)],
        ["errors", paintErrors(report.errors)],
        ["offences", paintErrors(report.offences)],
        [
          "GC pauses",
          `driver ${count(gcPauses.driver.count)} (${gcPauses.driver.millis.toFixed(1)} ms), model ${count(gcPauses.model.count)} (${gcPauses.model.millis.toFixed(1)} ms)`,
        ],
      ].map(([label, text]) => [paint("bold", label!), text!]),
      "ll",
    ),
    "",
    wrong.length === 0 ? paint("green", "All data arrived unchanged.") : paint("red", `Failed: ${wrong.join("; ")}.`),
  ];
};
