/**
 * The PTP clock in the PHY, which the RTL8125CP, the 8125D and later chips have. Source of each access: `chip/ptp.ts`.
 */
import { EVENT_MESSAGES, PhyClock, PhyClockCommand, PhyClockControl, PhyClockEvent, PhyStamp } from "#chip/ptp.ts";
import { expect } from "#kit/clock.ts";
import type { Hardware } from "./hardware.ts";
import { type ClockRegisters, timeOf, timeWords } from "./ptp-registers.ts";

/** Realtek's driver polls up to 20,000 times, 1 µs apart. */
const LIMIT_MICROS = 20_000;
const POLL_MICROS = 10;
const RATE_MASK = 2 ** PhyClock.rateBits - 1;
const ALL_EVENTS = 0xffff;

export const phyClock = ({ side, clock }: Hardware): ClockRegisters => {
  const perform = (address: number, clear: number, set: number): void => {
    side.phyUpdate(address, clear, set | PhyClockCommand.execute);
    const done = (): boolean => (side.phyRead(address) & PhyClockCommand.execute) === 0;
    expect(clock, "PTP clock in the PHY", LIMIT_MICROS, POLL_MICROS, done);
  };
  const command = (code: number): void => perform(PhyClock.command, PhyClockCommand.code, code);
  const load = (address: number): bigint =>
    timeOf(Array.from({ length: PhyClock.words }, (_, i) => side.phyRead(address + 2 * i)));
  const store = (words: readonly number[]): void =>
    words.forEach((word, i) => side.phyWrite(PhyClock.time + 2 * i, word));
  const stamp = (direction: number, message: number): bigint => {
    const cleared = PhyStamp.received | (PhyStamp.messageMask << PhyStamp.messageShift);
    perform(PhyClock.stampCommand, cleared, direction | (message << PhyStamp.messageShift) | PhyStamp.fixed);
    return load(PhyClock.stamp);
  };
  return {
    maxRate: (RATE_MASK >>> 1) / PhyClock.rateScale,
    enabled: () => (side.phyRead(PhyClock.control) & PhyClockControl.enable) !== 0,
    enable() {
      side.phyUpdate(PhyClock.interrupts, 0, PhyClockEvent.received | PhyClockEvent.sent);
      side.phyUpdate(PhyClock.configuration, 0, 1);
      side.phyWrite(PhyClock.events, ALL_EVENTS);
      side.phyUpdate(PhyClock.synchronous, 1, 0);
      side.phyWrite(PhyClock.control, PhyClockControl.on);
    },
    read() {
      command(PhyClockCommand.read);
      return load(PhyClock.time);
    },
    write(nanos) {
      store(timeWords(nanos));
      command(PhyClockCommand.set);
    },
    step(nanos) {
      store(timeWords(nanos < 0n ? -nanos : nanos));
      command(nanos < 0n ? PhyClockCommand.subtract : PhyClockCommand.add);
    },
    setRate(fraction) {
      const units = Math.round(fraction * PhyClock.rateScale) & RATE_MASK;
      store([units & 0xffff, units >>> 16]);
      command(PhyClockCommand.setRate);
    },
    sent() {
      if ((side.phyRead(PhyClock.events) & PhyClockEvent.sent) === 0) return undefined;
      side.phyWrite(PhyClock.events, PhyClockEvent.sent);
      const ready = side.phyRead(PhyClock.stampCommand);
      let latest: bigint | undefined;
      for (let message = 0; message < EVENT_MESSAGES; message++) {
        if ((ready & (1 << (PhyStamp.sentReady - message))) === 0) continue;
        const time = stamp(0, message);
        if (latest === undefined || time > latest) latest = time;
      }
      return latest;
    },
    received(message) {
      const ready = side.phyRead(PhyClock.stampCommand) & (1 << (PhyStamp.receivedReady - message));
      return ready === 0 ? undefined : stamp(PhyStamp.received, message);
    },
  };
};
