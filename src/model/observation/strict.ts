/**
 * Offences: driver errors that would make a real chip fail or misbehave, with the register accesses that led to them.
 */
import { ChipCmd, Cmd } from "#chip/registers.ts";

/** Kinds of offences: what the driver did, and the effect on a real chip. */
export const OFFENCES = {
  locked: {
    what: "a configuration register was written while Cfg9346 was locked",
    hardware: "The write is ignored.",
  },
  unaligned: {
    what: "a ring or dump address is not aligned as the chip requires",
    hardware: "The chip ignores the low bits and uses another address than the driver intended.",
  },
  outside: {
    what: "an address that the driver gave to the chip is outside DMA memory, or in memory for the other direction",
    hardware: "A bus error: SYSErr is raised and an IOMMU logs a fault. Without an IOMMU, other memory is overwritten.",
  },
  width: {
    what: "a register was written with a width other than its own",
    hardware: "Bytes beside the register are written too, or the write is ignored; this differs between chips.",
  },
  alignment: {
    what: "an access is not aligned to its width",
    hardware: "The bridge splits it into several accesses, so side effects of reads and writes occur more than once.",
  },
  idle: {
    what: "the doorbell rang while there was no descriptor to send",
    hardware:
      "The chip finds no descriptor and raises TDU (descriptor unavailable). Usually the driver wrote OWN after the doorbell.",
  },
  disabled: {
    what: "the doorbell rang while the transmitter was disabled",
    hardware: "Nothing is sent, and the request is lost.",
  },
  running: {
    what: "a ring's base was written while its engine was using the ring",
    hardware: "The chip continues at its old index in the new ring: it may use memory that contains no descriptors.",
  },
  hurried: {
    what: "a register was written before ChipCmd was read to confirm the end of the reset",
    hardware: "A reset takes up to 100 µs, and writes during it are lost or reset too.",
  },
  busMaster: {
    what: "the chip was told to send or to dump its counters while bus mastering was disabled",
    hardware: "The chip waits, and hangs until it is reset.",
  },
  unknown: {
    what: "an offset was accessed where this chip has no register",
    hardware: "Reads are undefined; writes may reach undocumented test logic.",
  },
  readOnly: {
    what: "a read-only register was written",
    hardware: "The write is ignored.",
  },
  baseOrder: {
    what: "the high half of a ring address was written after the low half",
    hardware: "The chip latches both halves when the low half is written, so the ring has the old high half.",
  },
  fragments: {
    what: "transmit descriptors do not form a frame: FirstSegment or LastSegment is misplaced",
    hardware: "The transmitter stops, or sends parts of several frames as one.",
  },
  frame: {
    what: "a frame cannot be sent as requested: it is too long, or its headers do not allow the offload",
    hardware: "The frame is sent damaged, or the transmitter stops with a transmit error (TER).",
  },
  short: {
    what: "a frame below 60 bytes was not padded, on a chip whose padding is faulty",
    hardware: "The chip pads with parts of other frames from its FIFO. Drivers pad in software on this chip.",
  },
  owned: {
    what: "a descriptor was taken back while the chip owned it",
    hardware: "The chip may have fetched it already, and then uses a buffer that was reused.",
  },
  endless: {
    what: "no descriptor of a ring is marked EndOfRing, up to the largest ring of the chip",
    hardware: "The chip wraps at the end of its largest ring, or continues into the memory after the ring.",
  },
  buffer: {
    what: "a receive descriptor has a buffer of length 0, or one that is not aligned to 8 bytes",
    hardware: "The chip ignores the low bits of the address, or writes beyond the buffer.",
  },
  asleep: {
    what: "registers were accessed in D3hot, or while decoding of the BAR was off",
    hardware: "The chip does not respond: reads return all ones, writes are lost.",
  },
  busy: {
    what: "a command was written before the previous one had completed",
    hardware: "One of the two is lost; it is undefined which.",
  },
} as const;

export type OffenceName = keyof typeof OFFENCES;

/** A register access of the trace. `width` is in bytes. */
export interface TracedAccess {
  readonly write: boolean;
  readonly offset: number;
  readonly width: 1 | 2 | 4;
  readonly value: number;
}

