/** The transmit and receive engines of a chip, and what controls them: rings, doorbells, start and stop, loopback. */
import type { Chip } from "#chip/chips.ts";
import { ChipCmd, Cmd, Intr, Poll, TxConf, TxConfig } from "#chip/registers.ts";
import type { Port, SegmentSource } from "#kit/port.ts";
import type { TallyCounters } from "./counters.ts";
import type { Dma } from "./dma.ts";
import type { Effects } from "../registers/effects.ts";
import { FlowControl } from "./flow-control.ts";
import { eventMessageOf } from "./ptp-messages.ts";
import type { InterruptBlock } from "../interrupts/interrupts.ts";
import type { Page } from "../registers/page.ts";
import type { Phy } from "../phy/phy.ts";
import type { MessageStamps } from "../phy/ptp-phy.ts";
import type { ReceiveParts } from "./receive.ts";
import { latchReceive, type Receiver, receiverOf } from "./receive-queues.ts";
import type { Schedule } from "../registers/schedule.ts";
import type { Offences } from "../observation/strict.ts";
import { TransmitQueues } from "./transmit-queues.ts";

export interface DataPathParts {
  readonly chip: Chip;
  readonly page: Page;
  readonly schedule: Schedule;
  readonly offences: Offences;
  readonly dma: Dma;
  readonly interrupts: InterruptBlock;
  readonly counters: TallyCounters;
  readonly phy: Phy;
  /** The PTP clock, if the chip has one. */
  readonly stamps: MessageStamps | undefined;
  readonly stampsReceived: ReceiveParts["stampsReceived"];
  /** Whether the FCS of received frames is also written to memory. */
  readonly frameCheck: boolean;
  /** Reads a MAC-OCP register. */
  readonly macOcp: (address: number) => number;
  /** Reads an extended register. */
  readonly exgmac: (address: number) => number;
  /** Called when the guest requested a software reset. */
  readonly softReset: () => void;
}

type DataPathEffects = Pick<
  Effects,
  | "station"
  | "filter"
  | "receiveConfig"
  | "transmitConfig"
  | "transmitBase"
  | "transmitBaseHigh"
  | "priorityBase"
  | "priorityBaseHigh"
  | "receiveBase"
  | "receiveBaseHigh"
  | "queueTail"
  | "queueBase"
  | "steer"
  | "command"
  | "poll"
  | "pollQueues"
>;

export class DataPath {
  readonly effects: DataPathEffects;
  readonly #parts: DataPathParts;
  readonly #transmitter: TransmitQueues;
  readonly #receiver: Receiver;
  /** A copy of `Receiver.front`, which changes only when registers are written. */
  #front: Receiver;
  readonly #flow: FlowControl;
  #transmitting = false;
  #receiving = false;
  #loopback = false;

