/**
 * RTL8168H, RTL8111H: what this generation wants at start, as data.
 *
 * Source of the values: DPDK `drivers/net/r8169/base/rtl8168h.c` and `r8169_hw.c` (BSD-3-Clause, Realtek). What most of
 * these bits do is not public; the comments say what the source's own names tell.
 */
import { Conf2, Conf3, Config2, Config3, RxConf, TxConf, TxConfig } from "#chip/registers.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { PhyStep } from "./phy.ts";
import type { SideBus } from "./side-bus.ts";

/** RxConfig without its accept bits: unlimited bursts, whole frames only, fetch descriptors one and several at once. */
export const RECEIVE_CONFIG = RxConf.interrupt128 | RxConf.multipleFetch | RxConf.earlyOff | RxConf.dmaBurst;
/** TxConfig: unlimited bursts, standard gap. */
export const TRANSMIT_CONFIG = TxConf.dmaBurst | TxConf.interFrameGap;

/** PHY parameters are reached through a window: address in register 19, value in register 20 of page 0xa43. */
const parameter = (address: number, clear: number, set: number): readonly PhyStep[] => [
  { page: 0xa43, register: 19, clear: 0xffff, set: address },
  { page: 0xa43, register: 20, clear, set },
];

/** PHY tuning that needs no reading of fuses. */
export const PHY_TUNING: readonly PhyStep[] = [
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

/** What is special between reset and the rings. Config registers must be unlocked. */
export const prepare = (io: Mmio, bus: SideBus): void => {
  io.update8(Config3, Conf3.readyToL23 | Conf3.beacon, 0);
  io.update8(Config2, Conf2.clockRequest | Conf2.pmeSignal, 0);
  io.write32(TxConfig, TRANSMIT_CONFIG);
  for (const [register, clear, set] of PCIE_PHY) bus.ephyUpdate(register, clear, set);
  for (const [address, clear, set] of EXTENDED) bus.eriUpdate(address, clear, set);
  for (const [address, clear, set] of MAC) bus.macUpdate(address, clear, set);
};

/** Takes the MAC from the chip's own controller, which may have run it while no driver was there ("out of band"). */
export const LINK_LIST = { address: 0xe8de, start: 1 << 14, done: 1 << 15 } as const;
