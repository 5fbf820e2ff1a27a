/** The chip's own counters, dumped by DMA. Datasheet: DTCCR; layout as in FreeBSD `struct rl_stats`. */
import {
  COUNTERS,
  type Counter,
  type CounterName,
  DUMP_ALIGN,
  EXTENDED_COUNTERS,
  EXTENDED_DUMP_BYTES,
  type ExtendedCounterName,
  LongDump,
} from "#chip/counters.ts";
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import { expect } from "#kit/clock.ts";
import type { DmaDomain, DmaMemory } from "#kit/dma.ts";
import type { Hardware } from "./hardware.ts";

/**
 * The chip's counters, by their names in `chip/counters.ts`. Counters of the long dump are present if the chip has a
 * long dump.
 */
export type Tally = Readonly<Record<CounterName, number> & Partial<Record<ExtendedCounterName, number>>>;

const LIMIT_MICROS = 10_000;

/**
 * Allocates memory for the longest dump, on every chip, because another system may have enabled the long dump
 * (CVE-2024-49973).
 */
export const allocateTally = (dma: DmaDomain): DmaMemory =>
  dma.allocate({ what: "tally counters", bytes: EXTENDED_DUMP_BYTES, align: DUMP_ALIGN, direction: "fromDevice" });

/** Reads the chip's counters. `memory` must be from `allocateTally`. @throws {Timeout} */
export const dumpTally = (hw: Hardware, memory: DmaMemory): Tally => {
  if (hw.chip.profile.tally.bytes !== EXTENDED_DUMP_BYTES) return dump(hw, memory, COUNTERS);
  const { side } = hw;
  const before = side.macRead(LongDump.macOcp);
  side.macWrite(LongDump.macOcp, before | LongDump.on);
  try {
    return dump(hw, memory, [...COUNTERS, ...EXTENDED_COUNTERS]);
  } finally {
    side.macWrite(LongDump.macOcp, before);
  }
};

const dump = ({ io, clock }: Hardware, memory: DmaMemory, counters: readonly Counter[]): Tally => {
  io.writeHigh(DTCCRHigh, memory.iova);
  io.read32(DTCCRHigh);
  io.writeLow(DTCCR, memory.iova);
  io.writeLow(DTCCR, memory.iova, Dtccr.dump);
  expect(clock, "tally counters", LIMIT_MICROS, 10, () => (io.read32(DTCCR) & Dtccr.dump) === 0);
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, EXTENDED_DUMP_BYTES);
  return Object.fromEntries(counters.map(({ name, offset, bytes }) => [name, read(view, offset, bytes)])) as Tally;
};

const read = (view: DataView, offset: number, bytes: 2 | 4 | 8): number => {
  if (bytes === 2) return view.getUint16(offset, true);
  const low = view.getUint32(offset, true);
  return bytes === 4 ? low : low + view.getUint32(offset + 4, true) * 2 ** 32;
};
