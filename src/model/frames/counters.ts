/** Tally counters and their dump to memory: 64 bytes, or 192 on an RTL8125 and later with the extension enabled. */
import type { Chip } from "#chip/chips.ts";
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import type { Dma } from "./dma.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";
import type { Offences } from "../observation/strict.ts";

/** Offset in the dump and length in bytes of each counter (RTL8168C register table, DTCCR). */
// prettier-ignore
// oxfmt-ignore
const LAYOUT = [
  ["txFrames", 0x00, 8], ["rxFrames", 0x08, 8], ["txErrors", 0x10, 8], ["rxErrors", 0x18, 4], ["rxMissed", 0x1c, 2],
  ["alignErrors", 0x1e, 2], ["txOneCollision", 0x20, 4], ["txMultiCollisions", 0x24, 4], ["rxUnicast", 0x28, 8],
  ["rxBroadcast", 0x30, 8], ["rxMulticast", 0x38, 4], ["txAborted", 0x3c, 2], ["txUnderrun", 0x3e, 2],
] as const;

/**
 * Counters that the RTL8125 adds (OpenBSD's driver as ported to illumos, struct re_stats): some of the older counters
 * at full width, and new counters. rx_mac_missed in that source is assumed to be `rxMissed` at full width.
 */
// prettier-ignore
// oxfmt-ignore
const EXTENDED_LAYOUT = [
  ["txOctets", 0x40, 8], ["rxOctets", 0x48, 8], ["rxMulticast", 0x50, 8], ["txUnicast", 0x58, 8], ["txBroadcast", 0x60, 8],
  ["txMulticast", 0x68, 8], ["txPauseOn", 0x70, 4], ["txPauseOff", 0x74, 4], ["txPauseAll", 0x78, 4], ["txDeferred", 0x7c, 4],
  ["txLateCollisions", 0x80, 4], ["txAllCollisions", 0x84, 4], ["txAborted", 0x88, 4], ["alignErrors", 0x8c, 4],
  ["rxTooLong", 0x90, 4], ["rxRunts", 0x94, 4], ["rxPauseOn", 0x98, 4], ["rxPauseOff", 0x9c, 4], ["rxPauseAll", 0xa0, 4],
  ["rxUnknownOpcode", 0xa4, 4], ["rxMacErrors", 0xa8, 4], ["txUnderrun", 0xac, 4], ["rxMissed", 0xb0, 4],
  ["rxTcamDropped", 0xb4, 4], ["txUnavailable", 0xb8, 4], ["rxUnavailable", 0xbc, 4],
] as const;

type Layout = readonly (readonly [CounterName, number, 2 | 4 | 8])[];
export type CounterName = (typeof LAYOUT)[number][0] | (typeof EXTENDED_LAYOUT)[number][0];
export const DUMP_BYTES = 64;
export const EXTENDED_DUMP_BYTES = 192;
/** The low bits of DTCCR, which hold commands. The higher bits are the low half of the dump's address. */
const COMMAND = DUMP_BYTES - 1;

const NAMES: readonly CounterName[] = [
  ...new Set<CounterName>([...LAYOUT.map(([name]) => name), ...EXTENDED_LAYOUT.map(([name]) => name)]),
];
/** Index of each counter. */
export const Count = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Readonly<Record<CounterName, number>>;

const TX_FRAMES = Count.txFrames;
const TX_OCTETS = Count.txOctets;
const TX_UNICAST = Count.txUnicast;
const TX_MULTICAST = Count.txMulticast;
const TX_BROADCAST = Count.txBroadcast;
const RX_OCTETS = Count.rxOctets;
const FCS = 4;

/** MAC-OCP register whose two low bits enable the extension. */
export const TALLY_CONTROL = 0xea84;
const EXTENDED = 3;
export interface CounterParts {
  readonly chip: Chip;
  readonly page: Page;
  readonly dma: Dma;
  readonly schedule: Schedule;
  readonly offences: Offences;
  /** Reads a MAC-OCP register. */
  readonly macOcp: (address: number) => number;
}

