/** A cable that does not do as it should: loses, damages, doubles, swaps and delays frames, as told and from a seed. */
import type { Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Damage, type Plug, type Port } from "#kit/port.ts";

/**
 * In the order in which they strike a frame. `corrupt` changes a bit as a faulty switch does, which makes the FCS anew;
 * `crc` is a bad cable: the FCS does not match, so a NIC counts the frame and drops it, and so does a switch.
 */
export const IMPAIRMENTS = ["loss", "corrupt", "crc", "duplicate", "reorder", "delay"] as const;
export type ImpairmentName = (typeof IMPAIRMENTS)[number];

/** Seen from the NIC: `out` is what it sends. */
export const DIRECTIONS = ["out", "in"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** When one strikes. */
export interface Impairment {
  /** Which share of the frames, 0 to 1. */
  readonly probability: number;
  /** After so many frames it is over; `Infinity` when it stays. */
  readonly count: number;
  /** How long a frame is held, in microseconds: of `delay` only. */
  readonly micros: number;
}

export type ImpairmentCounts = Readonly<Record<ImpairmentName | "overflow", number>>;

/** The longest frame, with tags; and how many frames may be under way on a slow cable before it loses some. */
const LONGEST_FRAME = 1 << 16;
const MOST_HELD = 4096;
/** A frame that was to change places with the next one goes on alone after this. */
const LONELY_MICROS = 10_000;
const LONGEST_DELAY_MICROS = 60_000_000;

/** Numbers from 0 to below 1 that a seed repeats: xorshift32 (Marsaglia 2003). */
const generator = (seed: number): (() => number) => {
  // 0 is the one state that it never leaves.
  let state = seed | 0 || 0x9e37_79b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

interface Armed {
  probability: number;
  left: number;
  micros: number;
}

/** A frame under way, with bits of `Damage`. */
interface Flight {
  readonly bytes: Uint8Array;
  readonly damage: number;
}

interface LaneParts {
  readonly clock: { now(): number };
  readonly timers: Timers;
  readonly deliver: (flight: Flight) => void;
}

/** One direction: what strikes whom, and the frames held back. */
class Lane {
  readonly counts: Record<ImpairmentName | "overflow", number>;
  /** Nothing is armed and nothing held: frames pass untouched. */
  idle = true;
  readonly #armed = new Map<ImpairmentName, Armed>();
  readonly #parts: LaneParts;
  #random: () => number;
  #held = 0;
  /** The frame that lets the next one pass. */
  #waiting: { readonly flight: Flight; readonly cancel: () => void } | undefined;

  constructor(parts: LaneParts, seed: number) {
    this.counts = { loss: 0, corrupt: 0, crc: 0, duplicate: 0, reorder: 0, delay: 0, overflow: 0 };
    this.#parts = parts;
    this.#random = generator(seed);
  }

  seed(seed: number): void {
    this.#random = generator(seed);
  }

  arm(name: ImpairmentName, { probability, count, micros }: Impairment): void {
    if (probability === 0 || count === 0) this.#armed.delete(name);
    else this.#armed.set(name, { probability, left: count, micros });
    this.#settle();
  }

  clear(): void {
    this.#armed.clear();
    this.#settle();
  }

  armed(): Partial<Record<ImpairmentName, Impairment>> {
    return Object.fromEntries(
      [...this.#armed].map(([name, { probability, left, micros }]) => [name, { probability, count: left, micros }]),
    );
  }

  /** Takes a frame that is the lane's own, and delivers it as often and as late as it is to come. */
  take(bytes: Uint8Array): void {
    if (this.#strikes("loss") !== undefined) return;
    if (this.#strikes("corrupt") !== undefined) this.#flip(bytes);
    const damage = this.#strikes("crc") === undefined ? 0 : Damage.crc;
    if (damage !== 0) this.#flip(bytes);
    const copy = this.#strikes("duplicate") === undefined ? undefined : bytes.slice();
    this.#order({ bytes, damage });
    if (copy !== undefined) this.#order({ bytes: copy, damage });
    this.#settle();
  }

  #order(flight: Flight): void {
    const waiting = this.#waiting;
    if (waiting === undefined && this.#strikes("reorder") !== undefined) {
      this.#waiting = { flight, cancel: this.#hold(LONELY_MICROS, () => this.#release()) };
      return;
    }
    this.#delay(flight);
    if (waiting === undefined) return;
    waiting.cancel();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#delay(waiting.flight);
    this.#settle();
  }

  #delay(flight: Flight): void {
    const delay = this.#strikes("delay");
    if (delay === undefined) this.#parts.deliver(flight);
    else if (this.#held >= MOST_HELD) this.counts.overflow++;
    else
      this.#hold(delay.micros, () => {
        this.#parts.deliver(flight);
        this.#settle();
      });
  }

  /** Runs `done` later; the lane is not idle until then. */
  #hold(micros: number, done: () => void): () => void {
    const { clock, timers } = this.#parts;
    this.#held++;
    const cancel = timers.schedule(clock.now() + micros, () => {
      this.#held--;
      done();
    });
    return () => {
      this.#held--;
      cancel();
    };
  }

  #strikes(name: ImpairmentName): Armed | undefined {
    const armed = this.#armed.get(name);
    if (armed === undefined || (armed.probability < 1 && this.#random() >= armed.probability)) return undefined;
    this.counts[name]++;
    if (--armed.left === 0) this.#armed.delete(name);
    return armed;
  }

  /** One bit, behind the addresses so that the frame still arrives. */
  #flip(frame: Uint8Array): void {
    const from = Math.min(12, frame.length - 1);
    const bit = Math.floor(this.#random() * 8 * (frame.length - from));
    frame[from + (bit >> 3)]! ^= 1 << (bit & 7);
  }

  #settle(): void {
    this.idle = this.#armed.size === 0 && this.#held === 0;
  }
}

/**
 * A port around a port. While nothing is armed, frames pass it where they lie; a direction with something armed copies each
 * of its frames.
 */
export class ImpairedWire implements Port {
  readonly bytes: Uint8Array;
  readonly memory?: FrameMemory;
  readonly #port: Port;
  readonly #out: Lane;
  readonly #in: Lane;
  #nic: Plug | undefined;
  #reserved = 0;
  /** The frame before the next one did not pass as it was, so nothing continues it. */
  #broken = false;
  /** Frames delivered by a timer still have to be flushed. */
  #inCommit = false;
  /** What held frames come in, so that the NIC sees one memory. */
  readonly #inbox = new Uint8Array(LONGEST_FRAME);

  constructor(port: Port, options: { clock: { now(): number }; timers: Timers; seed?: number }) {
    const { clock, timers, seed = 1 } = options;
    this.bytes = port.bytes;
    if (port.memory !== undefined) this.memory = port.memory;
    this.#port = port;
    this.#out = new Lane({ clock, timers, deliver: (flight) => this.#send(flight) }, seed);
    this.#in = new Lane({ clock, timers, deliver: (flight) => this.#receive(flight) }, ~seed);
  }

  /** Both directions start their random numbers over. */
  seed(seed: number): void {
    this.#out.seed(seed);
    this.#in.seed(~seed);
  }

  /** Arms one impairment; a probability or count of 0 disarms it. @throws {OutOfRange} */
  arm(direction: Direction, name: ImpairmentName, impairment: Partial<Impairment>): void {
    const { probability = 1, count = Infinity, micros = 0 } = impairment;
    if (!(probability >= 0 && probability <= 1)) throw new OutOfRange(`a probability of ${probability} for ${name}`);
    if (!(count >= 0)) throw new OutOfRange(`${count} frames of ${name}`);
    if (!(micros >= 0 && micros <= LONGEST_DELAY_MICROS)) throw new OutOfRange(`a delay of ${micros} µs`);
    this.#lane(direction).arm(name, { probability, count, micros });
  }

  /** Disarms all. Frames already held still come. */
  clear(direction: Direction): void {
    this.#lane(direction).clear();
  }

  armed(direction: Direction): Partial<Record<ImpairmentName, Impairment>> {
    return this.#lane(direction).armed();
  }

  /** Frames struck so far; `overflow` were lost because too many were held, or the far end had no room. */
  counts(direction: Direction): ImpairmentCounts {
    return this.#lane(direction).counts;
  }

  plug(nic: Plug): void {
    this.#nic = nic;
    this.#port.plug({
      receive: (bytes, offset, length) => {
        if (this.#in.idle || length > LONGEST_FRAME) return nic.receive(bytes, offset, length);
        this.#in.take(bytes.slice(offset, offset + length));
        return true;
      },
      hasRoom: () => nic.hasRoom?.() ?? true,
    });
  }

  reserve(length: number): number {
    return (this.#reserved = this.#port.reserve(length));
  }

  commit(length: number, continues = false): void {
    if (this.#out.idle) {
      this.#port.commit(length, continues && !this.#broken);
      this.#broken = false;
      return;
    }
    this.#impair(this.bytes.slice(this.#reserved, this.#reserved + length));
  }

  /** Only what passes untouched passes in two pieces. */
  get gathers(): boolean {
    return this.#out.idle && this.#port.gathers === true;
  }

  commitSplit(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void {
    if (this.#out.idle && this.#port.commitSplit !== undefined) {
      this.#port.commitSplit(headerBytes, payloadAt, payloadBytes, continues && !this.#broken);
      this.#broken = false;
      return;
    }
    // Something was armed since the NIC asked: the frame is put together here.
    const frame = new Uint8Array(headerBytes + payloadBytes);
    frame.set(this.bytes.subarray(this.#reserved, this.#reserved + headerBytes));
    frame.set(this.bytes.subarray(payloadAt, payloadAt + payloadBytes), headerBytes);
    this.#impair(frame);
  }

  flush(): void {
    this.#port.flush();
  }

  #impair(frame: Uint8Array): void {
    this.#broken = true;
    this.#inCommit = true;
    this.#out.take(frame);
    this.#inCommit = false;
  }

  #lane(direction: Direction): Lane {
    return direction === "out" ? this.#out : this.#in;
  }

  #send({ bytes, damage }: Flight): void {
    // The far end is a switch: it passes nothing on whose FCS does not match.
    if (damage !== 0) return;
    const at = this.#port.reserve(bytes.length);
    if (at < 0) {
      this.#out.counts.overflow++;
      return;
    }
    this.bytes.set(bytes, at);
    this.#port.commit(bytes.length, false);
    this.#broken = true;
    if (!this.#inCommit) this.#port.flush();
  }

  #receive({ bytes, damage }: Flight): void {
    this.#inbox.set(bytes);
    if (damage === 0) this.#nic?.receive(this.#inbox, 0, bytes.length);
    else this.#nic?.receiveDamaged?.(this.#inbox, 0, bytes.length, damage);
  }
}
