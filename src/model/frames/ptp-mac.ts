/** The PTP clock in the MAC of the RTL8125B: its registers, and the timestamps of sent event messages. */
import { MacClock, PtpCommand, PtpControl, PtpEvent } from "#chip/ptp.ts";
import {
  At2032,
  PTP_CTRL,
  PTP_ISR,
  PTP_TIME_CORRECT_CMD,
  PTP_TIME_NS,
  PTP_TIME_S,
  PTP_TIME_S_HIGH,
} from "#chip/registers-8125.ts";
import { PtpClock, timeOf, timeWords } from "../phy/ptp-clock.ts";
import type { MessageStamps } from "../phy/ptp-phy.ts";
import type { Effects } from "../registers/effects.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

export interface PtpMacParts {
  readonly page: Page;
  readonly schedule: Schedule;
  readonly macOcp: (address: number) => number;
  readonly putMacOcp: (address: number, value: number) => void;
}

const { sent: SENT } = MacClock;

/**
 * The clock starts at 0 when it is enabled, and a software reset disables it. No source says whether real chips behave
 * like this; a driver that restores the time after a reset works in either case. The receive engine writes the
 * timestamps of received messages to descriptors.
 */
export class PtpMac implements MessageStamps {
  readonly effects: Pick<Effects, "ptpControl" | "ptpCommand" | "ptpAcknowledge">;
  readonly #parts: PtpMacParts;
  readonly #clock: PtpClock;
  active = false;

  constructor(parts: PtpMacParts) {
    this.#parts = parts;
    this.#clock = new PtpClock(parts.schedule);
    const { page } = parts;
    this.effects = {
      ptpControl: () => this.#control(),
      ptpCommand: (value) => this.#command(value),
      ptpAcknowledge: (value) => page.put(PTP_ISR, 1, page.get(PTP_ISR, 1) & ~value),
    };
  }

  get time(): bigint {
    return this.#clock.time;
  }

  /** Stores the timestamp of a sent message. The chip has several places for timestamps, and uses them in turn. */
  sent(_message: number): void {
    const { page, macOcp, putMacOcp } = this.#parts;
    if ((macOcp(MacClock.source.macOcp) & MacClock.source.mac) === 0) return;
    const place = page.get(At2032, 2) >>> SENT.nextShift;
    const [low, high, ...seconds] = timeWords(this.#clock.time);
    const at = SENT.macOcp + SENT.bytes * place;
    putMacOcp(at, low!);
    putMacOcp(at + 2, high!);
    seconds.forEach((word, i) => putMacOcp(at + SENT.seconds + 2 * i, word));
    page.put(At2032, 2, ((place + 1) % SENT.places) << SENT.nextShift);
    page.put(PTP_ISR, 1, page.get(PTP_ISR, 1) | PtpEvent.sent);
  }

  received(): void {}

  /** Called at a software reset, which disables the clock. */
  reset(): void {
    this.active = false;
  }

  #control(): void {
    const before = this.active;
    this.active = (this.#parts.page.get(PTP_CTRL, 2) & PtpControl.enable) !== 0;
    if (before || !this.active) return;
    this.#clock.rate = 0;
    this.#clock.time = 0n;
  }

  #command(value: number): void {
    const { page } = this.#parts;
    page.put(PTP_TIME_CORRECT_CMD, 2, value & ~PtpCommand.execute);
    if ((value & PtpCommand.execute) === 0 || !this.active) return;
    const nanos = page.get(PTP_TIME_NS, 4);
    switch (value & PtpCommand.code) {
      case PtpCommand.latch:
        this.#latch();
        break;
      case PtpCommand.set: {
        const low = page.get(PTP_TIME_S, 4);
        this.#clock.time = timeOf([
          nanos & 0xffff,
          nanos >>> 16,
          low & 0xffff,
          low >>> 16,
          page.get(PTP_TIME_S_HIGH, 2),
        ]);
        break;
      }
      case PtpCommand.drift:
        this.#clock.rate = ((nanos << (32 - MacClock.driftBits)) >> (32 - MacClock.driftBits)) / MacClock.driftScale;
        break;
      default:
    }
  }

  #latch(): void {
    const { page } = this.#parts;
    const [low, high, first, second, third] = timeWords(this.#clock.time);
    page.put(PTP_TIME_NS, 4, low! + high! * 0x1_0000);
    page.put(PTP_TIME_S, 4, first! + second! * 0x1_0000);
    page.put(PTP_TIME_S_HIGH, 2, third!);
  }
}
