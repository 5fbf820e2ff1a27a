/** Offences: what a guest did that a real chip would punish, with the register accesses that led to it. */
import { ChipCmd, Cmd } from "#chip/registers.ts";

/** Each kind: what the guest did, and what a real chip makes of it. */
export const OFFENCES = {
  locked: {
    what: "a configuration register was written while Cfg9346 was locked",
    hardware: "The write is lost.",
  },
  unaligned: {
    what: "a ring or dump address has bits set that the chip does not keep",
    hardware: "The chip uses the address without them: another place than the driver means.",
  },
  outside: {
    what: "the chip was sent to memory it was not given",
    hardware:
      "A bus error: SYSErr is raised, an IOMMU logs a fault; without one, someone else's memory is overwritten.",
  },
  width: {
    what: "a register was written with another width than its own",
    hardware: "Bytes beside the register are written too, or the write is ignored; it differs from chip to chip.",
  },
  alignment: {
    what: "an access is not aligned to its width",
    hardware: "The bridge splits it into several accesses, so read and write effects happen more than once.",
  },
  idle: {
    what: "the doorbell rang with no descriptor to send",
    hardware:
      "The chip fetches a descriptor for nothing and raises TDU; usually the write of OWN came after the doorbell.",
  },
  disabled: {
    what: "the doorbell rang while the transmitter was off",
    hardware: "Nothing is sent, and the request is forgotten.",
  },
  running: {
    what: "a ring's base was written while its engine was using the ring",
    hardware: "The chip goes on from its old index at the new place: it reads and writes what are no descriptors.",
  },
  hurried: {
    what: "a register was written before ChipCmd was seen to have left reset",
    hardware: "A reset takes up to 100 µs, and what is written meanwhile is lost or reset too.",
  },
  busMaster: {
    what: "the chip had to touch memory while bus mastering was off",
    hardware: "It waits, and hangs until it is reset.",
  },
  unknown: {
    what: "an offset was accessed where this chip has no register",
    hardware: "Reads give anything; writes may reach undocumented test logic.",
  },
  readOnly: {
    what: "a read-only register was written",
    hardware: "The write is ignored.",
  },
  baseOrder: {
    what: "the high half of a ring address was written after the low half",
    hardware: "The chip latches both on the low half, so the ring lies at the old high half.",
  },
  fragments: {
    what: "transmit descriptors do not form a frame: FirstSegment or LastSegment is misplaced",
    hardware: "The transmitter stops, or sends pieces of several frames as one.",
  },
  frame: {
    what: "a frame cannot be sent as asked: too long, or the headers do not allow the offload",
    hardware: "It leaves damaged, or the transmitter stops with TER.",
  },
  short: {
    what: "a frame below 60 bytes was left to a chip to pad that does it wrongly",
    hardware: "It pads with what its FIFO held: pieces of other frames; drivers pad in software on this chip.",
  },
  owned: {
    what: "a descriptor was taken back while it belonged to the chip",
    hardware: "The chip may have fetched it already: it writes to a buffer that is in other use.",
  },
  endless: {
    what: "a ring has no EndOfRing in as many descriptors as a ring can have",
    hardware: "The chip starts over there, or walks on into whatever lies behind the ring.",
  },
  buffer: {
    what: "a receive descriptor names a buffer of no length, or one that is not aligned to 8 bytes",
    hardware: "The chip ignores the low bits of the address, or writes beyond the buffer.",
  },
  asleep: {
    what: "registers were accessed in D3hot, or while the bar's decoding was off",
    hardware: "Nobody answers: reads give all ones, writes are lost.",
  },
  busy: {
    what: "a command was given while the last one had not finished",
    hardware: "One of the two is lost, and which is not known.",
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
  /** What the guest did. */
  readonly because: string;
  /** What real hardware does then. */
  readonly hardware: string;
  /** The register offset, descriptor index or bus address it is about. */
  readonly where: number;
  /** The latest register accesses, oldest first. */
  readonly accesses: readonly TracedAccess[];
  /** The same as text: `w32 e4=fffff000`. */
  readonly trace: readonly string[];
}

/**
 * `off` counts, `warn` also reports each offence once for every place, `error` also makes the chip fall off the bus: from
 * then on all registers read as ones, so that no test passes by luck. The model never throws for what a guest does.
 * With `off` nothing watches the order of accesses, so `alignment` and `hurried` are not counted either.
 */
export type Strictness = "off" | "warn" | "error";

const TRACE = 32;
/** Places remembered, so that a guest cannot make the model remember without end. */
const MAX_PLACES = 4096;

const covers = (offset: number, width: number, at: number, length: number): boolean =>
  offset < at + length && offset + width > at;

/** Counts offences and reports them. */
export class Offences {
  /** How often each kind happened. */
  readonly counts: Record<OffenceName, number>;
  readonly #strict: Strictness;
  readonly #report: ((offence: Offence) => void) | undefined;
  readonly #places = new Set<string>();
  /** Offset, width with 8 added for a write, value. */
  readonly #trace = new Int32Array(3 * TRACE);
  #traced = 0;
  #fallen = false;
  /** A reset was requested, and the guest has not yet read that it is complete. */
  #resetting = false;

  constructor(strict: Strictness, report: ((offence: Offence) => void) | undefined) {
    this.#strict = strict;
    this.#report = report;
    this.counts = Object.fromEntries(Object.keys(OFFENCES).map((name) => [name, 0])) as Record<OffenceName, number>;
  }

  /** Whether an offence took the chip off the bus. */
  get fallen(): boolean {
    return this.#fallen;
  }

  /** Remembers a register access for the trace, and watches over the order of accesses. A read is told after it was made. */
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
    if (this.#strict === "error") this.#fallen = true;
    const place = `${name} ${where}`;
    if (this.#places.has(place) || this.#places.size >= MAX_PLACES) return;
    this.#places.add(place);
    if (this.#report === undefined) return;
    const { what, hardware } = OFFENCES[name];
    const accesses = this.#accesses();
    this.#report({ name, because: what, hardware, where, accesses, trace: accesses.map(accessText) });
  }

  /** A new life after a bus reset: the chip answers again. Counts and remembered places stay. */
  reset(): void {
    this.#fallen = false;
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
