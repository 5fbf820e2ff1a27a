/**
 * Statistics of the driver's thread: counters of rings and uplinks, including those that an MTU change or a restart has
 * replaced.
 */
import { ReceiveCount } from "#driver/receive-core.ts";
import type { RingPair } from "#driver/rings.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import type { Uplink } from "#host/queue-uplinks.ts";
import type { CauseName } from "./causes.ts";
import { FirstLosses } from "./first-losses.ts";
import type { DriverTask, Report } from "./session-messages.ts";
import type { Napi } from "./napi.ts";
import type { PauseCounts } from "./pauses.ts";
import { StatisticsPage } from "./statistics-page.ts";
import {
  DRIVER_COUNTERS,
  type DriverCounter,
  QUEUE_COUNTERS,
  type QueueCounts,
  type QueueThreadCounts,
} from "./counters.ts";

/** The counters of a queue's rings, all 0. */
const NO_FRAMES = Object.fromEntries(QUEUE_COUNTERS.map((name) => [name, 0])) as QueueCounts;

/** The counters of an uplink, all 0. */
const NO_TRAFFIC = { tagsTaken: 0, mergedFrames: 0, hostWrites: 0, sendDrops: 0, sendDiscards: 0, receiveDrops: 0 };
type UplinkCounts = Readonly<typeof NO_TRAFFIC>;

const ofRings = ({ receive, transmit }: RingPair): QueueCounts => {
  const sent = (place: number): number => transmit?.counters()[place] ?? 0;
  const received = (place: number): number => receive.counters()[place]!;
  return {
    sentFrames: sent(TransmitCount.frames),
    sentBytes: sent(TransmitCount.bytes),
    superFrames: sent(TransmitCount.superFrames),
    checksumsAsked: sent(TransmitCount.checksums),
    tagsInserted: sent(TransmitCount.tags),
    scattered: sent(TransmitCount.scattered),
    receivedFrames: received(ReceiveCount.frames),
    receivedBytes: received(ReceiveCount.bytes),
    receiveErrors: received(ReceiveCount.errors),
    deviceNonsense: received(ReceiveCount.nonsense),
  };
};

const ofUplink = (uplink: Uplink | undefined): UplinkCounts => {
  if (uplink === undefined) return NO_TRAFFIC;
  const { tagsTaken, merged, writes, sendDrops, sendDiscards, receiveDrops } = uplink.counters;
  return { tagsTaken, mergedFrames: merged, hostWrites: writes, sendDrops, sendDiscards, receiveDrops };
};

const sum = <T extends Readonly<Record<string, number>>>(a: T, b: T): T =>
  Object.fromEntries(Object.entries(a).map(([name, count]) => [name, count + b[name]!])) as T;

/** The uplink and the polling loop, whose counters are published, and other counts to be published. */
export interface Counting {
  readonly uplink: Uplink | undefined;
  /** The counts of the other queues' threads. */
  readonly threads: readonly QueueThreadCounts[];
  readonly napi: Napi;
  readonly polls: number;
  readonly restarts: number;
  readonly causes: Readonly<Record<CauseName, number>>;
  readonly linkChanges: number;
}

export class DriverStatistics {
  readonly #page: StatisticsPage<DriverCounter>;
  /** The statistics page of each queue. */
  readonly #pages: readonly StatisticsPage<keyof QueueCounts>[];
  readonly #nic: Nic;
  readonly #losses: FirstLosses;
  /** For each queue, the total of its rings that were replaced. */
  #ringsBefore: readonly QueueCounts[] = [];
  /** The total of the uplinks that were replaced. */
  #uplinksBefore: UplinkCounts = NO_TRAFFIC;

  constructor(
    { statistics, queueStatistics }: Pick<DriverTask, "statistics" | "queueStatistics">,
    nic: Nic,
    report: (report: Report) => void,
  ) {
    this.#page = new StatisticsPage(statistics, DRIVER_COUNTERS);
    this.#pages = queueStatistics.map((memory) => new StatisticsPage(memory, QUEUE_COUNTERS));
    this.#nic = nic;
    this.#losses = new FirstLosses((event) => report({ report: "event", event }));
  }

  /** Adds the counters of the rings and the uplink to the totals. Must be called before they are released. */
  retire(uplink: Uplink | undefined): void {
    this.#ringsBefore = this.queues;
    this.#uplinksBefore = sum(this.#uplinksBefore, ofUplink(uplink));
  }

  /** Counts of each queue. */
  get queues(): readonly QueueCounts[] {
    if (!this.#nic.running) return this.#ringsBefore;
    return this.#nic.queues.map((pair, i) => sum(this.#ringsBefore[i] ?? NO_FRAMES, ofRings(pair)));
  }

  publish({ uplink, threads, napi, polls, restarts, causes, linkChanges }: Counting, pauses: PauseCounts): void {
    const nic = this.#nic;
    const rings = nic.running ? nic.queues : [];
    const { queues } = this;
    for (const [i, page] of this.#pages.entries()) page.publish(queues[i] ?? NO_FRAMES);
    const own = {
      ...sum(this.#uplinksBefore, ofUplink(uplink)),
      interrupts: napi.interrupts,
      polls,
      gcPauses: pauses.count,
      gcMicros: pauses.micros,
    };
    const traffic = { ...queues.reduce(sum, NO_FRAMES), ...threads.reduce(sum, own) };
    this.#page.publish({
      ...traffic,
      ...causes,
      sendDiscards: traffic.sendDiscards + nic.lost.sent,
      receiveDiscards: nic.lost.received,
      fifoOverflows: nic.health.fifoOverflows,
      ringsExhausted: nic.health.ringsExhausted,
      spuriousInterrupts: napi.spurious,
      restarts,
      overdueWaits: nic.expiredWaits.count,
      transmitFill: rings.reduce((fill, { transmit }) => fill + (transmit?.pending() ?? 0), 0),
      receiveFill: rings.reduce((fill, { receive }) => fill + receive.armed(), 0),
      linkChanges,
      linkUp: nic.link.up ? 1 : 0,
      linkSpeed: nic.link.speed,
      linkFullDuplex: nic.link.fullDuplex ? 1 : 0,
      mtu: nic.mtu,
    });
    const { sendDrops, receiveDrops, receiveErrors, deviceNonsense } = traffic;
    const { fifoOverflows } = nic.health;
    this.#losses.check({ sendDrops, receiveDrops, receiveErrors, deviceNonsense, fifoOverflows });
  }
}