/** All counts are in one array, so that counting a frame allocates nothing. */
export class TallyCounters {
  readonly values = new Float64Array(NAMES.length);
  /** Whether the chip has the counters of the extension. */
  readonly detailed: boolean;
  readonly #parts: CounterParts;
  readonly #delayMicros: number;
  readonly #resets: boolean;

  /** @param delayMicros time from command to completion, in microseconds */
  constructor(delayMicros: number, parts: CounterParts) {
    this.#delayMicros = delayMicros;
    this.#parts = parts;
    this.detailed = parts.chip.profile.tally.bytes === EXTENDED_DUMP_BYTES;
    this.#resets = parts.chip.profile.tally.clearable;
  }

  count(counter: number, by = 1): void {
    this.values[counter]! += by;
  }

  /**
   * Counts a sent frame of `length` bytes, without FCS, at `frame`. The octet counter includes the FCS, as in RMON; no
   * source says whether the chip's octet counter does.
   */
  sent(bytes: Uint8Array, frame: number, length: number): void {
    const counts = this.values;
    counts[TX_FRAMES]!++;
    if (!this.detailed) return;
    counts[TX_OCTETS]! += length + FCS;
    const group = (bytes[frame]! & 1) !== 0;
    counts[group ? (isBroadcast(bytes, frame) ? TX_BROADCAST : TX_MULTICAST) : TX_UNICAST]!++;
  }

  /** Counts the octets of a received frame, as `sent` does. */
  received(length: number): void {
    if (this.detailed) this.values[RX_OCTETS]! += length + FCS;
  }

  /** All counters by name, for display. */
  snapshot(): Record<CounterName, number> {
    return Object.fromEntries(NAMES.map((name, i) => [name, this.values[i]!])) as Record<CounterName, number>;
  }

  /** Called when DTCCR was written. The command bits clear themselves on completion. */
  command(): void {
    const { page, schedule } = this.#parts;
    const word = page.get(DTCCR, 4);
    if ((word & (Dtccr.reset | Dtccr.dump)) === 0) return;
    schedule.after(this.#delayMicros, () => {
      // Older chips ignore the reset command; only power-on clears their counters.
      if ((word & Dtccr.reset) !== 0 && this.#resets) this.values.fill(0);
      if ((word & Dtccr.dump) !== 0) this.#dump(word & ~COMMAND, page.get(DTCCRHigh, 4));
      page.put(DTCCR, 4, page.get(DTCCR, 4) & ~(Dtccr.reset | Dtccr.dump));
    });
  }

  powerOn(): void {
    this.values.fill(0);
  }

  #dump(low: number, high: number): void {
    const { dma, macOcp } = this.#parts;
    dma.ordered();
    if (!dma.allowed) return;
    const extended = this.detailed && (macOcp(TALLY_CONTROL) & EXTENDED) === EXTENDED;
    const length = extended ? EXTENDED_DUMP_BYTES : DUMP_BYTES;
    const at = dma.findWritable(low, high, length);
    if (at < 0) {
      dma.abort(low, high);
      return;
    }
    const { region } = dma;
    this.#write(LAYOUT, region.bytes, at);
    if (extended) this.#write(EXTENDED_LAYOUT, region.bytes, at);
    if (region.copy?.store(at, length) === false) dma.abort(low, high);
  }

  #write(layout: Layout, bytes: Uint8Array, at: number): void {
    for (const [name, offset, width] of layout) {
      let value = this.values[Count[name]]!;
      for (let i = 0; i < width; i++) {
        bytes[at + offset + i] = value % 256;
        value = Math.floor(value / 256);
      }
    }
  }
}

/** Whether the destination address is the broadcast address. */
const isBroadcast = (bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < 6; i++) if (bytes[at + i] !== 0xff) return false;
  return true;
};
