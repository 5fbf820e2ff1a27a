/** Wrong uses of bus addresses, which must not compile. */
import { type BusAddress, type DmaMemory, highHalf, lowHalf, storeHigh, storeLow } from "./dma.ts";
import { type Mmio, half32, high32, low32, rw32 } from "./mmio.ts";

const Ring = low32(0x20);
const RingHigh = high32(0x24);
const Either = half32(0x2100);
const Plain = rw32(0x40);

export const allowed = (io: Mmio, words: Int32Array, memory: DmaMemory): void => {
  io.writeHigh(RingHigh, memory.iova);
  io.writeLow(Ring, memory.iova, 1);
  io.writeHigh(Either, memory.iova);
  io.writeLow(Either, memory.iova);
  io.read32(Ring);
  storeLow(words, 2, lowHalf(memory.iova), 64);
  storeHigh(words, 3, highHalf(memory.iova));
};

export const ringBases = (io: Mmio, memory: DmaMemory): void => {
  // @ts-expect-error a plain number is not a bus address
  io.writeLow(Ring, 0x1000);
  // @ts-expect-error an offset in the window is not a bus address
  io.writeLow(Ring, memory.offset);
  // @ts-expect-error the result of arithmetic on an address is not a bus address
  io.writeHigh(RingHigh, memory.iova + 16);
  // @ts-expect-error a ring base accepts only addresses
  io.write32(Ring, memory.iova);
  // @ts-expect-error a ring base accepts only addresses, also in its high half
  io.write32(RingHigh, 0);
  // @ts-expect-error bits of an address register cannot be changed
  io.update32(Ring, 0, 1);
  // @ts-expect-error the halves must not be mixed up
  io.writeLow(RingHigh, memory.iova);
  // @ts-expect-error a bus address may only be written to a register for addresses
  io.writeLow(Plain, memory.iova);
};

export const descriptors = (words: Int32Array, memory: DmaMemory): void => {
  // @ts-expect-error a plain number is not the low half of a window's address
  storeLow(words, 2, 0x1000, 64);
  // @ts-expect-error a whole address is not the low half of an address
  storeLow(words, 2, memory.iova, 64);
  // @ts-expect-error the halves must not be mixed up
  storeHigh(words, 3, lowHalf(memory.iova));
  // @ts-expect-error a type annotation does not make a number an address
  const made: BusAddress = 0x1000;
  storeHigh(words, 3, highHalf(made));
};
