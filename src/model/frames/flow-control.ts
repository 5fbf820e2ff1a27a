/** Flow control by pause frames, received and sent (IEEE 802.3, annex 31B). */
import { CPlus, CPlusCmd, IDR0, PHYstatus, PhyStatus } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { MIN_FRAME, SOURCE, TYPE } from "#wire/ethernet.ts";
import { Count, type TallyCounters } from "./counters.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

/** Address reserved for pause frames. */
const DESTINATION = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x01);
/** EtherType of MAC control frames. */
const MAC_CONTROL = 0x8808;
/** Offset of the opcode in a frame. */
const OPCODE_AT = 14;
const PAUSE_OPCODE = 1;
/** Offset of the pause time in a frame. */
const QUANTA_AT = 16;
const MAX_PAUSE = 0xffff;
/** A quantum is 512 bit times. */
const QUANTUM_BITS = 512;
/** Interval at which a receiver that has requested a pause checks for free descriptors. */
const CHECK_MICROS = 50;

/** Whether the frame of at least 14 bytes at `frame` is a MAC control frame to the reserved address. */
export const isPause = (bytes: Uint8Array, frame: number): boolean => {
  for (let i = 0; i < DESTINATION.length; i++) if (bytes[frame + i] !== DESTINATION[i]) return false;
  return get16(bytes, frame + TYPE) === MAC_CONTROL;
};

/** Pause time of a MAC control frame in quanta, or -1 if its opcode is not PAUSE. */
export const pauseQuanta = (bytes: Uint8Array, frame: number, length: number): number =>
  length < QUANTA_AT + 2 || get16(bytes, frame + OPCODE_AT) !== PAUSE_OPCODE ? -1 : get16(bytes, frame + QUANTA_AT);

export interface FlowControlParts {
  readonly page: Page;
  readonly schedule: Schedule;
  readonly counters?: TallyCounters;
  /** The link's speed in Mbit/s, 0 without a link. */
  readonly speed: () => number;
  /** Stops the transmitter for `micros`; 0 ends the pause. */
  readonly pause: (micros: number) => void;
  /** Whether the receiver has descriptors. */
  readonly hasRoom: () => boolean;
}

/**
 * When the receiver has lost a frame because there was no descriptor, it requests the longest pause, and ends the pause
 * when there are descriptors again. Real chips use thresholds of the FIFO and request a pause before a frame is lost;
 * the model has no FIFO.
 */
export class FlowControl {
  readonly #parts: FlowControlParts;
  #port: Port | undefined;
  #asked = 0;
  #cancel: (() => void) | undefined;

  constructor(parts: FlowControlParts) {
    this.#parts = parts;
  }

  connect(port: Port): void {
    this.#port = port;
    this.reset();
  }

  /** Handles a received MAC control frame. */
  received(bytes: Uint8Array, frame: number, length: number): void {
    const quanta = pauseQuanta(bytes, frame, length);
    const speed = this.#parts.speed();
    this.#countReceived(quanta);
    if (quanta >= 0 && speed > 0) this.#parts.pause((quanta * QUANTUM_BITS) / speed);
  }

  #countReceived(quanta: number): void {
    const { counters } = this.#parts;
    if (quanta < 0) counters?.count(Count.rxUnknownOpcode);
    else {
      counters?.count(Count.rxPauseAll);
      counters?.count(quanta > 0 ? Count.rxPauseOn : Count.rxPauseOff);
    }
  }

  /** Called when a frame was lost because there was no descriptor. */
  exhausted(): void {
    if (this.#cancel !== undefined || !this.#sends()) return;
    // Deferred, because the port may have delivered the frame during a call of its own `commit`.
    this.#cancel = this.#parts.schedule.after(1, () => {
      this.#cancel = undefined;
      if (!this.#send(MAX_PAUSE)) return;
      this.#asked = 0;
      this.#check();
    });
  }

  /** Stops checking for descriptors. A requested pause ends by itself. */
  reset(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #sends(): boolean {
    const { page } = this.#parts;
    return (
      (page.get(PHYstatus, 1) & PhyStatus.transmitFlow) !== 0 || (page.get(CPlusCmd, 2) & CPlus.forceTransmitFlow) !== 0
    );
  }

  #check(): void {
    const { schedule, speed, hasRoom } = this.#parts;
    this.#cancel = schedule.after(CHECK_MICROS, () => {
      this.#cancel = undefined;
      this.#asked += CHECK_MICROS;
      const over = this.#asked >= (MAX_PAUSE * QUANTUM_BITS) / Math.max(1, speed());
      if (hasRoom()) this.#send(0);
      else if (!over) this.#check();
    });
  }

  #send(quanta: number): boolean {
    const port = this.#port;
    const frame = port?.reserve(MIN_FRAME) ?? -1;
    if (port === undefined || frame < 0) return false;
    const { bytes } = port;
    bytes.fill(0, frame, frame + MIN_FRAME);
    bytes.set(DESTINATION, frame);
    for (let i = 0; i < DESTINATION.length; i++) bytes[frame + SOURCE + i] = this.#parts.page.get(IDR0 + i, 1);
    put16(bytes, frame + TYPE, MAC_CONTROL);
    put16(bytes, frame + OPCODE_AT, PAUSE_OPCODE);
    put16(bytes, frame + QUANTA_AT, quanta);
    port.commit(MIN_FRAME);
    port.flush();
    this.#parts.counters?.count(Count.txPauseAll);
    this.#parts.counters?.count(quanta > 0 ? Count.txPauseOn : Count.txPauseOff);
    return true;
  }
}
