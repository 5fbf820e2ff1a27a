/** Interrupts: which status register and vector each event has on a chip, and moderation. */
import type { Chip } from "#chip/chips.ts";
import { type Queues, type VectoredStatus } from "#chip/queues.ts";
import {
  Intr,
  IntrMask,
  IntrMask1,
  IntrMask2,
  IntrMask3,
  IntrStatus,
  IntrStatus1,
  IntrStatus2,
  IntrStatus3,
  QueueIntr,
} from "#chip/registers.ts";
import * as late from "#chip/registers-8125.ts";
import type { Effects } from "../registers/effects.ts";
import { EventLatch, type LatchLayout } from "./event-latch.ts";
import { limitsOf } from "./moderation-registers.ts";
import { Moderation } from "./moderation.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

const { IntCfg0 } = late;
/** Status and mask registers of all events except those of receive queues 1 to 3, by `MacFacts.interrupts`. */
const MAIN = {
  16: { status: IntrStatus, bytes: 2, masks: [IntrMask], vector: 0 },
  32: { status: late.ISR0, bytes: 4, masks: [late.IMR0], vector: 0 },
} as const satisfies Record<number, LatchLayout>;
/** Status and mask registers of receive queues 1 to 3, by `MacFacts.interrupts`. */
const OTHER_QUEUES = {
  16: [
    { status: IntrStatus1, bytes: 1, masks: [IntrMask1], vector: 1 },
    { status: IntrStatus2, bytes: 1, masks: [IntrMask2], vector: 2 },
    { status: IntrStatus3, bytes: 1, masks: [IntrMask3], vector: 3 },
  ],
  32: [
    { status: late.ISR1, bytes: 2, masks: [late.IMR1], vector: 1 },
    { status: late.ISR2, bytes: 2, masks: [late.IMR2], vector: 2 },
    { status: late.ISR3, bytes: 2, masks: [late.IMR3], vector: 3 },
  ],
} as const satisfies Record<number, readonly LatchLayout[]>;

const VECTORED = {
  status: late.ISR_V2,
  bytes: 4,
  masks: [late.IMR_V2_SET, late.IMR_V2_CLEAR],
  vector: "own",
} as const satisfies LatchLayout;
const SECOND = {
  status: late.ISR_V4_L2,
  bytes: 4,
  masks: [late.IMR_V4_L2_SET, late.IMR_V4_L2_CLEAR],
  vector: 31,
} as const satisfies LatchLayout;

export interface InterruptParts {
  readonly chip: Chip;
  readonly page: Page;
  readonly schedule: Schedule;
  /** The link's speed in Mbit/s, 0 without a link. */
  readonly speed: () => number;
  /** Interrupts the guest; called at a rising edge of this vector's line. */
  readonly fire: (vector: number) => void;
  /** Called when a queue ran out of descriptors, on chips that report that. */
  readonly exhausted?: (direction: "receive" | "transmit") => void;
}

/** Events of the engine of one ring. */
export class QueueInterrupts {
  readonly moderation: Moderation;
  readonly #signal: (events: number) => void;

  constructor(signal: (events: number) => void, moderation: (deliver: () => void) => Moderation, done: number) {
    this.#signal = signal;
    this.moderation = moderation(() => signal(done));
  }

  /**
   * Signals, after moderation, that `count` frames were processed. The guest may run during this call, so call it last.
   */
  frames(count: number): void {
    this.moderation.frames(count);
  }

  /**
   * Signals events of the ring immediately. @param events bits of `Intr`. The guest may run during this call, so call
   * it last.
   */
  raise(events: number): void {
    this.#signal(events);
  }
}

type InterruptEffects = Pick<
  Effects,
  | "interruptConfigure"
  | "interruptMask"
  | "interruptMaskClear"
  | "interruptMaskSet"
  | "interruptObserve"
  | "acknowledge"
  | "acknowledgeUnavailable"
  | "mitigate"
>;

/**
 * Chips up to the RTL8117, except the RTL8168H, have one status register and one vector. On the RTL8168H, and on the
 * RTL8125 and later, receive queues 1 to 3 have a register and a vector each, and one register has all other events.
 * From the RTL8125B on, IntCfg0 can select another register in which each bit has its own vector. Of the events that
 * belong to no queue, only the link change has a documented bit in that register. The model signals no other such event
 * in this mode.
 */
export class InterruptBlock {
  readonly receiveQueues: readonly QueueInterrupts[];
  readonly transmitQueues: readonly QueueInterrupts[];
  /** Interrupts of queue 0. */
  readonly receive: QueueInterrupts;
  readonly transmit: QueueInterrupts;
  readonly effects: InterruptEffects;
  readonly #page: Page;
  readonly #queues: Queues;
  readonly #latches: readonly EventLatch[];
  /** Latches by the offsets of their status and mask registers. */
  readonly #at = new Map<number, EventLatch>();
  readonly #main: EventLatch;
  readonly #others: readonly EventLatch[];
  readonly #vectored: EventLatch | undefined;
  /** The latches that are used while IntCfg0 selects a vector for each event. Otherwise the other latches are used. */
  readonly #byVector: readonly EventLatch[];
  #isVectored = false;

