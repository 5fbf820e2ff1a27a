/** What rings and uplink have counted, added up over all that an MTU change or a restart has replaced. */
import { ReceiveCount } from "#driver/receive-ring.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import type { TapUplink } from "#host/tap-uplink.ts";

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
  receiveDrops: 0,
  receiveErrors: 0,
  deviceNonsense: 0,
};
export type TrafficCount = keyof typeof NOTHING;
export type Traffic = Readonly<Record<TrafficCount, number>>;

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
    const { tagsTaken, merged, writes, sendDrops, receiveDrops } = uplink.counters;
    Object.assign(counts, { tagsTaken, mergedFrames: merged, hostWrites: writes, sendDrops, receiveDrops });
  }
  return counts;
};

const sum = (a: Traffic, b: Traffic): Traffic => {
  const both = { ...NOTHING };
  for (const name of Object.keys(NOTHING) as TrafficCount[]) both[name] = a[name] + b[name];
  return both;
};

export class TrafficCounts {
  #before: Traffic = NOTHING;

  /** Rings and uplink are about to go: keeps what they have counted. */
  retire(nic: Nic, uplink: TapUplink | undefined): void {
    this.#before = this.total(nic, uplink);
  }

  /** Counts since the start. */
  total(nic: Nic, uplink: TapUplink | undefined): Traffic {
    return sum(this.#before, present(nic, uplink));
  }
}
