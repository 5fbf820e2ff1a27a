/**
 * What the threads of a driver share with the thread of its model: registers in a page, a ring of posted writes for each thread, and
 * eventfds for wake-ups.
 *
 * As on PCI Express, writes of one thread are posted and stay in order; those of different threads have no order.
 */
import { Timeout } from "#kit/errors.ts";
import { type RingShape, SpscConsumer, SpscProducer, spscWords } from "#kit/spsc.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { EventFd } from "#sys/eventfd.ts";

/** Shared control words. */
export const Word = {
  modelSleeps: 0,
  /** Counts how often the model found work and has done all of it; this many threads wait for that. */
  drained: 16,
  waiting: 17,
  /** Reply to a read with side effect: a count, and the value. Only one thread reads. */
  answers: 32,
  answer: 33,
  /** By vector, the place of its descriptor in `ThreadedChannel.interrupts`, plus one; 0 where it is not requested. */
  vectors: 48,
} as const;
export const VECTORS = 32;
const CONTROL_WORDS = Word.vectors + VECTORS;

/** A posted access: kind and position, the value, and the count of interrupt events that the driver had seen. */
const RING: RingShape = { records: 1024, recordWords: 3 };
export const Access = { write: 0, read: 1 } as const;
export const encode = (kind: number, region: number, offset: number, width: number): number =>
  (kind << 31) | (region << 28) | (width << 24) | offset;

/** Time limit of the replies of the model: a thread of this process, which others may keep from running. */
const ANSWER_LIMIT_MILLIS = 30_000;
/** Iterations of busy waiting before sleeping. */
const SPINS = 200;

/** Created by the main thread and passed to each of the others as worker data. */
export interface ThreadedChannel {
  readonly name: string;
  /** The registers, then configuration space of 4 KiB. */
  readonly page: SharedArrayBuffer;
  readonly rules: PageRules;
  readonly control: SharedArrayBuffer;
  /** Memory shared by both threads. Its first `dmaBytes` are the device's DMA window; the rest is the model's. */
  readonly dma: SharedArrayBuffer;
  readonly dmaBytes: number;
  /** Threads of the driver, each with a ring of posted writes. */
  readonly threads: number;
  /** Event descriptors: work for the model; interrupts, one for each line that the driver may request. */
  readonly kick: number;
  readonly interrupts: readonly number[];
}

export const CONFIG_BYTES = 4096;

/**
 * Creates a channel; its descriptors are closed when the scope is disposed, which must be after all threads have ended.
 */
export const createChannel = (
  scope: DisposableStack,
  options: Pick<ThreadedChannel, "name" | "rules" | "dma" | "dmaBytes" | "threads">,
): ThreadedChannel => ({
  ...options,
  page: new SharedArrayBuffer(options.rules.bytes + CONFIG_BYTES),
  control: new SharedArrayBuffer((CONTROL_WORDS + options.threads * spscWords(RING)) * 4),
  kick: scope.use(EventFd.create()).number,
  interrupts: Array.from({ length: options.threads }, () => scope.use(EventFd.create()).number),
});

export const controlWords = ({ control }: ThreadedChannel): Int32Array => new Int32Array(control, 0, CONTROL_WORDS);

const ringWords = ({ control }: ThreadedChannel, thread: number): Int32Array =>
  new Int32Array(control, (CONTROL_WORDS + thread * spscWords(RING)) * 4, spscWords(RING));

/** The model's end of the posted writes of each thread. */
export const consumersOf = (channel: ThreadedChannel): readonly SpscConsumer[] =>
  Array.from({ length: channel.threads }, (_, thread) => new SpscConsumer(ringWords(channel, thread), RING));

/** A `Target` whose registers are in shared memory. */
export interface PublishingTarget extends Target {
  /** Events raised so far, for `seen`. */
  readonly eventsRaised: number;
  /** The driver is about to acknowledge the events that it saw when `eventsRaised` was `events`. */
  seen(events: number): void;
}

/** How a model's registers may be read from the page. */
export interface PageRules {
  /** Bytes of registers in the page: a multiple of 4096. */
  readonly bytes: number;
  /** The region whose registers are in the page. */
  readonly registers: RegionName;
  /** Offsets that have a side effect when read: they need a request. */
  readonly asked: readonly number[];
  /** Offsets that may be read without waiting for earlier writes. */
  readonly relaxed: readonly number[];
  /** Word of the page where the model counts the events it raised. */
  readonly eventsWord: number;
}

/** The posted writes of one thread. */
export class PostedWrites {
  readonly #name: string;
  readonly #ring: SpscProducer;
  readonly #control: Int32Array;
  readonly #kick: EventFd;
  /** Written since the ring was last found empty. */
  #outstanding = 0;

  /** @param thread its number: 0 to `threads` - 1 */
  constructor(channel: ThreadedChannel, thread: number) {
    this.#name = channel.name;
    this.#control = controlWords(channel);
    this.#ring = new SpscProducer(ringWords(channel, thread), RING);
    this.#kick = EventFd.attach(channel.kick);
  }

  /** @param seen the count of events that the driver has seen @throws {Timeout} */
  post(what: number, value: number, seen: number): void {
    let at = this.#ring.reserve();
    if (at < 0) {
      this.flush();
      at = this.#ring.reserve();
    }
    const { words } = this.#ring;
    words[at] = what;
    words[at + 1] = value | 0;
    words[at + 2] = seen;
    this.#ring.commit();
    this.#outstanding++;
    if (Atomics.exchange(this.#control, Word.modelSleeps, 0) === 1) this.#kick.signal();
  }

  /** Waits until the model has executed them all. @throws {Timeout} if its thread does not respond */
  flush(): void {
    if (this.#outstanding === 0) return;
    this.await(() => this.#ring.drained());
    this.#outstanding = 0;
  }

  /** Spins briefly, then sleeps until the model has done all of its work once more. @throws {Timeout} */
  await(done: () => boolean): void {
    for (let i = 0; i < SPINS; i++) if (done()) return;
    const control = this.#control;
    const end = performance.now() + ANSWER_LIMIT_MILLIS;
    Atomics.add(control, Word.waiting, 1);
    try {
      while (!done()) {
        const now = Atomics.load(control, Word.drained);
        if (done()) return;
        Atomics.wait(control, Word.drained, now, 100);
        if (performance.now() > end)
          throw new Timeout({ what: `${this.#name}: the model's thread`, waitedMicros: ANSWER_LIMIT_MILLIS * 1000 });
      }
    } finally {
      Atomics.sub(control, Word.waiting, 1);
    }
  }
}
