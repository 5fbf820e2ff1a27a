/**
 * From the 8168G to the 8168FP (8106EUS, 8107E, 8116af, 8117, 8168EP, 8168G, 8168H, 8168M, 8411B): steps of bring-up. The
 * values are in `chip/start/8168g.ts`, `8168h.ts` and `8168ep.ts`.
 *
 * Source: DPDK `drivers/net/r8169/r8169_hw.c` (BSD-3-Clause, Realtek).
 */
import { OCP_STANDARD } from "#chip/phy.ts";
import {
  CPlus,
  ChipCmd,
  Cmd,
  Conf2,
  Conf3,
  Config2,
  Config3,
  IntrMitigate,
  MCU,
  MISC,
  MaxTxPacketSize,
  Mcu,
  Misc,
  PHYstatus,
  PhyStatus,
  Poll,
  RxConf,
  RxMaxSize,
  TxConf,
  TxConfig,
  TxPoll,
} from "#chip/registers.ts";
import { until } from "#kit/clock.ts";
import { RECEIVE_8169, TRANSMIT_V2 } from "./descriptor-formats.ts";
import type { Card, Family, Hardware, MacLink, PhyBus } from "./family.ts";
import { INTERRUPTS_16 } from "./interrupt-registers.ts";
import { SideBus } from "./side-bus.ts";

/** The rest of TxConfig is the chip's. */
const TRANSMIT_CONFIG = TxConf.dmaBurst | TxConf.interFrameGap | TxConf.autoFifo;

const sideBus = ({ io, clock }: Card): SideBus => new SideBus(io, clock);

const ocpAddress = (register: number, page: number): number =>
  page === 0 ? OCP_STANDARD + 2 * register : (page << 4) + 2 * (register - 16);

/** Clause 22 registers lie one behind the other in the PHY's own space; page p, register n (16 to 23), at (p << 4) + 2(n - 16). */
const phy = (card: Card): PhyBus => {
  const bus = sideBus(card);
  return {
    read: (register, page = 0) => bus.phyRead(ocpAddress(register, page)),
    write: (register, value, page = 0) => bus.phyWrite(ocpAddress(register, page), value),
  };
};

const link = ({ io }: Hardware): MacLink => {
  const status = io.read8(PHYstatus);
  const has = (bit: number): boolean => (status & bit) !== 0;
  const speed = has(PhyStatus.speed1000) ? 1000 : has(PhyStatus.speed100) ? 100 : 10;
  return { up: has(PhyStatus.linkUp), speed, fullDuplex: has(PhyStatus.fullDuplex) };
};

/** DPDK polls each of these at most 42 times. */
const FIFO_LIMIT_MICROS = 4200;

/** A chip in a bad state may never get there; the reset that follows recovers it, and what was overdue is counted. */
const awaitState = ({ clock, overdue }: Hardware, what: string, condition: () => boolean): void => {
  if (!until(clock, FIFO_LIMIT_MICROS, 100, condition)) overdue.note(what);
};

const drain = (hw: Hardware): void => {
  const { io, clock } = hw;
  io.update32(MISC, 0, Misc.receiveGate);
  clock.delay(2000);
  // DPDK `rtl_wait_txrx_fifo_empty`.
  awaitState(hw, "the transmit FIFO to drain", () => (io.read32(TxConfig) & TxConf.fifoEmpty) !== 0);
  const empty = Mcu.transmitEmpty | Mcu.receiveEmpty;
  awaitState(hw, "the MAC's FIFOs to drain", () => (io.read8(MCU) & empty) === empty);
};

/** The list of packet buffers inside the chip, which may have run the MAC while no driver was there ("out of band"). */
const LINK_LIST = { address: 0xe8de, start: 1 << 14, done: 1 << 15 } as const;

/** DPDK `rtl_exit_oob`: two hand-shakes over that list. */
const takeOver = (hw: Hardware): void => {
  const { io } = hw;
  const bus = sideBus(hw);
  const ready = (): boolean => (io.read8(MCU) & Mcu.linkListReady) !== 0;
  io.update8(MCU, Mcu.nowOutOfBand, 0);
  bus.macUpdate(LINK_LIST.address, LINK_LIST.start, 0);
  awaitState(hw, "the management firmware to hand over the MAC", ready);
  bus.macUpdate(LINK_LIST.address, 0, LINK_LIST.done);
  awaitState(hw, "the management firmware to hand over the MAC", ready);
};

const prepare = (hw: Hardware): void => {
  const { io } = hw;
  // No coalescing.
  io.write16(IntrMitigate, 0);
  io.update8(Config3, Conf3.readyToL23 | Conf3.beacon, 0);
  io.update8(Config2, Conf2.clockRequest | Conf2.pmeSignal, 0);
  io.write32(TxConfig, TRANSMIT_CONFIG);
};

const limitFrames = ({ io }: Hardware, largest: number): void => {
  io.write16(RxMaxSize, largest);
  // In units of 128 bytes; what the 8168E-VL and all later chips take, jumbo frames included.
  io.write8(MaxTxPacketSize, 0x27);
};

const enable = ({ io }: Hardware): void => {
  io.update32(MISC, Misc.receiveGate, 0);
  io.write8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
};

export const RTL8168H: Family = {
  windowBytes: 256,
  ringLimit: 1024,
  receive: RECEIVE_8169,
  transmit: TRANSMIT_V2,
  offloadsIpv6: true,
  interrupts: INTERRUPTS_16,
  doorbell: (io) => () => io.write8(TxPoll, Poll.normalPriority),
  command: CPlus.normal | CPlus.receiveVlan | CPlus.receiveChecksum,
  commandAbove4GiB: 0,
  // Unlimited bursts, whole frames only, fetch descriptors one and several at once.
  receiveConfig: RxConf.interrupt128 | RxConf.multipleFetch | RxConf.earlyOff | RxConf.dmaBurst,
  phy,
  link,
  drain,
  takeOver,
  prepare,
  limitFrames,
  enable,
};
