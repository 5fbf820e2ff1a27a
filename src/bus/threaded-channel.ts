/**
 * What a driver's threads share with the model's thread: a page of registers, DMA memory, a ring of posted writes for
 * each of the driver's threads, and eventfds: one wakes the model's thread, and the others are interrupts.
 *
 * As on PCI Express, writes are posted. The writes of one thread stay in order; writes of different threads are not
 * ordered.
 */
import { Timeout } from "#kit/errors.ts";
import { type RingShape, SpscConsumer, SpscProducer, spscWords } from "#kit/spsc.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { EventFd } from "#sys/eventfd.ts";

/** Shared control words. */
export const Word = {
  modelSleeps: 0,
  /** Number of times that the model has found work and completed all of it. */
  drained: 16,
  /** Number of threads that wait for a change of `drained`. */
  waiting: 17,
  /** Number of replies to reads with side effects. Only one thread makes such reads. */
  answers: 32,
  /** Value of the latest reply. */
  answer: 33,
  /** For each vector, 1 plus the index of its descriptor in `ThreadedChannel.interrupts`; 0 if it is not requested. */
  vectors: 48,
} as const;
export const VECTORS = 32;
const CONTROL_WORDS = Word.vectors + VECTORS;

/**
 * A posted access has three words: the first has its kind, region, width and offset, the second the value, and the
 * third the number of interrupt events that the driver had seen.
 */
const RING: RingShape = { records: 1024, recordWords: 3 };
export const Access = { write: 0, read: 1 } as const;
export const encode = (kind: number, region: number, offset: number, width: number): number =>
  (kind << 31) | (region << 28) | (width << 24) | offset;

/** Time limit of the model's replies. It is long because other programs may keep the model's thread from running. */
const ANSWER_LIMIT_MILLIS = 30_000;
/** Number of iterations of busy waiting before a thread sleeps. */
const SPINS = 200;

/** Created by the main thread, which passes it to the other threads as worker data. */
export interface ThreadedChannel {
  readonly name: string;
  /** The registers, followed by 4 KiB of configuration space. */
  readonly page: SharedArrayBuffer;
  readonly rules: PageRules;
  readonly control: SharedArrayBuffer;
  /** Memory shared by all threads. Its first `dmaBytes` are the device's DMA window; the model uses the rest. */
  readonly dma: SharedArrayBuffer;
  readonly dmaBytes: number;
  /** Number of the driver's threads, each of which has a ring of posted writes. */
  readonly threads: number;
  /** Eventfd that signals work for the model. */
  readonly kick: number;
  /** Eventfds, one for each interrupt line that the driver may request. */
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

/** The model's ends of the rings of posted writes. */
export const consumersOf = (channel: ThreadedChannel): readonly SpscConsumer[] =>
  Array.from({ length: channel.threads }, (_, thread) => new SpscConsumer(ringWords(channel, thread), RING));

/** A `Target` whose registers are in shared memory. */
export interface PublishingTarget extends Target {
  /** Number of interrupt events raised so far, for `seen`. */
  readonly eventsRaised: number;
  /**
   * Called before an access of the driver is executed. `events` is the number of events that the driver had seen when
   * it posted the access.
   */
  seen(events: number): void;
}

/** How a model's registers may be read from the page. */
export interface PageRules {
  /** Number of bytes of registers in the page: a multiple of 4096. */
  readonly bytes: number;
  /** The region whose registers are in the page. */
  readonly registers: RegionName;
  /** Offsets whose read has a side effect, so that reading them needs a request to the model. */
  readonly asked: readonly number[];
  /** Offsets that may be read without waiting for earlier writes. */
  readonly relaxed: readonly number[];
  /** Index of the page's word in which the model counts the events that it has raised. */
  readonly eventsWord: number;
}

/** The posted writes of one thread. */
export class PostedWrites {
  readonly #name: string;
  readonly #ring: SpscProducer;
  readonly #control: Int32Array;
  readonly #kick: EventFd;
  /** Number of accesses posted since the ring was last found empty. */
  #outstanding = 0;

  /** @param thread the thread's number: 0 to `threads` - 1 */
  constructor(channel: ThreadedChannel, thread: number) {
    this.#name = channel.name;
    this.#control = controlWords(channel);
    this.#ring = new SpscProducer(ringWords(channel, thread), RING);
    this.#kick = EventFd.attach(channel.kick);
  }

  /** @param seen the number of events that the driver has seen @throws {Timeout} if the ring stays full */
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

  /** Waits until the model has executed all posted writes. @throws {Timeout} if the model's thread does not respond */
  flush(): void {
    if (this.#outstanding === 0) return;
    this.await(() => this.#ring.drained());
    this.#outstanding = 0;
  }

  /**
   * Waits until `done` returns true: spins briefly, then sleeps, and calls `done` whenever the model has completed its
   * work.
   * @throws {Timeout} after 30 s
   */
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
