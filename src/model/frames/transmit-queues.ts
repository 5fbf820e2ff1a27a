/** All transmit rings of a chip: one of normal and one of high priority; from the RTL8125 on, numbered queues. */
import type { Chip } from "#chip/chips.ts";
import { TxStride, WIDE_BYTES } from "#chip/descriptors-8125.ts";
import { DESCRIPTOR_BYTES } from "#chip/descriptors.ts";
import { framesOf } from "#chip/frames.ts";
import { Poll, THPDS, TNPDS } from "#chip/registers.ts";
import { TNPDS_Q1 } from "#chip/registers-8125.ts";
import type { Port } from "#kit/port.ts";
import type { Effects } from "../registers/effects.ts";
import { PointerRing } from "./pointer-ring.ts";
import { DescriptorRing, type RingParts } from "./ring.ts";
import { TransmitEngine, type TransmitParts } from "./transmit.ts";

/** Distance between the ring base registers of two successive queues. */
const BASE_STEP = 8;

export interface TransmitQueueParts extends Omit<TransmitParts, "interrupts" | "facts"> {
  readonly chip: Chip;
  readonly dma: RingParts["dma"];
  /** The interrupts of each queue. */
  readonly interrupts: readonly TransmitParts["interrupts"][];
  /** Reads a MAC-OCP register. */
  readonly macOcp: (address: number) => number;
}

type QueueEffects = Pick<
  Effects,
  "transmitBase" | "transmitBaseHigh" | "priorityBase" | "priorityBaseHigh" | "pollQueues" | "queueTail"
>;

export class TransmitQueues {
  readonly effects: QueueEffects;
  readonly #parts: TransmitQueueParts;
  readonly #engines: readonly TransmitEngine[];
  readonly #pointerRings: readonly PointerRing[];

  constructor(parts: TransmitQueueParts) {
    const { chip, interrupts } = parts;
    const facts = framesOf(chip);
    const { pointers, transmit } = chip.profile.queues;
    const ringParts = { ...parts, facts };
    const engine = (ring: DescriptorRing, queue: number): TransmitEngine =>
      new TransmitEngine(ring, { ...parts, facts, interrupts: interrupts[queue]! });
    this.#parts = parts;
    this.#pointerRings =
      pointers === undefined
        ? []
        : Array.from({ length: transmit }, (_, i) => new PointerRing(ringParts, baseOf(i), pointers, i));
    this.#engines =
      pointers === undefined
        ? [engine(new DescriptorRing(ringParts, TNPDS), 0), engine(new DescriptorRing(ringParts, THPDS), 0)]
        : this.#pointerRings.map((ring, i) => engine(ring, i));
    this.effects = this.#effects();
  }

  /** Number of super-frames segmented so far. */
  get superFrames(): number {
    return this.#engines.reduce((sum, { superFrames }) => sum + superFrames, 0);
  }

  connect(port: Port): void {
    for (const engine of this.#engines) engine.connect(port);
  }

  reset(): void {
    for (const engine of this.#engines) engine.reset();
  }

  /** Called when the transmitter was enabled. */
  start(): void {
    const wide = this.#pointerRings.length > 0 && (this.#parts.macOcp(TxStride.macOcp) & TxStride.wide) !== 0;
    for (const { ring } of this.#engines) {
      ring.layOut(wide ? WIDE_BYTES : DESCRIPTOR_BYTES);
      ring.start();
    }
  }

  /** Called when TxConfig was written. */
  configure(): void {
    for (const ring of this.#pointerRings) ring.configure();
  }

  /** Called when the link partner requests a pause of `micros` microseconds; 0 ends the pause. */
  pause(micros: number): void {
    for (const engine of this.#engines) engine.pause(micros);
  }

  /** Called when TxPoll, the doorbell of chips with two priorities, was written. */
  poll(value: number): void {
    if ((value & Poll.highPriority) !== 0) this.#engines[1]!.doorbell();
    if ((value & Poll.normalPriority) !== 0) this.#engines[0]!.doorbell();
  }

  /**
   * Called when half of a queue's ring base was written, in either direction. Returns false if `offset` is not half of
   * the base of transmit queue 1 or higher.
   */
  latch(value: number, offset: number): boolean {
    const from = offset - TNPDS_Q1[0]!;
    const queue = 1 + Math.floor(from / BASE_STEP);
    const ring = this.#pointerRings[queue];
    if (from < 0 || ring === undefined) return false;
    if (from % BASE_STEP === 0) ring.latch(value);
    else ring.highWritten();
    return true;
  }

  #effects(): QueueEffects {
    const [normal, high] = this.#engines;
    return {
      transmitBase: (value) => normal!.ring.latch(value),
      transmitBaseHigh: () => normal!.ring.highWritten(),
      priorityBase: (value) => high?.ring.latch(value),
      priorityBaseHigh: () => high?.ring.highWritten(),
      pollQueues: (value) => {
        this.#engines.forEach((engine, i) => {
          if (((value >>> i) & 1) !== 0) engine.doorbell();
        });
      },
      queueTail: (value, _lanes, offset) => this.#filled(value, offset),
    };
  }

  /** Called when software has moved its tail pointer, which in "no close" mode is also a doorbell. */
  #filled(value: number, offset: number): void {
    const pointers = this.#parts.chip.profile.queues.pointers!;
    const queue = Math.floor((offset - pointers.tail) / pointers.step);
    const ring = this.#pointerRings[queue];
    if (ring === undefined) return;
    ring.moveTail(value);
    if (ring.byPointers) this.#engines[queue]!.doorbell();
  }
}

/** Ring base register of a numbered queue. */
const baseOf = (queue: number): number => (queue === 0 ? TNPDS : TNPDS_Q1[0]! + BASE_STEP * (queue - 1));
