/**
 * Names of the fields of each register, for register dumps and traces. Names and positions are taken from the register
 * maps; fields that a register map describes only in a comment are defined here.
 */
import type { Chip } from "./chips.ts";
import type { Profile } from "./profile.ts";
import type { Queues } from "./queues.ts";
import * as common from "./registers.ts";
import * as later from "./registers-8125.ts";
import * as pci from "./registers-8169.ts";
import { PtpCommand, PtpControl, PtpEvent } from "./ptp.ts";
import { QueueCount, RssControl } from "./rss.ts";

/**
 * The bits of a field, as a mask. The field's value is shifted right by the position of its lowest bit, or by `from` if
 * that is given.
 */
export type Field = number | readonly [bits: number, from: number];
export type Fields = Readonly<Record<string, Field>>;

const { Intr, QueueIntr, TxConf } = common;

/**
 * The flag of a register for indirect access. The driver sets the flag to write, and the chip sets it when a read is
 * complete.
 */
const FLAG = { flag: common.FLAG };
/** The address is even. Its bit 1 is in bit 16 of the register, so the shift is 15. */
const OCP = { ...FLAG, address: [0x7fff_0000, 15], data: 0xffff } as const;
const ETHERNET = { half10: 1 << 5, full10: 1 << 6, half100: 1 << 7, full100: 1 << 8, pause: 1 << 10 } as const;
const queues = (name: string, count: number): Fields =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}${i}`, 1 << i]));

const DTCCR = { ...common.Dtccr, address: [0xffff_ffc0, 0] } as const;
const LINK_2500 = { ...common.PhyStatus, ...later.PhyStatus16 } as const;
/**
 * RSS_CTRL: bits that say what is hashed (Toeplitz), and two base-2 logarithms: of the number of table entries in use,
 * and of the number of CPUs.
 */
const { any: _, maskShift, maskMask, cpusShift, ...hashed } = RssControl;
const RSS = { ...hashed, tableEntries: maskMask << maskShift, cpus: 7 << cpusShift } as const;

/**
 * Keyed by the register's name in its register map. A name that ends in a number and has no key uses the key without
 * the number.
 */
export const BITS: Readonly<Record<string, Fields>> = {
  DTCCR,
  ChipCmd: common.Cmd,
  TxPoll: common.Poll,
  IntrMask: Intr,
  IntrStatus: Intr,
  ...Object.fromEntries([1, 2, 3].flatMap((i) => [`IntrMask${i}`, `IntrStatus${i}`]).map((name) => [name, QueueIntr])),
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
  PHYstatus16: LINK_2500,
  RSS_CTRL: RSS,
  Q_NUM_CTRL: { queues: QueueCount.mask << QueueCount.shift },
  RxFormat: later.ReceiveFormat,
  PTP_CTRL: { enable: PtpControl.enable },
  PTP_ISR: PtpEvent,
  PTP_IMR: PtpEvent,
  PTP_TIME_CORRECT_CMD: { execute: PtpCommand.execute, command: PtpCommand.code },
};

/** The bits of a field. */
export const bitsOf = (field: Field): number => (typeof field === "number" ? field : field[0]);

/** Whether a field is a single bit. */
export const isFlag = (field: Field): boolean => (bitsOf(field) & (bitsOf(field) - 1)) === 0;

/** Extracts a field's value from a register's value. */
export const fieldValue = (value: number, field: Field): number => {
  const bits = bitsOf(field);
  return (value & bits) >>> (typeof field === "number" ? 31 - Math.clz32(bits & -bits) : field[1]);
};

/** Returns the members of `fields` that share no bit with any member of `others`. */
const beside = (fields: Fields, others: Fields): Fields => {
  const taken = Object.values(others).reduce<number>((bits, field) => bits | bitsOf(field), 0);
  return Object.fromEntries(Object.entries(fields).filter(([, field]) => (bitsOf(field) & taken) === 0));
};

/** RxConfig of the 8125 and later: the fields that are new there, and the older ones that are unchanged. */
const RX_CONFIG_8125: Fields = { ...later.RxConf8125, ...beside(BITS["RxConfig"]!, later.RxConf8125) };

/**
 * RxConfig of the PCI chips, which have a FIFO threshold in the bits that control descriptor fetching on later chips.
 */
const FIFO_THRESHOLD = { fifoThreshold: 7 << 13 } as const;
const RX_CONFIG_PCI: Fields = { ...FIFO_THRESHOLD, ...beside(BITS["RxConfig"]!, FIFO_THRESHOLD) };

/**
 * The vectored status word. If both directions of a queue share a bit, the bit is named after the queue, without a
 * direction.
 */
const vectors = ({ receive, transmit, vectored }: Queues): Fields => {
  if (vectored === undefined) return {};
  const fields: Record<string, number> = { linkChange: 1 << vectored.linkChange };
  for (let i = 0; i < receive; i++) fields[`receive${i}`] = 1 << (vectored.receive + i);
  for (let i = 0; i < transmit; i++) {
    const bit = 1 << (vectored.transmit + i * vectored.transmitStep);
    const shared = fields[`receive${i}`] === bit;
    if (shared) delete fields[`receive${i}`];
    fields[shared ? `queue${i}` : `transmit${i}`] = bit;
  }
  return fields;
};

const rxConfig = ({ registers, function: { bus }, rxConfig: writable }: Profile): Fields => {
  if (registers.includes("multigigabit")) return RX_CONFIG_8125;
  if (bus === "pci") return RX_CONFIG_PCI;
  const { earlyOff } = common.RxConf;
  const { descriptorsV3 } = later.RxConf8125;
  const hashed: Fields = (writable & descriptorsV3) === 0 ? {} : { descriptorsV2: descriptorsV3 };
  const fields: Fields = { ...hashed, ...BITS["RxConfig"] };
  return (writable & earlyOff) === 0 ? beside(fields, { earlyOff }) : fields;
};

const txConfig = ({ txConfig: writable }: Profile): Fields => {
  const { fifoEmpty, autoFifo, countsClosed } = TxConf;
  const { fifoEmpty: _empty, autoFifo: _auto, ...others } = BITS["TxConfig"]!;
  return {
    ...others,
    // Chips that size their own FIFO also report when it is empty.
    ...((writable & autoFifo) === 0 ? {} : { fifoEmpty, autoFifo }),
    ...((writable & countsClosed) === 0 ? {} : { countsClosed }),
  };
};

/**
 * Bit 5 of Config2 enables MSI on PCI chips, and signals PME on PCI Express chips. Bit 0 of Config5 reports PME on PCI
 * chips, and enables ASPM on PCI Express chips.
 */
const { clockRequest: _clock, pmeSignal, ...config2 } = common.Conf2;
const { aspm, ...config5 } = common.Conf5;
const ON_PCI = { Config2: { ...config2, msi: pmeSignal }, Config5: { ...config5, pmeStatus: aspm } } as const;

const jumboSwitch = ({ config4 }: { readonly config4: number }): Fields => (config4 === 0 ? {} : { jumbo: config4 });

/** Registers whose fields differ from chip to chip. */
const own = ({ profile }: Chip): Readonly<Record<string, Fields>> => {
  const { queues: counts, frames } = profile;
  const status = vectors(counts);
  return {
    ...(profile.function.bus === "pci" ? ON_PCI : {}),
    ...(frames.jumbo === undefined ? {} : { Config4: jumboSwitch(frames.jumbo) }),
    RxConfig: rxConfig(profile),
    TxConfig: txConfig(profile),
    IMR_V2_CLEAR: status,
    ISR_V2: status,
    IMR_V2_SET: status,
    TDU_STA: queues("queue", counts.transmit),
    RDU_STA: queues("queue", counts.receive),
    TPPOLL: queues("queue", counts.transmit),
  };
};

const OWN = new Map<string, ReturnType<typeof own>>();

/** The fields of a register on this chip; without a chip, the fields common to all chips. */
export const fieldsOf = (name: string, chip?: Chip): Fields | undefined => {
  if (chip !== undefined && !OWN.has(chip.key)) OWN.set(chip.key, own(chip));
  return OWN.get(chip?.key ?? "")?.[name] ?? BITS[name] ?? BITS[name.replace(/\d+$/, "")];
};

/** The fields whose value is not 0, highest bit first. */
export const decode = (value: number, fields: Fields): readonly (readonly [name: string, value: number])[] =>
  Object.entries(fields)
    .filter(([, field]) => (value & bitsOf(field)) !== 0)
    .sort(([, a], [, b]) => (bitsOf(b) >>> 0) - (bitsOf(a) >>> 0))
    .map(([name, field]) => [name, fieldValue(value, field)]);
