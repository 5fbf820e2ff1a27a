/**
 * Counts every access to memory-mapped registers with the processor's debug registers. The memory is ordinary RAM, for
 * which the engine generates the same accesses as for registers.
 *
 * As a program it prints its counts as JSON, so that it can be run with the engine's compilers switched off.
 */
import { MappedRegisters } from "#bus/mapped-registers.ts";
import { Mmio, rw16, rw32, rw8 } from "#kit/mmio.ts";
import { SystemError } from "#sys/errno.ts";
import { Watch, Watchpoint } from "#sys/watchpoint.test-kit.ts";

const AT = 64;
const R8 = rw8(AT);
const R16 = rw16(AT);
const R32 = rw32(AT);

/** Counts for one series of calls, all of which access one register. */
export interface Counts {
  readonly what: string;
  readonly calls: number;
  /** Number of instructions that accessed the register. `stores` is how many of them stored. */
  readonly accesses: number;
  readonly stores: number;
  /** Number of instructions that accessed the bytes after the register, which only accesses that are too wide do. */
  readonly beyond: number;
}

const counted = (memory: ArrayBuffer, bytes: number, what: string, calls: number, act: () => void): Counts => {
  using all = new Watchpoint(memory, AT, bytes, Watch.all);
  using stores = new Watchpoint(memory, AT, bytes, Watch.stores);
  using beyond = new Watchpoint(memory, AT + bytes, bytes, Watch.all);
  act();
  return { what, calls, accesses: all.count, stores: stores.count, beyond: beyond.count };
};

/** The reason that accesses cannot be counted here, or undefined. */
export const whyNotWatched = (): string | undefined => {
  try {
    const memory = new ArrayBuffer(16);
    using watch = new Watchpoint(memory, 0, 4, Watch.all);
    new Int32Array(memory)[0] = 1;
    // Some hypervisors provide debug registers that do nothing.
    return watch.count > 0 ? undefined : "the processor's debug registers count nothing";
  } catch (error) {
    if (error instanceof SystemError) return `the system does not permit counting accesses: ${error.message}`;
    throw error;
  }
};

/**
 * Counts accesses of every width in both directions, from the first call on. The values read are not used, because the
 * engine must not omit even such reads.
 */
export const countMapped = (calls: number, fewer: number): readonly Counts[] => {
  const memory = new ArrayBuffer(4096);
  const io = new Mmio(new MappedRegisters(memory));
  const series = (what: string, bytes: number, n: number, act: (i: number) => void): Counts =>
    counted(memory, bytes, what, n, () => {
      for (let i = 0; i < n; i++) act(i);
    });
  return [
    series("read32", 4, calls, () => void io.read32(R32)),
    series("write16", 2, calls, (i) => io.write16(R16, i)),
    series("read16", 2, fewer, () => void io.read16(R16)),
    series("read8", 1, fewer, () => void io.read8(R8)),
    series("write32", 4, fewer, (i) => io.write32(R32, i)),
    series("write8", 1, fewer, (i) => io.write8(R8, i)),
    // The engine must not merge two accesses in a row to one register.
    series("two reads", 4, fewer, () => {
      io.read32(R32);
      io.read32(R32);
    }),
  ];
};

/** Counts 32-bit reads through a DataView, which must not be used for registers. */
export const countDataView = (calls: number): Counts => {
  const memory = new ArrayBuffer(4096);
  const view = new DataView(memory);
  let sum = 0;
  const counts = counted(memory, 4, "DataView", calls, () => {
    for (let i = 0; i < calls; i++) sum += view.getUint32(AT, true);
  });
  return sum === 0 ? counts : { ...counts, calls: Number.NaN };
};

if (import.meta.main) {
  const calls = Number(process.argv[2]);
  console.log(JSON.stringify([...countMapped(calls, calls), countDataView(calls)]));
}
