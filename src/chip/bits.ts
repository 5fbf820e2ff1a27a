/**
 * The fields of each register by name, for whoever shows registers to people. Names and places are those of the register
 * maps; fields that only a number in the map's comment describes are laid out here.
 */
import * as common from "./registers.ts";
import * as later from "./registers-8125.ts";
import * as pci from "./registers-8169.ts";

/** A field's bits. Its value is counted from the lowest of them, or from the bit that is said. */
export type Field = number | readonly [bits: number, from: number];
export type Fields = Readonly<Record<string, Field>>;

const { Intr, TxConf } = common;

/** An access to registers behind a register: who sets and who clears the flag differs. */
const FLAG = { flag: common.FLAG };
/** Addresses are even, and shifted by 15. */
const OCP = { ...FLAG, address: [0x7fff_0000, 15], data: 0xffff } as const;
const ETHERNET = { half10: 1 << 5, full10: 1 << 6, half100: 1 << 7, full100: 1 << 8, pause: 1 << 10 } as const;
const queues = (name: string, count: number): Fields =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}${i}`, 1 << i]));

const DTCCR = { ...common.Dtccr, address: [0xffff_ffc0, 0] } as const;
const LINK_2500 = { ...common.PhyStatus, ...later.PhyStatus16 } as const;
/** One status word for all vectors: receive queues from bit 0, transmit queues 16 and 18, link change 21. (DPDK r8169) */
const VECTORS = { ...queues("receive", 16), transmit0: 1 << 16, transmit1: 1 << 18, linkChange: 1 << 21 } as const;
/** Toeplitz hash over what, and how many of its bits count (DPDK r8169_ethdev.h). */
const RSS = {
  tcpIpv4: 1 << 0,
  ipv4: 1 << 1,
  tcpIpv6: 1 << 2,
  ipv6: 1 << 3,
  ipv6Extended: 1 << 4,
  tcpIpv6Extended: 1 << 5,
  queues: 7 << 8,
  udpIpv4: 1 << 11,
  udpIpv6: 1 << 12,
  udpIpv6Extended: 1 << 13,
  maskBits: 7 << 16,
} as const;

/** By the register's name in its map; a run's registers share the name without the number. */
export const BITS: Readonly<Record<string, Fields>> = {
  DTCCR,
  ChipCmd: common.Cmd,
  TxPoll: common.Poll,
  IntrMask: Intr,
  IntrStatus: Intr,
  TxConfig: {
    xid: TxConf.xidMask << TxConf.xidShift,
    interFrameGap: TxConf.interFrameGap,
    loopback: TxConf.loopback,
    noCrc: TxConf.noCrc,
    fifoEmpty: TxConf.fifoEmpty,
    dmaBurst: TxConf.dmaBurst,
    autoFifo: TxConf.autoFifo,
  },
  RxConfig: {
    interrupt128: common.RxConf.interrupt128,
    multipleFetch: common.RxConf.multipleFetch,
    earlyOff: common.RxConf.earlyOff,
    dmaBurst: common.RxConf.dmaBurst,
    acceptError: common.RxConf.acceptError,
    acceptRunt: common.RxConf.acceptRunt,
    acceptBroadcast: common.RxConf.acceptBroadcast,
    acceptMulticast: common.RxConf.acceptMulticast,
    acceptPhysical: common.RxConf.acceptPhysical,
    acceptAll: common.RxConf.acceptAll,
  },
  Cfg9346: { mode: common.Lock.unlock, select: 1 << 3, clock: 1 << 2, dataIn: 1 << 1, dataOut: 1 << 0 },
  Config1: common.Conf1,
  Config2: common.Conf2,
  Config3: common.Conf3,
  Config4: common.Conf4,
  Config5: common.Conf5,
  PHYAR: { ...FLAG, register: 0x1f << 16, data: 0xffff },
  CSIAR: { ...FLAG, function: 7 << 16, bytes: 0xf << 12, address: 0xfff },
  PHYstatus: common.PhyStatus,
  PMCH: common.Pmch,
  ERIAR: { ...FLAG, type: 3 << 16, bytes: 0xf << 12, address: 0xfff },
  EPHYAR: { ...FLAG, register: 0x7f << 16, data: 0xffff },
  MACOCP: OCP,
  PHYOCP: OCP,
  OCPAR: { ...FLAG, bytes: 0xf << 12, address: 0xfff },
  DLLPR: common.Dllpr,
  RDSAR1: { mdioGate: 1 << 17 },
  DBG_REG: common.Debug,
  MCU: common.Mcu,
  EFUSEAR: { ...FLAG, address: 0x3ff << 8, data: 0xff },
  CPlusCmd: common.CPlus,
  IntrMitigate: { transmitTime: 0xf000, transmitFrames: 0xf00, receiveTime: 0xf0, receiveFrames: 0xf },
  MISC: common.Misc,
  MISC_1: common.Misc1,
  TBICSR: pci.Tbi,
  TBI_ANAR: ETHERNET,
  TBI_LPAR: ETHERNET,
  LEDSEL: later.LedSelect,
  INT_CFG0: later.IntCfg0,
  IMR0: Intr,
  ISR0: Intr,
  IMR_V2_CLEAR: VECTORS,
  ISR_V2: VECTORS,
  IMR_V2_SET: VECTORS,
  TDU_STA: queues("queue", 2),
  RDU_STA: queues("queue", 16),
  TPPOLL: queues("queue", 2),
  PHYstatus16: LINK_2500,
  RSS_CTRL: RSS,
  RxFormat: { dropBadFcs: 1 << 0, format4: 1 << 1 },
};

/** The bits of a field. */
export const bitsOf = (field: Field): number => (typeof field === "number" ? field : field[0]);

/** Whether a field is one bit. */
export const isFlag = (field: Field): boolean => (bitsOf(field) & (bitsOf(field) - 1)) === 0;

/** A field's value in a register's. */
export const fieldValue = (value: number, field: Field): number => {
  const bits = bitsOf(field);
  return (value & bits) >>> (typeof field === "number" ? 31 - Math.clz32(bits & -bits) : field[1]);
};

/** RxConfig of the 8125 and its successors: their own fields over those that stayed. */
const RX_CONFIG_8125: Fields = {
  ...later.RxConf8125,
  ...Object.fromEntries(
    Object.entries(BITS["RxConfig"]!).filter(([, field]) =>
      Object.values(later.RxConf8125).every((bits) => (bits & bitsOf(field)) === 0),
    ),
  ),
};

/** The fields of a register. `wide` is a chip with 32-bit interrupt registers, whose RxConfig is laid out anew. */
export const fieldsOf = (name: string, wide: boolean): Fields | undefined =>
  wide && name === "RxConfig" ? RX_CONFIG_8125 : (BITS[name] ?? BITS[name.replace(/\d+$/, "")]);

/** The fields that are not 0, highest bit first: what of a value is worth telling. */
export const decode = (value: number, fields: Fields): readonly (readonly [name: string, value: number])[] =>
  Object.entries(fields)
    .filter(([, field]) => (value & bitsOf(field)) !== 0)
    .sort(([, a], [, b]) => (bitsOf(b) >>> 0) - (bitsOf(a) >>> 0))
    .map(([name, field]) => [name, fieldValue(value, field)]);
