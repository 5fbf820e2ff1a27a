/**
 * Drains both directions before a reset, on chips that can, so that no frame in the FIFOs is lost.
 *
 * A chip in a bad state may never drain. The wait then expires, which is counted, and the reset that follows recovers
 * the chip. Sources: FreeBSD if_re.c, re_stop (stop request, doorbell's bit); DPDK `drivers/net/r8169`, rtl_nic_reset
 * (the rest).
 */
import type { Drain } from "#chip/mac.ts";
import { Fifo, FifoStatus } from "#chip/registers-8125.ts";
import { ChipCmd, Cmd, MCU, MISC, Mcu, Misc, Poll, TxConf, TxConfig, TxPoll } from "#chip/registers.ts";
import { awaitState, type Hardware } from "./hardware.ts";

/** Limit of a wait for the FIFOs. DPDK polls them at most 42 times on the 8168, and for 150 ms on the 8125. */
const FIFO_LIMIT_MICROS = 4200;
const FIFO_LIMIT_8125_MICROS = 150_000;

const requestStop = ({ io }: Hardware): void => io.update8(ChipCmd, 0, Cmd.stopRequest);

const closeGate = ({ io, clock }: Hardware): void => {
  io.update32(MISC, 0, Misc.receiveGate);
  clock.delay(2000);
};

const transmitEmpty = (hw: Hardware, limit: number): void =>
  awaitState(hw, "the transmit FIFO to drain", limit, () => (hw.io.read32(TxConfig) & TxConf.fifoEmpty) !== 0);

const EMPTY = Mcu.transmitEmpty | Mcu.receiveEmpty;
const macEmpty = (hw: Hardware, limit: number): void =>
  awaitState(hw, "the MAC's FIFOs to drain", limit, () => (hw.io.read8(MCU) & EMPTY) === EMPTY);

export const DRAINS: Readonly<Record<Drain, (hw: Hardware) => void>> = {
  none: () => {},
  stop(hw) {
    requestStop(hw);
    hw.clock.delay(100);
  },
  "stop-empty"(hw) {
    requestStop(hw);
    // FreeBSD waits 20,000 times 1 µs, Realtek's driver 66 ms.
    transmitEmpty(hw, 66_600);
  },
  doorbell(hw) {
    const rung = (): boolean => (hw.io.read8(TxPoll) & Poll.normalPriority) !== 0;
    awaitState(hw, "the transmitter to finish", 40_000, () => !rung(), 20);
  },
  gate(hw) {
    closeGate(hw);
    transmitEmpty(hw, FIFO_LIMIT_MICROS);
    macEmpty(hw, FIFO_LIMIT_MICROS);
  },
  "gate-mcu"(hw) {
    closeGate(hw);
    macEmpty(hw, FIFO_LIMIT_8125_MICROS);
  },
  "gate-stop"(hw) {
    closeGate(hw);
    requestStop(hw);
    hw.clock.delay(200);
    macEmpty(hw, FIFO_LIMIT_8125_MICROS);
    const empty = (): boolean => (hw.io.read16(FifoStatus) & Fifo.empty) === Fifo.empty;
    awaitState(hw, "the bus side's FIFOs to drain", FIFO_LIMIT_8125_MICROS, empty);
  },
};
