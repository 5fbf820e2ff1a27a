/**
 * RTL8168H, RTL8111H: what this generation wants at start, most of it as data.
 *
 * Source of the values: DPDK `drivers/net/r8169/base/rtl8168h.c` and `r8169_hw.c` (BSD-3-Clause, Realtek). What most of
 * these bits do is not public; the comments say what the source's own names tell.
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

/** One step of PHY tuning: on a page, in a register, clear bits and set bits. */
interface PhyStep {
  readonly page: number;
  readonly register: number;
  readonly clear: number;
  readonly set: number;
}

/** PHY parameters are reached through a window: address in register 19, value in register 20 of page 0xa43. */
const parameter = (address: number, clear: number, set: number): readonly PhyStep[] => [
  { page: 0xa43, register: 19, clear: 0xffff, set: address },
  { page: 0xa43, register: 20, clear, set },
];

/** PHY tuning that needs no reading of fuses. */
const PHY_TUNING: readonly PhyStep[] = [
  ...parameter(0x808a, 0x003f, 0x000a),
  // "EthPhyPPSW" and the speed-up of its sibling bit.
  { page: 0xa44, register: 17, clear: 1 << 7, set: 1 << 11 },
  { page: 0xc41, register: 21, clear: 1 << 1, set: 0 },
  // ALDPS off (bit 2): a link partner that wakes slowly otherwise loses the first seconds. Bit 0 as the source sets it.
  { page: 0xa43, register: 16, clear: 1 << 2, set: 1 << 0 },
];

/** The PCIe PHY: [register, clear, set]; all bits cleared means the whole word is written. */
const PCIE_PHY = [
  [0x1e, 1 << 11, 1 << 0],
  [0x1d, 0, 1 << 11],
  [0x05, 0xffff, 0x2089],
  [0x06, 0xffff, 0x5881],
  [0x04, 0xffff, 0x854a],
  [0x01, 0xffff, 0x068b],
] as const;

/** Extended registers: [address, clear, set]. */
const EXTENDED = [
  // Receive FIFO: static and dynamic share; 0x370 of it for the first.
  [0xc8, 0xffff_ffff, 0x0370_0002],
  // Pause thresholds, low and high.
  [0xcc, 0xff, 0x38],
  [0xd0, 0xff, 0x48],
  // Transmit FIFO.
  [0xe8, 0xffff_ffff, 0x0010_0006],
  // Magic packet only, and what the source sets beside it.
  [0xdc, 0xfe << 16, (1 << 4) | (1 << 3) | (1 << 2)],
  [0x1b0, 1 << 12, 0],
  [0x2fc, 1 << 2, 0],
  [0x1d0, 0, 1 << 1],
  // Events that leave L1.
  [0xd4, 0, 0x1f80],
] as const;

/** MAC controller: [address, clear, set]. */
const MAC = [
  // PCIe PHY error mask.
  [0xe0d6, 0x01ff, 0x017f],
  // Wake-up by checksum off.
  [0xc140, 0xffff, 0xffff],
  [0xc142, 0xffff, 0xffff],
  [0xe098, 0xffff, 0x0aa2],
] as const;

/** The rest of TxConfig is the chip's. */
const TRANSMIT_CONFIG = TxConf.dmaBurst | TxConf.interFrameGap;

const sideBus = ({ io, clock }: Card): SideBus => new SideBus(io, clock);

/** Clause 22 registers lie one behind the other in the PHY's own space. */
const phy = (card: Card): PhyBus => {
  const bus = sideBus(card);
  return {
    read: (register) => bus.phyRead(OCP_STANDARD + 2 * register),
    write: (register, value) => bus.phyWrite(OCP_STANDARD + 2 * register, value),
  };
};

const link = ({ io }: Hardware): MacLink => {
  const status = io.read8(PHYstatus);
  const has = (bit: number): boolean => (status & bit) !== 0;
  const speed = has(PhyStatus.speed1000) ? 1000 : has(PhyStatus.speed100) ? 100 : 10;
  return { up: has(PhyStatus.linkUp), speed, fullDuplex: has(PhyStatus.fullDuplex) };
};

/** What a chip in a bad state never does is given up in silence: the reset that follows cures it. */
const drain = ({ io, clock }: Hardware): void => {
  io.update32(MISC, 0, Misc.receiveGate);
  clock.delay(2000);
  // DPDK `rtl_wait_txrx_fifo_empty`.
  until(clock, 4200, 100, () => (io.read32(TxConfig) & TxConf.fifoEmpty) !== 0);
  const empty = Mcu.transmitEmpty | Mcu.receiveEmpty;
  until(clock, 4200, 100, () => (io.read8(MCU) & empty) === empty);
};

/** The list of packet buffers inside the chip, which may have run the MAC while no driver was there ("out of band"). */
const LINK_LIST = { address: 0xe8de, start: 1 << 14, done: 1 << 15 } as const;

/** DPDK `rtl_exit_oob`: two hand-shakes over that list. */
const takeOver = (hw: Hardware): void => {
  const { io, clock } = hw;
  const bus = sideBus(hw);
  const ready = (): boolean => (io.read8(MCU) & Mcu.linkListReady) !== 0;
  io.update8(MCU, Mcu.nowOutOfBand, 0);
  bus.macUpdate(LINK_LIST.address, LINK_LIST.start, 0);
  until(clock, 4200, 100, ready);
  bus.macUpdate(LINK_LIST.address, 0, LINK_LIST.done);
  until(clock, 4200, 100, ready);
};

const prepare = (hw: Hardware): void => {
  const { io } = hw;
  const bus = sideBus(hw);
  // No coalescing.
  io.write16(IntrMitigate, 0);
  io.update8(Config3, Conf3.readyToL23 | Conf3.beacon, 0);
  io.update8(Config2, Conf2.clockRequest | Conf2.pmeSignal, 0);
  io.write32(TxConfig, TRANSMIT_CONFIG);
  for (const [register, clear, set] of PCIE_PHY) bus.ephyUpdate(register, clear, set);
  for (const [address, clear, set] of EXTENDED) bus.eriUpdate(address, clear, set);
  for (const [address, clear, set] of MAC) bus.macUpdate(address, clear, set);
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

/** Page p, register n (16 to 23) lies at (p << 4) + 2(n - 16). */
const tunePhy = (hw: Hardware): void => {
  const bus = sideBus(hw);
  for (const { page, register, clear, set } of PHY_TUNING) bus.phyUpdate((page << 4) + 2 * (register - 16), clear, set);
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
  tunePhy,
};