  constructor(parts: DataPathParts) {
    const { interrupts, phy } = parts;
    this.#parts = parts;
    this.#transmitter = new TransmitQueues({
      ...parts,
      interrupts: interrupts.transmitQueues,
      enabled: () => this.#transmitting,
      straight: () => phy.link.up && !this.#loopback && !phy.loopback,
      divert: (bytes, offset, length) => this.#divert(bytes, offset, length),
    });
    this.#flow = new FlowControl({
      ...parts,
      speed: () => phy.link.speed,
      pause: (micros) => this.#transmitter.pause(micros),
      hasRoom: () => this.#front.hasRoom(),
    });
    this.#receiver = receiverOf({
      ...parts,
      interrupts: interrupts.receiveQueues,
      flow: this.#flow,
      enabled: () => this.#receiving,
    });
    this.#front = this.#receiver.front;
    this.effects = this.#effects();
  }

  connect(port: Port): void {
    this.#transmitter.connect(port);
    this.#receiver.connect(port);
    this.#flow.connect(port);
  }

  /** Number of super-frames segmented so far. */
  get segmented(): number {
    return this.#transmitter.superFrames;
  }

  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    const { phy, stamps } = this.#parts;
    if (!phy.link.up) return false;
    if (stamps?.active === true) {
      const message = eventMessageOf(bytes, offset, length);
      if (message >= 0) stamps.received(message);
    }
    return this.#front.receive(bytes, offset, length);
  }

  receiveSegments(segments: SegmentSource): number {
    return this.#parts.phy.link.up ? this.#front.receiveSegments(segments) : 0;
  }

  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean {
    return this.#parts.phy.link.up && this.#receiver.receiveDamaged(bytes, offset, length, damage);
  }

  hasRoom(): boolean {
    return this.#front.hasRoom();
  }

  /** Called when the registers were reset: stops both directions and returns them to the start of their rings. */
  reset(): void {
    this.#transmitting = false;
    this.#receiving = false;
    this.#transmitter.reset();
    this.#flow.reset();
    for (const ring of this.#receiver.rings) ring.reset();
    this.#configureReceiver();
    this.#configureTransmitter();
  }

  /** Called when the link came up or went down, because the negotiated pause may have changed. */
  linkChanged(): void {
    this.#transmitter.pause(0);
    this.#flow.reset();
    this.#configureReceiver();
  }

  /**
   * Timestamps a sent event message. Returns true for a frame that must not go to the port: in loopback the chip
   * receives the frame, and without a link the frame is lost.
   */
  #divert(bytes: Uint8Array, offset: number, length: number): boolean {
    const { phy, stamps } = this.#parts;
    if (stamps?.active === true) {
      const message = eventMessageOf(bytes, offset, length);
      if (message >= 0) stamps.sent(message);
    }
    if (this.#loopback || phy.loopback) {
      this.#front.receive(bytes, offset, length);
      return true;
    }
    return !phy.link.up;
  }

  /**
   * Loopback is on if at least one of its two bits is set, because drivers (FreeBSD's and the vendor's) set either one
   * bit or both.
   */
  #configureTransmitter(): void {
    this.#loopback = (this.#parts.page.get(TxConfig, 4) & TxConf.loopback) !== 0;
    this.#transmitter.configure();
  }

  #configureReceiver(): void {
    this.#receiver.configure();
    this.#front = this.#receiver.front;
  }

  #effects(): DataPathEffects {
    const configure = (): void => this.#configureReceiver();
    const base = (value: number, _lanes: number, offset: number): void => latchReceive(this.#receiver, value, offset);
    return {
      station: configure,
      filter: configure,
      receiveConfig: configure,
      steer: configure,
      transmitConfig: () => this.#configureTransmitter(),
      ...this.#transmitter.effects,
      receiveBase: base,
      receiveBaseHigh: base,
      queueBase: (value, lanes, offset) => {
        if (!this.#transmitter.latch(value, offset)) base(value, lanes, offset);
      },
      command: (value) => this.#command(value),
      poll: (value) => {
        this.#transmitter.poll(value);
        if ((value & Poll.softwareInterrupt) !== 0) this.#parts.interrupts.raise(Intr.software);
      },
    };
  }

  #command(value: number): void {
    if ((value & Cmd.reset) !== 0) {
      this.#parts.softReset();
      return;
    }
    const command = this.#parts.page.get(ChipCmd, 1);
    const transmitting = (command & Cmd.transmitEnable) !== 0;
    const receiving = (command & Cmd.receiveEnable) !== 0;
    if (transmitting && !this.#transmitting) this.#transmitter.start();
    if (receiving && !this.#receiving) for (const ring of this.#receiver.rings) ring.start();
    // StopReq also stops both directions: FreeBSD's driver sets it while both are enabled, and then frees its buffers.
    const stopped = (command & Cmd.stopRequest) !== 0;
    this.#transmitting = transmitting && !stopped;
    this.#receiving = receiving && !stopped;
    this.#configureReceiver();
  }
}
