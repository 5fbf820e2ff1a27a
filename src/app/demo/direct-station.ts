/** Driver, model and responder in one thread. This needs no permission, no TAP and no second processor. */
import { randomStationAddress } from "#kit/station-address.ts";
import { DirectDevice } from "#bus/direct.ts";
import type { Chip } from "#chip/chips.ts";
import { ReceiveCount } from "#driver/receive-core.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic, RunningNic } from "#driver/rtl8169.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { Responder } from "#host/responder.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import type { DmaMemory } from "#kit/dma.ts";
import { Timeout } from "#kit/errors.ts";
import { FRAME_FLAGS, FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS, type FrameMemory } from "#kit/link.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { Pauses } from "../pauses.ts";
import type { ReportCounters } from "./report.ts";

/** Maximum number of frames in flight. */
export const SEND_SLOTS = 64;
/** Number of bytes of memory for each frame in flight. */
const SLOT_BYTES = 2048;
/** Maximum number of frames that are taken from the ring in one burst. */
const BUDGET = 64;
const DMA_BYTES = 8 << 20;
/** Virtual time per turn in microseconds. It is long enough for the NIC's interrupt mitigation. */
const TURN_MICROS = 50;
/**
 * Maximum number of turns to wait for a reply. A reply that has not arrived after this number of turns will never
 * arrive, because nothing here waits for events outside this thread.
 */
const MAX_TURNS = 10_000;

/** Handler of received frames: offset in DMA memory, length, and `Received` bits. */
export type FrameHandler = (offset: number, length: number, flags: number) => void;

export class DirectStation implements Disposable {
  readonly nic: Nic;
  readonly responder = new Responder();
  readonly memory: FrameMemory;
  onFrame: FrameHandler = () => undefined;
  readonly #scope: DisposableStack;
  readonly #clock = new VirtualClock();
  readonly #model: Rtl8169;
  readonly #arena: DmaMemory;
  readonly #link: RunningNic;
  readonly #pauses: Pauses;
  /** Number of frames passed to the NIC since it came up. */
  #posted = 0;
  #interrupts = 0;

  /** @throws the errors of bring-up */
  constructor(chip: Chip, mtu: number) {
    using scope = new DisposableStack();
    const clock = this.#clock;
    this.#pauses = scope.use(new Pauses());
    this.#model = new Rtl8169({ chip, mac: randomStationAddress(), clock, timers: clock.timers });
    this.#model.connect(this.responder);
    this.#model.setCarrier(true);
    const device = scope.use(
      new DirectDevice(this.#model, {
        name: `model:${chip.key}`,
        registers: chip.profile.function.registersBar,
        dmaBytes: DMA_BYTES,
        vectors: 4,
      }),
    );
    // With only one thread, memory accesses are in program order on any processor.
    this.nic = scope.use(bind(rtl8169, device, { clock, mtu, weaklyOrdered: false })).driver;
    this.memory = device.dma.window;
    const bytes = SEND_SLOTS * SLOT_BYTES;
    this.#arena = scope.use(device.dma.allocate({ what: "send slots", bytes, align: 64, direction: "toDevice" }));
    this.#link = this.nic.up();
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  /**
   * Sends a frame. `build` writes the frame at the given offset and returns its length. Returns false if the NIC is
   * busy.
   */
  send(flags: number, build: (offset: number) => number): boolean {
    const link = this.#link;
    if (((this.#posted - link.sent()) | 0) >= SEND_SLOTS) return false;
    // Frames are sent in order, so the oldest slot is the next free one.
    const offset = this.#arena.offset + (this.#posted % SEND_SLOTS) * SLOT_BYTES;
    link.burst.set([offset, build(offset), flags, 0], BUDGET * FRAME_WORDS);
    const taken = link.transmit(BUDGET, 1);
    this.#posted += taken;
    return taken === 1;
  }

  /** Runs all parts once: advances time, delivers replies, handles interrupts, and passes on received frames. */
  turn(): void {
    const { nic } = this;
    this.#clock.delay(TURN_MICROS);
    this.responder.poll();
    if (!nic.line.take() || nic.interrupt() === 0) return;
    this.#interrupts++;
    // This loop ends, because nothing is sent and nothing arrives while it runs, so it finds at most the frames that
    // are in the rings.
    while (this.#poll() > 0);
    nic.unmask();
  }

  /** Calls `turn` until `done` returns true. @throws {Timeout} after MAX_TURNS turns */
  until(what: string, done: () => boolean): void {
    for (let turns = 0; !done(); turns++) {
      if (turns >= MAX_TURNS)
        throw new Timeout({ what, waitedMicros: MAX_TURNS * TURN_MICROS, hint: "Please report this." });
      this.turn();
    }
  }

  counters(): ReportCounters {
    const { receive, transmit } = this.nic.rings;
    const { link, mtu } = this.nic;
    this.#pauses.refresh();
    return {
      linkUp: link.up ? 1 : 0,
      linkSpeed: link.speed,
      linkFullDuplex: link.fullDuplex ? 1 : 0,
      mtu,
      sentFrames: transmit.counters()[TransmitCount.frames]!,
      receivedFrames: receive.counters()[ReceiveCount.frames]!,
      superFrames: transmit.counters()[TransmitCount.superFrames]!,
      wireSentFrames: this.responder.counts.sentFrames,
      wireReceivedFrames: this.responder.counts.receivedFrames,
      interrupts: this.#interrupts,
      sendDrops: 0,
      receiveDrops: 0,
      wireDrops: this.responder.counts.dropped + this.responder.counts.refused,
      missedFrames: this.#model.counters.rxMissed,
      receiveErrors: receive.counters()[ReceiveCount.errors]!,
      deviceNonsense: receive.counters()[ReceiveCount.nonsense]!,
      offences: Object.values(this.#model.offences).reduce((a, b) => a + b, 0),
      gcPauses: this.#pauses.count,
      gcMicros: this.#pauses.micros,
      modelGcPauses: 0,
      modelGcMicros: 0,
    };
  }

  #poll(): number {
    const link = this.#link;
    const { burst } = link;
    const count = link.receive(0, BUDGET);
    for (let at = 0; at < count * FRAME_WORDS; at += FRAME_WORDS)
      this.onFrame(burst[at + FRAME_OFFSET]!, burst[at + FRAME_LENGTH]!, burst[at + FRAME_FLAGS]!);
    return count;
  }
}
