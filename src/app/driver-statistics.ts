/** What the driver's thread publishes: counts of rings and uplink, over all that an MTU change or a restart has replaced. */
import { ReceiveCount } from "#driver/receive-core.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import type { TapUplink } from "#host/tap-uplink.ts";
import type { CauseName } from "./causes.ts";
import { FirstLosses } from "./first-losses.ts";
import type { Report } from "./session-messages.ts";
import type { Napi } from "./napi.ts";
import type { PauseCounts } from "./pauses.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./counters.ts";

const NOTHING = {
  sentFrames: 0,
  sentBytes: 0,
  superFrames: 0,
  checksumsAsked: 0,
  tagsInserted: 0,
  tagsTaken: 0,
  scattered: 0,
  receivedFrames: 0,
  receivedBytes: 0,
  mergedFrames: 0,
  hostWrites: 0,
  sendDrops: 0,
  sendDiscards: 0,
  receiveDrops: 0,
  receiveErrors: 0,
  deviceNonsense: 0,
};
type TrafficCount = keyof typeof NOTHING;
type Traffic = Readonly<Record<TrafficCount, number>>;

/** What the NIC's present rings and the present uplink have counted. */
const present = (nic: Nic, uplink: TapUplink | undefined): Traffic => {
  const counts = { ...NOTHING };
  if (nic.running) {
    const { receive, transmit } = nic.rings;
    counts.sentFrames = transmit.counters[TransmitCount.frames]!;
    counts.sentBytes = transmit.counters[TransmitCount.bytes]!;
    counts.superFrames = transmit.counters[TransmitCount.superFrames]!;
    counts.checksumsAsked = transmit.counters[TransmitCount.checksums]!;
    counts.tagsInserted = transmit.counters[TransmitCount.tags]!;
    counts.scattered = transmit.counters[TransmitCount.scattered]!;
    counts.receivedFrames = receive.counters[ReceiveCount.frames]!;
    counts.receivedBytes = receive.counters[ReceiveCount.bytes]!;
    counts.receiveErrors = receive.counters[ReceiveCount.errors]!;
    counts.deviceNonsense = receive.counters[ReceiveCount.nonsense]!;
  }
  if (uplink !== undefined) {
    const { tagsTaken, merged, writes, sendDrops, sendDiscards, receiveDrops } = uplink.counters;
    const discards = { sendDrops, sendDiscards, receiveDrops };
    Object.assign(counts, { tagsTaken, mergedFrames: merged, hostWrites: writes, ...discards });
  }
  return counts;
};

const sum = (a: Traffic, b: Traffic): Traffic => {
  const both = { ...NOTHING };
  for (const name of Object.keys(NOTHING) as TrafficCount[]) both[name] = a[name] + b[name];
  return both;
};

/** Of the parts that count. */
export interface Counting {
  readonly uplink: TapUplink | undefined;
  readonly napi: Napi;
  readonly polls: number;
  readonly restarts: number;
  readonly causes: Readonly<Record<CauseName, number>>;
  readonly linkChanges: number;
}

export class DriverStatistics {
  readonly #page: StatisticsPage<DriverCounter>;
  readonly #nic: Nic;
  readonly #losses: FirstLosses;
  /** What rings and uplinks have counted that are gone. */
  #before: Traffic = NOTHING;

  constructor(memory: SharedArrayBuffer, nic: Nic, report: (report: Report) => void) {
    this.#page = new StatisticsPage(memory, DRIVER_COUNTERS);
    this.#nic = nic;
    this.#losses = new FirstLosses((event) => report({ report: "event", event }));
  }

  /** Rings and uplink are about to go: keeps what they have counted. */
  retire(uplink: TapUplink | undefined): void {
    this.#before = sum(this.#before, present(this.#nic, uplink));
  }

  publish({ uplink, napi, polls, restarts, causes, linkChanges }: Counting, pauses: PauseCounts): void {
    const nic = this.#nic;
    const rings = nic.running ? nic.rings : undefined;
    const traffic = sum(this.#before, present(nic, uplink));
    this.#page.publish({
      ...traffic,
      ...causes,
      sendDiscards: traffic.sendDiscards + nic.lost.sent,
      receiveDiscards: nic.lost.received,
      fifoOverflows: nic.health.fifoOverflows,
      ringsExhausted: nic.health.ringsExhausted,
      interrupts: napi.interrupts,
      spuriousInterrupts: napi.spurious,
      polls,
      gcPauses: pauses.count,
      gcMicros: pauses.micros,
      restarts,
      overdueWaits: nic.overdue.count,
      transmitFill: rings?.transmit.pending() ?? 0,
      receiveFill: rings?.receive.armed() ?? 0,
      linkChanges,
      linkUp: nic.link.up ? 1 : 0,
      linkSpeed: nic.link.speed,
      linkFullDuplex: nic.link.fullDuplex ? 1 : 0,
      mtu: nic.mtu,
    });
    const { sendDrops, receiveDrops, receiveErrors, deviceNonsense } = traffic;
    const { fifoOverflows } = nic.health;
    this.#losses.look({ sendDrops, receiveDrops, receiveErrors, deviceNonsense, fifoOverflows });
  }
}