export interface Offence {
  readonly name: OffenceName;
  /** What the driver did. */
  readonly because: string;
  /** The effect on real hardware. */
  readonly hardware: string;
  /** The register offset, descriptor index or bus address concerned. */
  readonly where: number;
  /** The last register accesses, oldest first. */
  readonly accesses: readonly TracedAccess[];
  /** The last register accesses as text: `w32 e4=fffff000`. */
  readonly trace: readonly string[];
}

/**
 * `off`: offences are only counted, except `alignment` and `hurried`, which are not checked. `warn`: each kind is also
 * reported, once for each `where`. `error`: the chip also leaves the bus at the first offence. All registers then read
 * as ones, so no test passes by chance. The model never throws because of what a guest does.
 */
export type Strictness = "off" | "warn" | "error";

const TRACE = 32;
/**
 * Maximum number of remembered places (offence and `where`), so that a guest cannot make the model use memory without
 * limit.
 */
const MAX_PLACES = 4096;

const covers = (offset: number, width: number, at: number, length: number): boolean =>
  offset < at + length && offset + width > at;

/** Counts offences and reports them. */
export class Offences {
  /** Number of offences of each kind. */
  readonly counts: Record<OffenceName, number>;
  readonly #strict: Strictness;
  readonly #report: ((offence: Offence) => void) | undefined;
  readonly #places = new Set<string>();
  /** Three words for each access: its offset, its width in bytes (plus 8 for a write), and its value. */
  readonly #trace = new Int32Array(3 * TRACE);
  #traced = 0;
  #failed = false;
  /** Whether a reset was requested and the guest has not yet read that it is complete. */
  #resetting = false;

  constructor(strict: Strictness, report: ((offence: Offence) => void) | undefined) {
    this.#strict = strict;
    this.#report = report;
    this.counts = Object.fromEntries(Object.keys(OFFENCES).map((name) => [name, 0])) as Record<OffenceName, number>;
  }

  /** Whether an offence took the chip off the bus. */
  get failed(): boolean {
    return this.#failed;
  }

  /**
   * Records a register access for the trace, and checks the order of accesses. Call it after a read, and before a
   * write.
   */
  access(offset: number, width: number, value: number, write: boolean): void {
    if (this.#strict === "off") return;
    const i = 3 * (this.#traced++ % TRACE);
    this.#trace[i] = offset;
    this.#trace[i + 1] = write ? width | 8 : width;
    this.#trace[i + 2] = value;
    if ((offset & (width - 1)) !== 0) this.commit("alignment", offset);
    if (covers(offset, width, ChipCmd, 1)) this.#commanded(value >>> (8 * (ChipCmd - offset)), write);
    else if (write && this.#resetting) this.commit("hurried", offset);
  }

  #commanded(value: number, write: boolean): void {
    const reset = (value & Cmd.reset) !== 0;
    this.#resetting = write ? reset : this.#resetting && reset;
  }

  commit(name: OffenceName, where: number): void {
    this.counts[name]++;
    if (this.#strict === "off") return;
    if (this.#strict === "error") this.#failed = true;
    const place = `${name} ${where}`;
    if (this.#places.has(place) || this.#places.size >= MAX_PLACES) return;
    this.#places.add(place);
    if (this.#report === undefined) return;
    const { what, hardware } = OFFENCES[name];
    const accesses = this.#accesses();
    this.#report({ name, because: what, hardware, where, accesses, trace: accesses.map(accessText) });
  }

  /** Call at a bus reset: the chip responds again. Counts and remembered places are kept. */
  reset(): void {
    this.#failed = false;
    this.#resetting = false;
  }

  #accesses(): TracedAccess[] {
    const accesses: TracedAccess[] = [];
    for (let n = Math.max(0, this.#traced - TRACE); n < this.#traced; n++) {
      const i = 3 * (n % TRACE);
      const width = this.#trace[i + 1]!;
      const value = this.#trace[i + 2]! >>> 0;
      const bytes = (width & 7) as TracedAccess["width"];
      accesses.push({ write: width > 7, offset: this.#trace[i]!, width: bytes, value });
    }
    return accesses;
  }
}

const accessText = ({ write, offset, width, value }: TracedAccess): string =>
  `${write ? "w" : "r"}${8 * width} ${offset.toString(16)}=${value.toString(16)}`;
