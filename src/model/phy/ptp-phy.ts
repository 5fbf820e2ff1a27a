/**
 * The PTP clock in the PHY of the RTL8125D and later: its registers, and a timestamp for each type of event message.
 */
import { PhyClock, PhyClockCommand, PhyClockControl, PhyClockEvent, PhyStamp } from "#chip/ptp.ts";
import type { Schedule } from "../registers/schedule.ts";
import { PtpClock, timeOf, timeWords } from "./ptp-clock.ts";

/** Timestamps event messages. Implemented by the clock in the PHY and by the clock in the MAC. */
export interface MessageStamps {
  /** False while timestamping is off; the chip then need not check whether frames are event messages. */
  readonly active: boolean;
  /** Called when an event message of this type was sent or received. */
  sent(message: number): void;
  received(message: number): void;
}

/** The clock always runs; its enable bit only controls whether messages are stamped. Commands are executed at once. */
export class PtpPhy implements MessageStamps {
  /** The PHY's registers, indexed by half of their address. */
  readonly #words: Uint16Array;
  readonly #clock: PtpClock;
  active = false;
  readonly #sent: bigint[] = [];
  readonly #received: bigint[] = [];

  constructor(words: Uint16Array, schedule: Schedule) {
    this.#words = words;
    this.#clock = new PtpClock(schedule);
  }

  powerOn(): void {
    this.active = false;
    this.#clock.rate = 0;
    this.#clock.time = 0n;
  }

  sent(message: number): void {
    this.#sent[message] = this.#clock.time;
    this.#stamped(PhyStamp.sentReady - message, PhyClockEvent.sent);
  }

  received(message: number): void {
    this.#received[message] = this.#clock.time;
    this.#stamped(PhyStamp.receivedReady - message, PhyClockEvent.received);
  }

  /**
   * Executes a write to one of the clock's registers. Returns false if the caller must store the value.
   */
  write(address: number, value: number): boolean {
    if (address === PhyClock.control) this.active = (value & PhyClockControl.enable) !== 0;
    if (address === PhyClock.events) this.#put(address, this.#word(address) & ~value);
    else if (address === PhyClock.command) this.#command(value);
    else if (address === PhyClock.stampCommand) this.#show(value);
    else return false;
    return true;
  }

  #command(value: number): void {
    this.#put(PhyClock.command, value & ~PhyClockCommand.execute);
    if ((value & PhyClockCommand.execute) === 0) return;
    const operand = timeOf(this.#times(PhyClock.time));
    switch (value & PhyClockCommand.code) {
      case PhyClockCommand.read:
        this.#putTime(PhyClock.time, this.#clock.time);
        break;
      case PhyClockCommand.set:
        this.#clock.time = operand;
        break;
      case PhyClockCommand.add:
        this.#clock.time += operand;
        break;
      case PhyClockCommand.subtract:
        this.#clock.time -= operand;
        break;
      case PhyClockCommand.setRate:
        this.#clock.rate = this.#rate() / PhyClock.rateScale;
        break;
      default:
    }
  }

  /** The rate, a signed number in the two words that otherwise have nanoseconds. The words for seconds are not used. */
  #rate(): number {
    const above = 32 - PhyClock.rateBits;
    return ((this.#word(PhyClock.time) | (this.#word(PhyClock.time + 2) << 16)) << above) >> above;
  }

  /**
   * Copies a timestamp to the registers from which drivers read it, and marks its place as free for the next timestamp.
   */
  #show(value: number): void {
    const ready = this.#word(PhyClock.stampCommand) & ~0xff;
    const message = (value >>> PhyStamp.messageShift) & PhyStamp.messageMask;
    const ingress = (value & PhyStamp.received) !== 0;
    const shown =
      (value & PhyStamp.execute) === 0 ? 0 : 1 << ((ingress ? PhyStamp.receivedReady : PhyStamp.sentReady) - message);
    if (shown !== 0) this.#putTime(PhyClock.stamp, (ingress ? this.#received : this.#sent)[message] ?? 0n);
    this.#put(PhyClock.stampCommand, (ready & ~shown) | (value & 0xff & ~PhyStamp.execute));
  }

  #stamped(ready: number, event: number): void {
    this.#put(PhyClock.stampCommand, this.#word(PhyClock.stampCommand) | (1 << ready));
    this.#put(PhyClock.events, this.#word(PhyClock.events) | event);
  }

  #word(address: number): number {
    return this.#words[address >> 1]!;
  }
  #put(address: number, value: number): void {
    this.#words[address >> 1] = value;
  }
  #times(address: number): readonly number[] {
    return Array.from({ length: PhyClock.words }, (_, i) => this.#word(address + 2 * i));
  }
  #putTime(address: number, nanos: bigint): void {
    timeWords(nanos).forEach((word, i) => this.#put(address + 2 * i, word));
  }
}
