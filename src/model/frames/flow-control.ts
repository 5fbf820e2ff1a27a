/** Flow control by pause frames (IEEE 802.3, annex 31B): told to wait, and telling the link partner to. */
import { CPlus, CPlusCmd, IDR0, PHYstatus, PhyStatus } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { SHORTEST_FRAME, SOURCE, TYPE } from "#wire/ethernet.ts";
import { Count, type TallyCounters } from "./counters.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

/** The address that no bridge forwards, the EtherType of MAC control frames, and in the frame opcode and time. */
const DESTINATION = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x01);
const MAC_CONTROL = 0x8808;
const OPCODE_AT = 14;
const PAUSE_OPCODE = 1;
const QUANTA_AT = 16;
const FOREVER = 0xffff;
/** A quantum is the time of 512 bits. */
const QUANTUM_BITS = 512;
/** How often the receiver looks whether there are descriptors again. */
const LOOK_MICROS = 50;

/** Whether the frame of at least 14 bytes at `frame` asks for a pause. */
export const isPause = (bytes: Uint8Array, frame: number): boolean => {
  for (let i = 0; i < DESTINATION.length; i++) if (bytes[frame + i] !== DESTINATION[i]) return false;
  return get16(bytes, frame + TYPE) === MAC_CONTROL;
};

/** For how many quanta a MAC control frame asks to wait, or -1 when it asks for something else. */
export const pauseQuanta = (bytes: Uint8Array, frame: number, length: number): number =>
  length < QUANTA_AT + 2 || get16(bytes, frame + OPCODE_AT) !== PAUSE_OPCODE ? -1 : get16(bytes, frame + QUANTA_AT);

export interface FlowControlParts {
  readonly page: Page;
  readonly schedule: Schedule;
  readonly counters?: TallyCounters;
  /** The link's speed in Mbit/s, 0 without a link. */
  readonly speed: () => number;
  /** The transmitter waits for so long; 0 ends the wait. */
  readonly pause: (micros: number) => void;
  /** Whether the receiver has descriptors. */
  readonly hasRoom: () => boolean;
}

/**
 * What the two directions tell each other. A receiver that has lost a frame for want of descriptors asks for the longest
 * pause, and ends it when it has some again; the thresholds of the FIFO, by which chips do so before they lose a frame,
 * have no meaning where the FIFO is never filled.
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

  /** A pause frame has come. */
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

  /** A frame was lost for want of descriptors. */
  exhausted(): void {
    if (this.#cancel !== undefined || !this.#sends()) return;
    // Not at once: the frame may have come from within the port's own commit.
    this.#cancel = this.#parts.schedule.after(1, () => {
      this.#cancel = undefined;
      if (!this.#send(FOREVER)) return;
      this.#asked = 0;
      this.#look();
    });
  }

  /** Forgets a pause that was asked for: it ends by itself. */
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

  #look(): void {
    const { schedule, speed, hasRoom } = this.#parts;
    this.#cancel = schedule.after(LOOK_MICROS, () => {
      this.#cancel = undefined;
      this.#asked += LOOK_MICROS;
      const over = this.#asked >= (FOREVER * QUANTUM_BITS) / Math.max(1, speed());
      if (hasRoom()) this.#send(0);
      else if (!over) this.#look();
    });
  }

  #send(quanta: number): boolean {
    const port = this.#port;
    const frame = port?.reserve(SHORTEST_FRAME) ?? -1;
    if (port === undefined || frame < 0) return false;
    const { bytes } = port;
    bytes.fill(0, frame, frame + SHORTEST_FRAME);
    bytes.set(DESTINATION, frame);
    for (let i = 0; i < DESTINATION.length; i++) bytes[frame + SOURCE + i] = this.#parts.page.get(IDR0 + i, 1);
    put16(bytes, frame + TYPE, MAC_CONTROL);
    put16(bytes, frame + OPCODE_AT, PAUSE_OPCODE);
    put16(bytes, frame + QUANTA_AT, quanta);
    port.commit(SHORTEST_FRAME);
    port.flush();
    this.#parts.counters?.count(Count.txPauseAll);
    this.#parts.counters?.count(quanta > 0 ? Count.txPauseOn : Count.txPauseOff);
    return true;
  }
}