  constructor(parts: InterruptParts) {
    const { chip, page } = parts;
    const queues = chip.profile.queues;
    this.#page = page;
    this.#queues = queues;
    const width = chip.profile.mac.interrupts;
    this.#main = this.#latch(parts, MAIN[width]);
    this.#others = queues.vectors > 1 ? OTHER_QUEUES[width].map((place) => this.#latch(parts, place)) : [];
    this.#vectored = queues.vectored && this.#latch(parts, VECTORED);
    // The second register is the management controller's, for which the model raises no events.
    const second = queues.vectored && this.#latch(parts, SECOND);
    this.#byVector = [this.#vectored, second].filter((latch) => latch !== undefined);
    this.#latches = [this.#main, ...this.#others, ...this.#byVector];
    this.receiveQueues = Array.from({ length: queues.receive }, (_, i) => this.#queue(parts, i, "receive"));
    this.transmitQueues = Array.from({ length: queues.transmit }, (_, i) => this.#queue(parts, i, "transmit"));
    this.receive = this.receiveQueues[0]!;
    this.transmit = this.transmitQueues[0]!;
    this.effects = this.#effects();
    this.#configure();
  }

  /**
   * Signals events that belong to no queue. @param events bits of `Intr`. The guest may run during this call, so call
   * it last.
   */
  raise(events: number): void {
    if (!this.#isVectored) this.#main.raise(events);
    else if ((events & Intr.linkChange) !== 0) this.#vectored!.raise(1 << this.#queues.vectored!.linkChange);
  }

  /** Whether a vector's line is high. A bus checks this when the guest unmasks a vector, and then signals again. */
  pending(vector: number): boolean {
    return this.#latches.some((latch) => latch.pending(vector));
  }

  /** Whether any line is high: the level of INTx. */
  get asserted(): boolean {
    return this.#latches.some((latch) => latch.asserted);
  }

  /** For a guest that reads IntrStatus from shared memory: see `EventLatch.seen`. */
  seen(events: number): void {
    for (const latch of this.#latches) latch.seen(events);
  }

  /** Called when the registers were reset. */
  reset(): void {
    this.#configure();
    for (const latch of this.#latches) latch.reset();
    for (const queue of this.#all()) queue.moderation.reset();
  }

  #all(): readonly QueueInterrupts[] {
    return [...this.receiveQueues, ...this.transmitQueues];
  }

  #latch({ page, fire }: InterruptParts, place: LatchLayout): EventLatch {
    const latch = new EventLatch(page, place, fire);
    for (const offset of [place.status, ...place.masks]) this.#at.set(offset, latch);
    return latch;
  }

  #queue(parts: InterruptParts, index: number, direction: "receive" | "transmit"): QueueInterrupts {
    const { limits, unitMicros } = limitsOf(parts, this.#queues, index, direction);
    const done = direction === "receive" ? Intr.receiveOk : Intr.transmitOk;
    const moderation = (deliver: () => void): Moderation => new Moderation(parts.schedule, limits, unitMicros, deliver);
    return new QueueInterrupts(this.#signal(parts, index, direction), moderation, done);
  }

  /** Returns the function that raises the events of a ring. */
  #signal(parts: InterruptParts, index: number, direction: "receive" | "transmit"): (events: number) => void {
    const main = this.#main;
    const vectored = this.#vectored;
    const { vectored: map } = this.#queues;
    const other = direction === "receive" && index > 0 ? this.#others[index - 1] : undefined;
    const unshared =
      other === undefined
        ? (events: number): void => main.raise(events)
        : (events: number): void => other.raise(queueEvents(events));
    if (parts.chip.profile.mac.interrupts === 16) return unshared;
    const bit = map === undefined ? 0 : vectorBit(map, index, direction);
    return (events) => {
      if ((events & (Intr.receiveUnavailable | Intr.transmitUnavailable)) !== 0) {
        this.#unavailable(index, direction);
        parts.exhausted?.(direction);
      }
      if (!this.#isVectored) unshared(events);
      // An empty transmit ring means only that everything was sent, so it raises no interrupt.
      else if ((events & ~Intr.transmitUnavailable) !== 0) vectored!.raise(bit);
    };
  }

  /** Records, in registers other than the status register, that a queue ran out of descriptors. */
  #unavailable(index: number, direction: "receive" | "transmit"): void {
    const at = direction === "receive" ? late.RDU_STA : late.TDU_STA;
    this.#page.put(at, 2, this.#page.get(at, 2) | (1 << index));
  }

  #configure(): void {
    if (this.#vectored === undefined) return;
    const config = this.#page.get(late.INT_CFG0, 1);
    this.#isVectored = (config & IntCfg0.enable) !== 0;
    const canMask = this.#queues.vectored?.masksItself ?? false;
    this.#vectored.masksItself = canMask && (config & IntCfg0.msixEntryMode) !== 0;
    for (const latch of this.#latches) latch.mute(this.#byVector.includes(latch) !== this.#isVectored);
  }

  #effects(): InterruptEffects {
    const changed = (): void => {
      for (const queue of this.#all()) queue.moderation.changed();
    };
    return {
      interruptConfigure: () => {
        this.#configure();
        changed();
      },
      interruptMask: (_value, _lanes, offset) => this.#at.get(offset)?.update(),
      interruptMaskClear: (value, _lanes, offset) => this.#at.get(offset)?.mask(value, 0),
      interruptMaskSet: (value, _lanes, offset) => this.#at.get(offset)?.mask(0, value),
      interruptObserve: (_value, _lanes, offset) => this.#at.get(offset)?.observe(),
      acknowledge: (value, _lanes, offset) => this.#at.get(offset)?.acknowledge(value),
      acknowledgeUnavailable: (value, _lanes, offset) => this.#page.put(offset, 2, this.#page.get(offset, 2) & ~value),
      mitigate: changed,
    };
  }
}

const queueEvents = (events: number): number =>
  ((events & Intr.receiveOk) === 0 ? 0 : QueueIntr.receiveOk) |
  ((events & ~Intr.receiveOk) === 0 ? 0 : QueueIntr.receiveUnavailable);

const vectorBit = (map: VectoredStatus, index: number, direction: "receive" | "transmit"): number =>
  1 << (direction === "receive" ? map.receive + index : map.transmit + map.transmitStep * index);
