/**
 * A model in a separate thread, with shared memory: registers in a page, writes posted through a ring, eventfds for
 * wake-ups.
 *
 * As on PCI Express, writes are posted and stay in order; a read waits until all earlier writes have arrived. Reading a
 * register whose value is in the page is then a plain load; reading one with a side effect is a request through the
 * same ring. Driver's end: `ThreadedDevice`. Model's end: `ThreadedPort`.
 */
import type { PciDevice, PciId } from "#kit/device.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange, Timeout } from "#kit/errors.ts";
import type { InterruptLine, Interrupts } from "#kit/interrupts.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Mmio, type RegisterBus } from "#kit/mmio.ts";
import { type RingShape, SpscConsumer, SpscProducer, spscWords } from "#kit/spsc.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { EventFd } from "#sys/eventfd.ts";
import { eventLine } from "./event-line.ts";
import { FunctionPower } from "./function-power.ts";
import { WINDOW_IOVA, WindowMemory, identity, setBusMaster } from "./window.ts";

/** Shared control words. */
const MODEL_SLEEPS = 0;
/** Counts how often the model found the ring empty; the driver's thread waits on it. */
const DRAINED = 16;
const DRIVER_WAITS = 17;
/** Reply to a read with side effect: a count, and the value. */
const ANSWERS = 32;
const ANSWER = 33;
const CONTROL_WORDS = 48;

/** A posted access: kind and position, the value, and the count of interrupt events that the driver had seen. */
const RING: RingShape = { records: 1024, recordWords: 3 };
const WRITE = 0;
const READ = 1;
const encode = (kind: number, region: number, offset: number, width: number): number =>
  (kind << 31) | (region << 28) | (width << 24) | offset;

/** Time limit of the model's replies. */
const ANSWER_LIMIT_MILLIS = 5000;
/** Iterations of busy waiting before sleeping. */
const SPINS = 200;

/** Shared by both threads. Created by the main thread and passed to each as worker data. */
export interface ThreadedChannel {
  readonly name: string;
  /** The registers, then configuration space of 4 KiB. */
  readonly page: SharedArrayBuffer;
  readonly rules: PageRules;
  readonly control: SharedArrayBuffer;
  /** Memory shared by both threads. Its first `dmaBytes` are the device's DMA window; the rest is the model's. */
  readonly dma: SharedArrayBuffer;
  readonly dmaBytes: number;
  /** Event descriptors: work for the model, interrupt for the driver. */
  readonly kick: number;
  readonly interrupt: number;
}

const CONFIG_BYTES = 4096;

/**
 * Creates a channel; its descriptors are closed when the scope is disposed, which must be after both threads have
 * ended.
 */
export const createChannel = (
  scope: DisposableStack,
  options: Pick<ThreadedChannel, "name" | "rules" | "dma" | "dmaBytes">,
): ThreadedChannel => ({
  name: options.name,
  rules: options.rules,
  page: new SharedArrayBuffer(options.rules.bytes + CONFIG_BYTES),
  control: new SharedArrayBuffer((CONTROL_WORDS + spscWords(RING)) * 4),
  dma: options.dma,
  dmaBytes: options.dmaBytes,
  kick: scope.use(EventFd.create()).number,
  interrupt: scope.use(EventFd.create()).number,
});

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

/** The driver's end. */
export class ThreadedDevice implements PciDevice {
  readonly name: string;
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: Interrupts;
  readonly power: FunctionPower;
  readonly #posted: SpscProducer;
  readonly #control: Int32Array;
  readonly #kick: EventFd;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  readonly #eventsWord: number;
  /** Writes posted since the ring was last found empty. */
  #outstanding = 0;
  #seen = 0;

