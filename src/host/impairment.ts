/** An impaired cable. It loses, damages, duplicates, reorders and delays frames, reproducibly from a seed. */
import type { Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { Plug, Port, SegmentSource } from "#kit/port.ts";
import {
  type Direction,
  DeliveryResult,
  type FrameInFlight,
  type Impairment,
  type ImpairmentCounts,
  type ImpairmentName,
  Lane,
  type LaneTotals,
} from "./impaired-lane.ts";

/** Size of `#inbox` in bytes. Longer frames to the NIC bypass the impairments. */
const MAX_FRAME = 1 << 16;
const MAX_DELAY_MICROS = 60_000_000;

/**
 * A port around another port. While a direction has no armed impairment and holds no frame, its frames pass without a
 * copy; otherwise each frame is copied.
 */
export class ImpairedWire implements Port {
  readonly bytes: Uint8Array;
  readonly memory?: FrameMemory;
  readonly #port: Port;
  readonly #out: Lane;
  readonly #in: Lane;
  #nic: Plug | undefined;
  #reserved = 0;
  /**
   * Set if the previous frame may have been lost, changed or delayed. The next frame then cannot be marked as its
   * continuation.
   */
  #broken = false;
  /** Set during a commit. A frame that is sent at another time was held, and needs a flush of its own. */
  #inCommit = false;
  /** Frames that passed the impairments are copied here, so that the NIC reads all of them from the same memory. */
  readonly #inbox = new Uint8Array(MAX_FRAME);

  readonly #segments = new CountedSegments((length) => this.#in.passed(length, DeliveryResult.delivered));

  constructor(port: Port, options: { clock: { now(): number }; timers: Timers; seed?: number }) {
    const { clock, timers, seed = 1 } = options;
    this.bytes = port.bytes;
    if (port.memory !== undefined) this.memory = port.memory;
    this.#port = port;
    this.#out = new Lane({ clock, timers, deliver: (flight) => this.#send(flight) }, seed);
    this.#in = new Lane({ clock, timers, deliver: (flight) => this.#receive(flight) }, ~seed);
  }

  /** Reseeds the random numbers of both directions. */
  seed(seed: number): void {
    this.#out.seed(seed);
    this.#in.seed(~seed);
  }

  /** Enables one impairment; a probability or count of 0 disables it. @throws {OutOfRange} for impossible values */
  arm(direction: Direction, name: ImpairmentName, impairment: Partial<Impairment>): void {
    const { probability = 1, count = Infinity, micros = 0 } = impairment;
    if (!(probability >= 0 && probability <= 1))
      throw new OutOfRange(`the probability of ${name} cannot be ${probability}`);
    if (!(count === Infinity || (Number.isInteger(count) && count >= 0)))
      throw new OutOfRange(`${name} cannot apply to ${count} frames`, "Use an integer, or omit it.");
    if (!(micros >= 0 && micros <= MAX_DELAY_MICROS)) throw new OutOfRange(`a delay of ${micros} µs is not possible`);
    this.#lane(direction).arm(name, { probability, count, micros });
  }

  /** Disables all impairments of one direction. Frames that are held are still delivered. */
  clear(direction: Direction): void {
    this.#lane(direction).clear();
  }

  armed(direction: Direction): Partial<Record<ImpairmentName, Impairment>> {
    return this.#lane(direction).armed();
  }

  /**
   * Number of affected frames so far, by impairment. `overflow` counts frames that were lost because too many were held
   * or the far end had no room.
   */
  counts(direction: Direction): ImpairmentCounts {
    return this.#lane(direction).counts;
  }

  /** Counts of one direction: frames and bytes by result, and frames that are now held. */
  totals(direction: Direction): Readonly<LaneTotals> {
    return { ...this.#lane(direction).totals };
  }

  /** Injects a frame for the NIC, bypassing impairments. Returns true if the NIC accepted it. */
  inject(frame: Uint8Array): boolean {
    return this.#pass(frame, 0, frame.length);
  }

  plug(nic: Plug): void {
    this.#nic = nic;
    this.#port.plug({
      receive: (bytes, offset, length) => {
        if (this.#in.idle || length > MAX_FRAME) return this.#pass(bytes, offset, length);
        this.#in.take(bytes.slice(offset, offset + length));
        return true;
      },
      receiveSegments: (segments) => this.#passSegments(nic, segments),
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
      this.#out.passed(length, DeliveryResult.delivered);
      return;
    }
    this.#impair(this.bytes.slice(this.#reserved, this.#reserved + length));
  }

  /** Frames in two pieces are possible only while frames pass unchanged. */
  get gathers(): boolean {
    return this.#out.idle && this.#port.gathers === true;
  }

  commitSplit(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void {
    if (this.#out.idle && this.#port.commitSplit !== undefined) {
      this.#port.commitSplit(headerBytes, payloadAt, payloadBytes, continues && !this.#broken);
      this.#broken = false;
      this.#out.passed(headerBytes + payloadBytes, DeliveryResult.delivered);
      return;
    }
    // An impairment was armed after the NIC had read `gathers`, so the pieces of the frame are joined here.
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

  /** While frames to the NIC pass unchanged, the NIC accepts each segment when it is built; each counts as a frame. */
  #passSegments(nic: Plug, segments: SegmentSource): number {
    if (!this.#in.idle || nic.receiveSegments === undefined) return 0;
    this.#segments.source = segments;
    return nic.receiveSegments(this.#segments);
  }

  #pass(bytes: Uint8Array, offset: number, length: number): boolean {
    const taken = this.#nic?.receive(bytes, offset, length) === true;
    return this.#in.passed(length, taken ? DeliveryResult.delivered : DeliveryResult.refused);
  }

  #send({ bytes, damage }: FrameInFlight): DeliveryResult {
    // The far end is a switch, which does not forward frames with a wrong FCS.
    if (damage !== 0) return DeliveryResult.lost;
    const at = this.#port.reserve(bytes.length);
    if (at < 0) {
      this.#out.counts.overflow++;
      return DeliveryResult.lost;
    }
    this.bytes.set(bytes, at);
    this.#port.commit(bytes.length, false);
    this.#broken = true;
    if (!this.#inCommit) this.#port.flush();
    return DeliveryResult.delivered;
  }

  #receive({ bytes, damage }: FrameInFlight): DeliveryResult {
    this.#inbox.set(bytes);
    if (damage === 0)
      return this.#nic?.receive(this.#inbox, 0, bytes.length) === true
        ? DeliveryResult.delivered
        : DeliveryResult.refused;
    // A NIC that has `receiveDamaged` may accept the damaged frame.
    return this.#nic?.receiveDamaged?.(this.#inbox, 0, bytes.length, damage) === true
      ? DeliveryResult.delivered
      : DeliveryResult.lost;
  }
}

/** Passes segments through, and counts each one when the NIC takes it. */
class CountedSegments implements SegmentSource {
  /** The segments of the current super-frame. */
  source!: SegmentSource;
  readonly #count: (length: number) => void;

  constructor(count: (length: number) => void) {
    this.#count = count;
  }

  get left(): number {
    return this.source.left;
  }
  get offset(): number {
    return this.source.offset;
  }
  get length(): number {
    return this.source.length;
  }
  get headerBytes(): number {
    return this.source.headerBytes;
  }
  make(payloadSum: number): void {
    this.source.make(payloadSum);
  }
  skip(): void {
    this.#count(this.source.length);
    this.source.skip();
  }
}
