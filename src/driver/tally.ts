/** The chip's own counters, dumped by DMA into 64 bytes. Datasheet: DTCCR; layout as FreeBSD `struct rl_stats`. */
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import { type Clock, until } from "#kit/clock.ts";
import type { DmaMemory } from "#kit/dma.ts";
import { Timeout } from "#kit/errors.ts";
import type { Mmio } from "#kit/mmio.ts";

export interface Tally {
  readonly txPackets: number;
  readonly rxPackets: number;
  readonly txErrors: number;
  readonly rxErrors: number;
  readonly rxMissed: number;
  readonly alignErrors: number;
  readonly txOneCollision: number;
  readonly txMultiCollision: number;
  readonly rxUnicast: number;
  readonly rxBroadcast: number;
  readonly rxMulticast: number;
  readonly txAborted: number;
  readonly txUnderrun: number;
}

export const TALLY_BYTES = 64;
const LIMIT_MICROS = 10_000;

const command = (io: Mmio, clock: Clock, memory: DmaMemory, bit: number): void => {
  io.write32(DTCCRHigh, Math.floor(memory.iova / 2 ** 32));
  io.read32(DTCCRHigh);
  const low = memory.iova >>> 0;
  io.write32(DTCCR, low);
  io.write32(DTCCR, (low | bit) >>> 0);
  if (!until(clock, LIMIT_MICROS, 10, () => (io.read32(DTCCR) & bit) === 0))
    throw new Timeout({ what: "tally counters", waitedMicros: LIMIT_MICROS });
};

/** Asks the chip for its counters. `memory` is 64-byte aligned. @throws {Timeout} */
export const dumpTally = (io: Mmio, clock: Clock, memory: DmaMemory): Tally => {
  command(io, clock, memory, Dtccr.dump);
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, TALLY_BYTES);
  const u64 = (at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  const u32 = (at: number): number => view.getUint32(at, true);
  const u16 = (at: number): number => view.getUint16(at, true);
  return {
    txPackets: u64(0x00),
    rxPackets: u64(0x08),
    txErrors: u64(0x10),
    rxErrors: u32(0x18),
    rxMissed: u16(0x1c),
    alignErrors: u16(0x1e),
    txOneCollision: u32(0x20),
    txMultiCollision: u32(0x24),
    rxUnicast: u64(0x28),
    rxBroadcast: u64(0x30),
    rxMulticast: u32(0x38),
    txAborted: u16(0x3c),
    txUnderrun: u16(0x3e),
  };
};

/** Sets the chip's counters to zero. */
export const resetTally = (io: Mmio, clock: Clock, memory: DmaMemory): void => command(io, clock, memory, Dtccr.reset);
