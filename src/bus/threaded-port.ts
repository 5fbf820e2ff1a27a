/**
 * The model's side, for a model that runs in a thread of its own: executes the accesses that the driver's threads have
 * posted, and signals interrupts to them.
 */
import type { FrameMemory } from "#kit/link.ts";
import type { SpscConsumer } from "#kit/spsc.ts";
import type { RegionName } from "#kit/target.ts";
import { EventFd } from "#sys/eventfd.ts";
import {
  type PublishingTarget,
  type ThreadedChannel,
  VECTORS,
  Word,
  consumersOf,
  controlWords,
} from "./threaded-channel.ts";
import { WINDOW_IOVA, WindowMemory } from "./window.ts";

/** All calls come from the model's thread. */
export class ThreadedPort {
  /** For poll(2): ready when work arrives after `sleep` has returned true. */
  readonly fd: number;
  readonly #target: PublishingTarget;
  readonly #registers: RegionName;
  readonly #control: Int32Array;
  readonly #posted: readonly SpscConsumer[];
  readonly #kick: EventFd;
  readonly #events: readonly EventFd[];

  /** @param memory the channel's `dma`, as bytes and words */
  constructor(channel: ThreadedChannel, target: PublishingTarget, memory: FrameMemory) {
    this.#target = target;
    this.#registers = channel.rules.registers;
    this.#control = controlWords(channel);
    this.#posted = consumersOf(channel);
    this.#kick = EventFd.attach(channel.kick);
    this.fd = channel.kick;
    this.#events = channel.interrupts.map((fd) => EventFd.attach(fd));
    target.attach(new WindowMemory(memory, WINDOW_IOVA, channel.dmaBytes), (vector) => this.#raise(vector));
  }

  /** Executes posted accesses of all threads. Returns their number. */
  drain(): number {
    let n = 0;
    for (const posted of this.#posted) n += this.#drainOne(posted);
    if (n > 0) {
      Atomics.add(this.#control, Word.drained, 1);
      if (Atomics.load(this.#control, Word.waiting) > 0) Atomics.notify(this.#control, Word.drained);
    }
    return n;
  }

  #drainOne(posted: SpscConsumer): number {
    let n = 0;
    for (let at = posted.peek(); at >= 0; at = posted.peek()) {
      this.#execute(posted.words, at);
      // The record is released only after the access, because a driver that finds the ring empty may read the page.
      posted.release();
      n++;
    }
    return n;
  }

  #execute(words: Int32Array, at: number): void {
    const what = words[at]!;
    const value = words[at + 1]!;
    const seen = words[at + 2]!;
    const region = ((what >>> 28) & 7) === 0 ? this.#registers : "config";
    const width = ((what >>> 24) & 7) as 1 | 2 | 4;
    const offset = what & 0xff_ffff;
    this.#target.seen(seen);
    if (what < 0) {
      Atomics.store(this.#control, Word.answer, this.#target.read(region, offset, width) | 0);
      Atomics.add(this.#control, Word.answers, 1);
    } else this.#target.write(region, offset, width, width === 4 ? value >>> 0 : value);
  }

  /** An interrupt for a vector that is not requested is dropped, as an interrupt controller would do. */
  #raise(vector: number): void {
    const line = Atomics.load(this.#control, Word.vectors + (vector % VECTORS));
    this.#events[line - 1]?.signal();
  }

  /** Call this before waiting on `fd`. If it returns false, there is work: do not wait. */
  sleep(): boolean {
    Atomics.store(this.#control, Word.modelSleeps, 1);
    if (this.#posted.every((posted) => posted.peek() < 0)) return true;
    Atomics.store(this.#control, Word.modelSleeps, 0);
    return false;
  }

  /** Call this after waiting on `fd`. */
  wake(): void {
    Atomics.store(this.#control, Word.modelSleeps, 0);
    this.#kick.drain();
  }
}
