/** The PTP clock in the MAC, which the RTL8125B has. Source of each access: `chip/ptp.ts`. */
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
import type { Hardware } from "./hardware.ts";
import { type ClockRegisters, timeFrom, timeOf, timeWords } from "./ptp-registers.ts";

const { sent: SENT, source: SOURCE } = MacClock;
const DRIFT_MASK = 2 ** MacClock.driftBits - 1;

export const macClock = ({ io, side }: Hardware): ClockRegisters => {
  const command = (code: number): void => io.write16(PTP_TIME_CORRECT_CMD, PtpCommand.execute | code);
  const read = (): bigint => {
    command(PtpCommand.latch);
    return timeFrom(io.read32(PTP_TIME_NS), io.read32(PTP_TIME_S), io.read16(PTP_TIME_S_HIGH));
  };
  const write = (nanos: bigint): void => {
    const [low = 0, high = 0, first = 0, second = 0, third = 0] = timeWords(nanos);
    io.write32(PTP_TIME_NS, low + high * 0x1_0000);
    io.write32(PTP_TIME_S, first + second * 0x1_0000);
    io.write16(PTP_TIME_S_HIGH, third);
    command(PtpCommand.set);
  };
  return {
    maxRate: (DRIFT_MASK >>> 1) / MacClock.driftScale,
    enabled: () => (io.read16(PTP_CTRL) & PtpControl.enable) !== 0,
    enable() {
      io.acknowledge8(PTP_ISR, PtpEvent.sent | PtpEvent.failed);
      side.macUpdate(SOURCE.macOcp, 0, SOURCE.mac);
      io.write16(PTP_CTRL, PtpControl.on);
    },
    read,
    write,
    // Realtek's driver steps the clock with the same command that sets it. Because that command cannot add to the time,
    // this function adds in software.
    step: (nanos) => write(read() + nanos),
    setRate(fraction) {
      io.write32(PTP_TIME_NS, (Math.round(fraction * MacClock.driftScale) & DRIFT_MASK) >>> 0);
      command(PtpCommand.drift);
    },
    sent() {
      if ((io.read8(PTP_ISR) & PtpEvent.sent) === 0) return undefined;
      io.acknowledge8(PTP_ISR, PtpEvent.sent | PtpEvent.failed);
      const next = (io.read16(At2032) >>> SENT.nextShift) % SENT.places;
      const at = SENT.macOcp + SENT.bytes * ((next + SENT.places - 1) % SENT.places);
      const words = [at, at + 2, ...[0, 2, 4].map((offset) => at + SENT.seconds + offset)];
      return timeOf(words.map((address) => side.macRead(address)));
    },
  };
};
