/** All receive rings of a chip. Some chips have several queues, selected by a hash. */
import type { Chip } from "#chip/chips.ts";
import { framesOf } from "#chip/frames.ts";
import { RDSAR } from "#chip/registers.ts";
import { RDSAR_Q } from "#chip/registers-8125.ts";
import type { Plug, Port, SegmentSource } from "#kit/port.ts";
import { ReceiveEngine, type ReceiveParts } from "./receive.ts";
import { DescriptorRing, type RingParts } from "./ring.ts";
import { ReceiveSideScaling } from "./rss.ts";
import { extendedRegisters, windowRegisters } from "./steering-registers.ts";

/** Distance between the ring base registers of two successive queues. */
const BASE_STEP = 8;

export interface ReceiveQueueParts extends Omit<ReceiveParts, "interrupts" | "facts" | "steering" | "alternating"> {
  readonly chip: Chip;
  /** Reads an extended register. */
  readonly exgmac: (address: number) => number;
  readonly dma: RingParts["dma"];
  /** The interrupts of each queue. */
  readonly interrupts: readonly ReceiveParts["interrupts"][];
}

/** The receiving part of a chip, with one ring or several. */
export interface Receiver extends Required<Plug> {
  readonly rings: readonly DescriptorRing[];
  /**
   * The object to which frames are passed at present: this receiver, or the engine of queue 0 if frames are not hashed.
   */
  readonly front: Receiver;
  connect(port: Port): void;
  /** Called when registers that control reception changed. */
  configure(): void;
  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean;
  overflow(frames: number): void;
}

/** Passes each frame to the engine of the queue that its hash selects. */
export class ReceiveQueues implements Receiver {
  readonly rings: readonly DescriptorRing[];
  readonly #engines: readonly ReceiveEngine[];
  readonly #steering: ReceiveSideScaling;

  constructor(engines: readonly ReceiveEngine[], steering: ReceiveSideScaling) {
    this.#engines = engines;
    this.#steering = steering;
    this.rings = engines.map(({ ring }) => ring);
  }

  get front(): Receiver {
    return this.#steering.active ? this : this.#engines[0]!;
  }

  connect(port: Port): void {
    for (const engine of this.#engines) engine.connect(port);
  }

  configure(): void {
    this.#steering.configure();
    for (const engine of this.#engines) engine.configure();
  }

  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#engines[this.#steering.steer(bytes, offset, length)]!.receive(bytes, offset, length);
  }

  /** Takes none: each segment needs its own hash and queue, so segments are received one by one, as whole frames. */
  receiveSegments(_segments: SegmentSource): number {
    return 0;
  }

  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean {
    return this.#engines[0]!.receiveDamaged(bytes, offset, length, damage);
  }

  overflow(frames: number): void {
    this.#engines[0]!.overflow(frames);
  }

  /** The next frame may go to any queue in use, so all must have room. */
  hasRoom(): boolean {
    const { queues } = this.#steering;
    for (let i = 0; i < queues; i++) if (!this.#engines[i]!.hasRoom()) return false;
    return true;
  }
}

/** The receiver of a chip. With one queue it is the engine itself, without a level of indirection. */
export const receiverOf = (parts: ReceiveQueueParts): Receiver => {
  const { chip, page, interrupts, exgmac } = parts;
  const facts = framesOf(chip);
  const { receive, rings } = chip.profile.queues;
  const alternate = rings === "alternating";
  const registers = alternate ? extendedRegisters(page, exgmac) : windowRegisters(page);
  const steering = facts.hashedFormat === undefined ? undefined : new ReceiveSideScaling(registers, receive);
  const engines = Array.from({ length: receive }, (_, i) => {
    const base = i === 0 || alternate ? RDSAR : RDSAR_Q[0]! + BASE_STEP * (i - 1);
    const ring = new DescriptorRing({ ...parts, facts }, base);
    const alternating = alternate ? i : undefined;
    const own = { interrupts: interrupts[i]!, alternating, ...(steering && { steering }) };
    return new ReceiveEngine(ring, { ...parts, facts, ...own });
  });
  return steering === undefined ? engines[0]! : new ReceiveQueues(engines, steering);
};

/**
 * Called when half of a ring base was written, at `offset`. Every ring that has this base register latches the base.
 */
export const latchReceive = ({ rings }: Receiver, value: number, offset: number): void => {
  const low = rings.filter(({ register }) => register === offset);
  // Only the first of these rings reports a wrong value.
  for (const [i, ring] of low.entries()) ring.latch(i === 0 ? value : 0);
  for (const ring of rings) if (ring.register + 4 === offset) ring.highWritten();
};
