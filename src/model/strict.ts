/** Offences: what a guest did that a real chip would punish, with the register accesses that led to it. */

/** Each kind, and what a real chip makes of it. */
export const OFFENCES = {
  locked: "a configuration register was written while Cfg9346 was locked; the write is lost",
  unaligned: "a ring or dump address has bits set that the chip does not keep",
  outside: "the chip was sent to memory it was not given; a bus error on hardware",
  width: "a register was written with another width than its own",
  idle: "the doorbell rang with no descriptor to send",
  disabled: "the doorbell rang while the transmitter was off",
  busMaster: "the chip had to touch memory while bus mastering was off",
  unknown: "an offset was accessed where this chip has no register",
  readOnly: "a read-only register was written",
  baseOrder: "the high half of a ring address was written after the low half; the chip latches both on the low half",
  fragments: "transmit descriptors do not form a frame: FirstSegment or LastSegment is misplaced",
  frame: "a frame cannot be sent as asked: too long, or the headers do not allow the offload",
  busy: "a command was given while the last one had not finished",
} as const;

export type OffenceName = keyof typeof OFFENCES;

export interface Offence {
  readonly name: OffenceName;
  readonly because: string;
  /** The register offset, descriptor index or bus address it is about. */
  readonly where: number;
  /** The latest register accesses, oldest first, as `w32 e4=fffff000`. */
  readonly trace: readonly string[];
}

/**
 * `off` counts, `warn` also reports each offence once for every place, `error` also makes the chip fall off the bus: from
 * then on all registers read as ones, so that no test passes by luck. The model never throws for what a guest does.
 */
export type Strictness = "off" | "warn" | "error";

const TRACE = 32;
/** Places remembered, so that a guest cannot make the model remember without end. */
const MAX_PLACES = 4096;

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

  constructor(strict: Strictness, report: ((offence: Offence) => void) | undefined) {
    this.#strict = strict;
    this.#report = report;
    this.counts = Object.fromEntries(Object.keys(OFFENCES).map((name) => [name, 0])) as Record<OffenceName, number>;
  }

  /** Whether an offence took the chip off the bus. */
  get fallen(): boolean {
    return this.#fallen;
  }

  /** Remembers a register access for the trace. */
  access(offset: number, width: number, value: number, write: boolean): void {
    if (this.#strict === "off") return;
    const i = 3 * (this.#traced++ % TRACE);
    this.#trace[i] = offset;
    this.#trace[i + 1] = write ? width | 8 : width;
    this.#trace[i + 2] = value;
  }

  commit(name: OffenceName, where: number): void {
    this.counts[name]++;
    if (this.#strict === "off") return;
    if (this.#strict === "error") this.#fallen = true;
    const place = `${name} ${where}`;
    if (this.#places.has(place) || this.#places.size >= MAX_PLACES) return;
    this.#places.add(place);
    this.#report?.({ name, because: OFFENCES[name], where, trace: this.#formatTrace() });
  }

  /** A new life after a bus reset: the chip answers again. Counts and remembered places stay. */
  reset(): void {
    this.#fallen = false;
  }

  #formatTrace(): string[] {
    const lines: string[] = [];
    for (let n = Math.max(0, this.#traced - TRACE); n < this.#traced; n++) {
      const i = 3 * (n % TRACE);
      const width = this.#trace[i + 1]!;
      const verb = width & 8 ? "w" : "r";
      lines.push(
        `${verb}${8 * (width & 7)} ${this.#trace[i]!.toString(16)}=${(this.#trace[i + 2]! >>> 0).toString(16)}`,
      );
    }
    return lines;
  }
}
