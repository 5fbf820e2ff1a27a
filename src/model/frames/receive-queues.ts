/** All receive rings of a chip. From the RTL8125B on there are several, selected by a hash. */
import type { Chip } from "#chip/chips.ts";
import { framesOf } from "#chip/frames.ts";
import { RDSAR } from "#chip/registers.ts";
import { RDSAR_Q } from "#chip/registers-8125.ts";
import type { Plug, Port, SegmentSource } from "#kit/port.ts";
import { ReceiveEngine, type ReceiveParts } from "./receive.ts";
import { DescriptorRing, type RingParts } from "./ring.ts";
import { ReceiveSideScaling } from "./rss.ts";

/** Distance between the ring base registers of two successive queues. */
const BASE_STEP = 8;

export interface ReceiveQueueParts extends Omit<ReceiveParts, "interrupts" | "facts" | "steering"> {
  readonly chip: Chip;
  readonly dma: RingParts["dma"];
  /** The interrupts of each queue. */
  readonly interrupts: readonly ReceiveParts["interrupts"][];
}

/** The receiving part of a chip, with one ring or several. */
export interface Receiver extends Required<Plug> {
  readonly rings: readonly DescriptorRing[];
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

  /**
   * If frames are hashed, each needs a hash and a queue of its own, so segments are received on the slower path for
   * whole frames.
   */
  receiveSegments(segments: SegmentSource): number {
    return this.#steering.active ? 0 : this.#engines[0]!.receiveSegments(segments);
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
  const { chip, page, interrupts } = parts;
  const facts = framesOf(chip);
  const { receive } = chip.profile.queues;
  const steering = facts.hashedFormat === undefined ? undefined : new ReceiveSideScaling(page, receive);
  const engines = Array.from({ length: receive }, (_, i) => {
    const ring = new DescriptorRing({ ...parts, facts }, i === 0 ? RDSAR : RDSAR_Q[0]! + BASE_STEP * (i - 1));
    return new ReceiveEngine(ring, { ...parts, facts, interrupts: interrupts[i]!, ...(steering && { steering }) });
  });
  return steering === undefined ? engines[0]! : new ReceiveQueues(engines, steering);
};

/**
 * Called when a register was written. Returns false if `offset` is not half of the ring base of queue 1 or higher.
 */
export const latchReceive = (receiver: Receiver, value: number, offset: number): boolean => {
  const from = offset - RDSAR_Q[0]!;
  const ring = receiver.rings[1 + Math.floor(from / BASE_STEP)];
  if (from < 0 || ring === undefined) return false;
  if (from % BASE_STEP === 0) ring.latch(value);
  else ring.highWritten();
  return true;
};
