/** The chip's own counters, dumped by DMA; of the long dump the first 64 bytes are read. Datasheet: DTCCR; layout as FreeBSD `struct rl_stats`. */
import { COUNTERS, DUMP_ALIGN, DUMP_BYTES, EXTENDED_DUMP_BYTES } from "#chip/counters.ts";
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import { type Clock, until } from "#kit/clock.ts";
import type { DmaDomain, DmaMemory } from "#kit/dma.ts";
import { Timeout } from "#kit/errors.ts";
import type { Mmio } from "#kit/mmio.ts";

/** Each of the chip's counters, by its name in `chip/counters.ts`. */
export type Tally = Readonly<Record<(typeof COUNTERS)[number]["name"], number>>;

const LIMIT_MICROS = 10_000;

/** Memory for the longest dump, whatever the chip: another system may have switched it on (CVE-2024-49973). */
export const allocateTally = (dma: DmaDomain): DmaMemory =>
  dma.allocate({ what: "tally counters", bytes: EXTENDED_DUMP_BYTES, align: DUMP_ALIGN, direction: "fromDevice" });

/** Asks the chip for its counters. `memory` is 64-byte aligned and has room for the longest dump. @throws {Timeout} */
export const dumpTally = (io: Mmio, clock: Clock, memory: DmaMemory): Tally => {
  io.write32(DTCCRHigh, Math.floor(memory.iova / 2 ** 32));
  io.read32(DTCCRHigh);
  const low = memory.iova >>> 0;
  io.write32(DTCCR, low);
  io.write32(DTCCR, (low | Dtccr.dump) >>> 0);
  if (!until(clock, LIMIT_MICROS, 10, () => (io.read32(DTCCR) & Dtccr.dump) === 0))
    throw new Timeout({ what: "tally counters", waitedMicros: LIMIT_MICROS });
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, DUMP_BYTES);
  const entries = COUNTERS.map(({ name, offset, bytes }) => [name, read(view, offset, bytes)] as const);
  return Object.fromEntries(entries) as Tally;
};

const read = (view: DataView, offset: number, bytes: 2 | 4 | 8): number => {
  if (bytes === 2) return view.getUint16(offset, true);
  const low = view.getUint32(offset, true);
  return bytes === 4 ? low : low + view.getUint32(offset + 4, true) * 2 ** 32;
};
