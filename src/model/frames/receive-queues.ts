/** All rings that a chip receives into: one, or since RTL8125B several that a hash chooses from. */
import type { Chip } from "#chip/chips.ts";
import { framesOf } from "#chip/frames.ts";
import { RDSAR } from "#chip/registers.ts";
import { RDSAR_Q } from "#chip/registers-8125.ts";
import type { Plug, Port, SegmentSource } from "#kit/port.ts";
import { ReceiveEngine, type ReceiveParts } from "./receive.ts";
import { DescriptorRing, type RingParts } from "./ring.ts";
import { ReceiveSideScaling } from "./rss.ts";

/** From one queue's ring base to the next one's. */
const BASE_STEP = 8;

export interface ReceiveQueueParts extends Omit<ReceiveParts, "interrupts" | "facts" | "steering"> {
  readonly chip: Chip;
  readonly dma: RingParts["dma"];
  /** One for each queue. */
  readonly interrupts: readonly ReceiveParts["interrupts"][];
}

/** What receives, whether into one ring or into several. */
export interface Receiver extends Required<Plug> {
  readonly rings: readonly DescriptorRing[];
  connect(port: Port): void;
  /** Registers that matter here changed. */
  configure(): void;
  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean;
  overflow(frames: number): void;
}

/** Hands each frame to the engine of the queue that its hash says. */
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

  /** Where frames are hashed, each has a hash, and perhaps a queue, of its own: they go the other way. */
  receiveSegments(segments: SegmentSource): number {
    return this.#steering.active ? 0 : this.#engines[0]!.receiveSegments(segments);
  }

  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean {
    return this.#engines[0]!.receiveDamaged(bytes, offset, length, damage);
  }

  overflow(frames: number): void {
    this.#engines[0]!.overflow(frames);
  }

  /** Nobody knows whose the next frame is, so all queues in use must have room. */
  hasRoom(): boolean {
    const { queues } = this.#steering;
    for (let i = 0; i < queues; i++) if (!this.#engines[i]!.hasRoom()) return false;
    return true;
  }
}

/** The chip's receiver: one with a single queue is an engine itself, so that its frames take no detour. */
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

/** Either half of the base of one of the queues from 1 on was written, at this offset. False when it is not theirs. */
export const latchReceive = (receiver: Receiver, value: number, offset: number): boolean => {
  const from = offset - RDSAR_Q[0]!;
  const ring = receiver.rings[1 + Math.floor(from / BASE_STEP)];
  if (from < 0 || ring === undefined) return false;
  if (from % BASE_STEP === 0) ring.latch(value);
  else ring.highWritten();
  return true;
};