  constructor(channel: ThreadedChannel) {
    const { rules } = channel;
    this.name = channel.name;
    this.#control = new Int32Array(channel.control, 0, CONTROL_WORDS);
    this.#posted = new SpscProducer(new Int32Array(channel.control, CONTROL_WORDS * 4), RING);
    this.#kick = EventFd.attach(channel.kick);
    this.#words = new Int32Array(channel.page);
    this.#halves = new Uint16Array(channel.page);
    this.#bytes = new Uint8Array(channel.page);
    this.#eventsWord = rules.eventsWord;
    this.dma = new DmaArena(channel.dma, WINDOW_IOVA, channel.dmaBytes);
    this.interrupts = new EventInterrupts(channel.interrupt);
    const asked = new Set(rules.asked);
    const relaxed = new Set(rules.relaxed);
    this.registers = new Mmio(this.#region(0, 0, rules.bytes, asked, relaxed));
    this.config = new Mmio(this.#region(1, rules.bytes, CONFIG_BYTES, new Set(), new Set()));
    this.id = identity(this.config);
    // As a system does before it passes a device to a driver: decoding on.
    setBusMaster(this.config, false);
    this.power = new FunctionPower(this);
  }

  setBusMaster(on: boolean): void {
    setBusMaster(this.config, on);
  }

  #region(
    region: number,
    base: number,
    length: number,
    asked: ReadonlySet<number>,
    relaxed: ReadonlySet<number>,
  ): RegisterBus {
    return {
      length,
      read: (offset, width) => {
        if (asked.has(offset)) return this.#ask(region, offset, width);
        if (!relaxed.has(offset)) this.#flush();
        // Loaded before the register: an event counted later may or may not be in the value read.
        else this.#seen = Atomics.load(this.#words, this.#eventsWord);
        const at = base + offset;
        if (width === 1) return Atomics.load(this.#bytes, at);
        if (width === 2) return Atomics.load(this.#halves, at >> 1);
        return Atomics.load(this.#words, at >> 2) >>> 0;
      },
      write: (offset, width, value) => {
        this.#post(encode(WRITE, region, offset, width), value);
      },
    };
  }

  #post(what: number, value: number): void {
    let at = this.#posted.reserve();
    if (at < 0) {
      this.#flush();
      at = this.#posted.reserve();
    }
    const words = this.#posted.words;
    words[at] = what;
    words[at + 1] = value | 0;
    words[at + 2] = this.#seen;
    this.#posted.commit();
    this.#outstanding++;
    if (Atomics.exchange(this.#control, MODEL_SLEEPS, 0) === 1) this.#kick.signal();
  }

  /** Waits until the model has executed all posted writes. @throws {Timeout} if its thread does not respond */
  #flush(): void {
    if (this.#outstanding === 0) return;
    this.#await(DRAINED, () => this.#posted.drained());
    this.#outstanding = 0;
  }

  #ask(region: number, offset: number, width: number): number {
    const before = Atomics.load(this.#control, ANSWERS);
    this.#post(encode(READ, region, offset, width), 0);
    this.#await(DRAINED, () => Atomics.load(this.#control, ANSWERS) !== before);
    return Atomics.load(this.#control, ANSWER) >>> 0;
  }

  /** Spins briefly, then sleeps on `cell`, which the model changes whenever it has emptied the ring. */
  #await(cell: number, done: () => boolean): void {
    for (let i = 0; i < SPINS; i++) if (done()) return;
    const control = this.#control;
    const end = performance.now() + ANSWER_LIMIT_MILLIS;
    while (!done()) {
      const now = Atomics.load(control, cell);
      Atomics.store(control, DRIVER_WAITS, 1);
      if (done()) break;
      Atomics.wait(control, cell, now, 100);
      if (performance.now() > end)
        throw new Timeout({ what: `${this.name}: the model's thread`, waitedMicros: ANSWER_LIMIT_MILLIS * 1000 });
    }
    Atomics.store(control, DRIVER_WAITS, 0);
  }
}

/** Interrupts through an eventfd, which all vectors share. */
class EventInterrupts implements Interrupts {
  readonly vectors = 32;
  readonly #event: EventFd;
  #taken = false;

  constructor(fd: number) {
    this.#event = EventFd.attach(fd);
  }

  limit(): void {}

  request(vectors: number | readonly number[]): InterruptLine {
    const wrong = [vectors].flat().find((vector) => vector < 0 || vector >= this.vectors);
    if (wrong !== undefined) throw new OutOfRange(`interrupt vector ${wrong}: the device has ${this.vectors}`);
    if (this.#taken) throw new OutOfRange("the interrupt is already requested");
    this.#taken = true;
    return eventLine({
      event: this.#event,
      dispose: () => {
        this.#taken = false;
      },
    });
  }
}

/** The model's end. All calls come from the model's thread. */
export class ThreadedPort {
  /** For poll(2): ready when there is work. */
  readonly fd: number;
  readonly #target: PublishingTarget;
  readonly #registers: RegionName;
  readonly #control: Int32Array;
  readonly #posted: SpscConsumer;
  readonly #kick: EventFd;

  /** @param memory the channel's `dma`, as bytes and words */
  constructor(channel: ThreadedChannel, target: PublishingTarget, memory: FrameMemory) {
    this.#target = target;
    this.#registers = channel.rules.registers;
    this.#control = new Int32Array(channel.control, 0, CONTROL_WORDS);
    this.#posted = new SpscConsumer(new Int32Array(channel.control, CONTROL_WORDS * 4), RING);
    this.#kick = EventFd.attach(channel.kick);
    this.fd = channel.kick;
    const interrupt = EventFd.attach(channel.interrupt);
    target.attach(new WindowMemory(memory, WINDOW_IOVA, channel.dmaBytes), () => interrupt.signal());
  }

  /** Executes posted accesses. Returns their number. */
  drain(): number {
    let n = 0;
    for (let at = this.#posted.peek(); at >= 0; at = this.#posted.peek()) {
      const words = this.#posted.words;
      const what = words[at]!;
      const value = words[at + 1]!;
      const seen = words[at + 2]!;
      const region = ((what >>> 28) & 7) === 0 ? this.#registers : "config";
      const width = ((what >>> 24) & 7) as 1 | 2 | 4;
      const offset = what & 0xff_ffff;
      this.#target.seen(seen);
      if (what < 0) {
        Atomics.store(this.#control, ANSWER, this.#target.read(region, offset, width) | 0);
        Atomics.add(this.#control, ANSWERS, 1);
      } else this.#target.write(region, offset, width, width === 4 ? value >>> 0 : value);
      // Only after the access: a driver that finds the ring empty may read the page.
      this.#posted.release();
      n++;
    }
    if (n > 0) {
      Atomics.add(this.#control, DRAINED, 1);
      if (Atomics.load(this.#control, DRIVER_WAITS) === 1) Atomics.notify(this.#control, DRAINED);
    }
    return n;
  }

  /** The model is about to wait on `fd`. False if there is work: do not wait. */
  sleep(): boolean {
    Atomics.store(this.#control, MODEL_SLEEPS, 1);
    if (this.#posted.peek() < 0) return true;
    Atomics.store(this.#control, MODEL_SLEEPS, 0);
    return false;
  }

  /** To be called after waiting. */
  wake(): void {
    Atomics.store(this.#control, MODEL_SLEEPS, 0);
    this.#kick.drain();
  }
}
