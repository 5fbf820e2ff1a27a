/**
 * The driver's side, for a model that runs in a thread of its own. The two sides share memory. To read a register, the
 * driver waits until its earlier writes have arrived (unless the register's rules allow the read to overtake them),
 * then loads the value from the page. Only a register whose read has a side effect needs a request through the ring of
 * posted writes. The model's side is `ThreadedPort`.
 */
import type { PciDevice, PciId } from "#kit/device.ts";
import { type BusAddress, DmaArena } from "#kit/dma.ts";
import { Misuse, OutOfRange } from "#kit/errors.ts";
import type { InterruptLine, Interrupts } from "#kit/interrupts.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Mmio, type RegisterBus } from "#kit/mmio.ts";
import { EventFd } from "#sys/eventfd.ts";
import { eventLine } from "./event-line.ts";
import { FunctionPower } from "./function-power.ts";
import {
  Access,
  CONFIG_BYTES,
  PostedWrites,
  type ThreadedChannel,
  VECTORS,
  Word,
  controlWords,
  encode,
} from "./threaded-channel.ts";
import { WINDOW_IOVA, identity, setBusMaster } from "./window.ts";

/** The device as used by the thread that owns the NIC. */
export class ThreadedDevice implements PciDevice {
  readonly name: string;
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: Interrupts;
  readonly power: FunctionPower;
  readonly #posted: PostedWrites;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  readonly #eventsWord: number;
  #seen = 0;

  constructor(channel: ThreadedChannel) {
    const { rules } = channel;
    this.name = channel.name;
    this.#control = controlWords(channel);
    this.#posted = new PostedWrites(channel, 0);
    this.#words = new Int32Array(channel.page);
    this.#halves = new Uint16Array(channel.page);
    this.#bytes = new Uint8Array(channel.page);
    this.#eventsWord = rules.eventsWord;
    this.dma = new DmaArena(channel.dma, WINDOW_IOVA, channel.dmaBytes);
    this.interrupts = new EventInterrupts(channel);
    const asked = new Set(rules.asked);
    const relaxed = new Set(rules.relaxed);
    this.registers = new Mmio(this.#region(0, 0, rules.bytes, asked, relaxed));
    this.config = new Mmio(this.#region(1, rules.bytes, CONFIG_BYTES, new Set(), new Set()));
    this.id = identity(this.config);
    // Enables memory space, but not bus mastering, as a system does before it passes a device to a driver.
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
        if (!relaxed.has(offset)) this.#posted.flush();
        // The count is loaded before the register. If an event is counted between the two loads, the register's value
        // may include it, but it is not treated as seen.
        else this.#seen = Atomics.load(this.#words, this.#eventsWord);
        const at = base + offset;
        if (width === 1) return Atomics.load(this.#bytes, at);
        if (width === 2) return Atomics.load(this.#halves, at >> 1);
        return Atomics.load(this.#words, at >> 2) >>> 0;
      },
      write: (offset, width, value) => {
        this.#posted.post(encode(Access.write, region, offset, width), value, this.#seen);
      },
    };
  }

  #ask(region: number, offset: number, width: number): number {
    const before = Atomics.load(this.#control, Word.answers);
    this.#posted.post(encode(Access.read, region, offset, width), 0, this.#seen);
    this.#posted.await(() => Atomics.load(this.#control, Word.answers) !== before);
    return Atomics.load(this.#control, Word.answer) >>> 0;
  }
}

/**
 * The device as used by a thread that serves one of the driver's queues. It has DMA memory, and registers that the
 * thread can write but not read.
 */
export class ThreadedQueue {
  readonly registers: Mmio;
  readonly window: FrameMemory;
  readonly iova = WINDOW_IOVA as BusAddress;
  readonly #posted: PostedWrites;

  /** @param thread 1 or higher; 0 is the thread of the `ThreadedDevice` */
  constructor(channel: ThreadedChannel, thread: number) {
    const { dma, dmaBytes, rules } = channel;
    const words = new Int32Array(channel.page);
    this.#posted = new PostedWrites(channel, thread);
    this.window = { bytes: new Uint8Array(dma, 0, dmaBytes), words: new Int32Array(dma, 0, dmaBytes >> 2) };
    this.registers = new Mmio({
      length: rules.bytes,
      read: (offset) => {
        throw new Misuse(`a queue's thread reads register 0x${offset.toString(16)}`);
      },
      write: (offset, width, value) => {
        // The write may be an acknowledgement, which the model executes later. An event that is raised from now on must
        // not be cleared then, so the count is loaded here.
        const seen = Atomics.load(words, rules.eventsWord);
        this.#posted.post(encode(Access.write, 0, offset, width), value, seen);
      },
    });
  }

  /** Waits until the device has executed all writes of this thread. @throws {Timeout} */
  flush(): void {
    this.#posted.flush();
  }
}

/** Interrupts through eventfds: one eventfd for each line, even if several vectors share the line. */
class EventInterrupts implements Interrupts {
  readonly vectors = VECTORS;
  readonly #control: Int32Array;
  readonly #events: readonly EventFd[];
  /** For each eventfd, whether it is in use. */
  readonly #taken: boolean[];

  constructor(channel: ThreadedChannel) {
    this.#control = controlWords(channel);
    this.#events = channel.interrupts.map((fd) => EventFd.attach(fd));
    this.#taken = channel.interrupts.map(() => false);
  }

  limit(): void {}

  request(vectors: number | readonly number[]): InterruptLine {
    const all = [vectors].flat();
    const line = this.#taken.indexOf(false);
    for (const vector of all) {
      if (vector < 0 || vector >= this.vectors)
        throw new OutOfRange(`interrupt vector ${vector} does not exist: the device has ${this.vectors}`);
      if (line < 0 || Atomics.load(this.#control, Word.vectors + vector) !== 0)
        throw new OutOfRange(`interrupt vector ${vector} is already requested, or all lines are in use`);
    }
    const put = (place: number): void => {
      this.#taken[line] = place !== 0;
      for (const vector of all) Atomics.store(this.#control, Word.vectors + vector, place);
    };
    put(line + 1);
    return eventLine({ event: this.#events[line]!, dispose: () => put(0) });
  }
}
