/**
 * What each register does, laid beside the register map: a register of the map without a row here does not compile.
 *
 * Offsets and bit names come from `#chip`; behaviour is the model's alone, so that driver and model cannot agree on a
 * mistake by sharing code. Sources: RTL8169 and RTL8168C register tables; what they leave open is said in the row.
 */
import * as chip from "#chip/registers.ts";
import type { Access, Register, Width } from "#kit/mmio.ts";

type Map = typeof chip;
/** Every register of the map. */
export type RegisterName = { [K in keyof Map]: Map[K] extends Register<Width, Access> ? K : never }[keyof Map];
type WidthOf<K extends RegisterName> = Map[K] extends Register<infer W, Access> ? W : never;

/** What a write to a register, or a read of it, sets off. `Rtl8169` has one function for each. */
export type Effect =
  | "station"
  | "filter"
  | "tally"
  | "transmitBase"
  | "transmitBaseHigh"
  | "priorityBase"
  | "priorityBaseHigh"
  | "receiveBase"
  | "receiveBaseHigh"
  | "command"
  | "poll"
  | "interruptMask"
  | "acknowledge"
  | "transmitConfig"
  | "receiveConfig"
  | "timerRestart"
  | "timerThreshold"
  | "csi"
  | "eri"
  | "ephy"
  | "macOcp"
  | "phyOcp"
  | "mitigate";

export interface Behaviour<W extends Width = Width> {
  /** Its width in bits; the type makes it agree with the map. */
  readonly width: W;
  /** Value after power-on. */
  readonly reset: number;
  /** Bits a guest can change. */
  readonly writable: number;
  /** A software reset (ChipCmd) puts it back too. Otherwise only power-on and bus reset do. */
  readonly softReset?: true;
  /** Writes are lost unless Cfg9346 is unlocked. */
  readonly locked?: true;
  /** After the write is stored, with the value as written and the bits that were written. */
  readonly onWrite?: Effect;
  /** Another name for (part of) a register that has its own row. */
  readonly alias?: true;
}

const ALL = 0xffff_ffff;
const { Cmd, Dllpr, Lock, Mcu, Pmch, RxConf, TxConf } = chip;
const alias8 = { width: 8, reset: 0, writable: 0, alias: true } as const;
const alias32 = { width: 32, reset: 0, writable: 0, alias: true } as const;
/** Bits 13:11 of the threshold and early-receive fields; the model moves whole frames whatever they say. */
const RX_WRITABLE = 0xe000 | RxConf.earlyOff | RxConf.dmaBurst | RxConf.acceptMask;
const TX_WRITABLE = TxConf.interFrameGap | TxConf.loopback | TxConf.noCrc | TxConf.dmaBurst | TxConf.autoFifo;

// prettier-ignore
// oxfmt-ignore
export const behaviour = {
  // The datasheet: IDR and MAR keep their values through a software reset.
  IDR0:             { width: 32, reset: 0, writable: ALL, locked: true, onWrite: "station" },
  IDR4:             { width: 32, reset: 0, writable: 0xffff, locked: true, onWrite: "station" },
  MAR0:             { width: 32, reset: 0, writable: ALL, onWrite: "filter" },
  MAR4:             { width: 32, reset: 0, writable: ALL, onWrite: "filter" },
  DTCCR:            { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "tally" },
  DTCCRHigh:        { width: 32, reset: 0, writable: ALL, softReset: true },
  TNPDS:            { width: 32, reset: 0, writable: 0xffff_ff00, softReset: true, onWrite: "transmitBase" },
  TNPDSHigh:        { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "transmitBaseHigh" },
  THPDS:            { width: 32, reset: 0, writable: 0xffff_ff00, softReset: true, onWrite: "priorityBase" },
  THPDSHigh:        { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "priorityBaseHigh" },
  // Cmd.bufferEmpty is the RTL8139's; with descriptors it reads 0.
  ChipCmd:          { width: 8,  reset: 0, writable: Cmd.stopRequest | Cmd.receiveEnable | Cmd.transmitEnable, softReset: true, onWrite: "command" },
  // The poll bits clear themselves when the ring has been walked, which here is before the write is over.
  TxPoll:           { width: 8,  reset: 0, writable: 0, onWrite: "poll" },
  IntrMask:         { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "interruptMask" },
  IntrStatus:       { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge" },
  // The identification is put in when the chip is made. Frames leave at once, so the FIFO is always empty.
  TxConfig:         { width: 32, reset: TxConf.fifoEmpty, writable: TX_WRITABLE, softReset: true, onWrite: "transmitConfig" },
  RxConfig:         { width: 32, reset: 0, writable: RX_WRITABLE, softReset: true, onWrite: "receiveConfig" },
  TimerCount:       { width: 32, reset: 0, writable: 0, onWrite: "timerRestart" },
  // The counter went away with the PCIe chips; the register reads 0.
  MissedPackets:    { width: 32, reset: 0, writable: 0 },
  Cfg9346:          { width: 8,  reset: Lock.lock, writable: 0xcf },
  Config0:          { width: 8,  reset: 0, writable: 0, locked: true },
  // Memory and I/O mapped, as after the EEPROM was loaded.
  Config1:          { width: 8,  reset: 0x0c | chip.Conf1.powerManagement, writable: 0xd3, locked: true },
  Config2:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config3:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config4:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config5:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  TimerInt:         { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "timerThreshold" },
  // MDIO access went away with the OCP generation.
  PHYAR:            { width: 32, reset: 0, writable: 0 },
  CSIDR:            { width: 32, reset: 0, writable: ALL },
  CSIAR:            { width: 32, reset: 0, writable: 0, onWrite: "csi" },
  PHYstatus:        { width: 8,  reset: 0, writable: 0 },
  PMCH:             { width: 8,  reset: 0, writable: Pmch.d3coldKeepPll | Pmch.d3hotKeepPll },
  ERIDR:            { width: 32, reset: 0, writable: ALL },
  ERIAR:            { width: 32, reset: 0, writable: 0, onWrite: "eri" },
  EPHYAR:           { width: 32, reset: 0, writable: 0, onWrite: "ephy" },
  MACOCP:           { width: 32, reset: 0, writable: 0, onWrite: "macOcp" },
  PHYOCP:           { width: 32, reset: 0, writable: 0, onWrite: "phyOcp" },
  COMBO_LTR_EXTEND: { width: 8,  reset: 0, writable: 0xff },
  DLLPR:            { width: 8,  reset: 0, writable: 0xff & (Dllpr.pfm | Dllpr.tenMegPowerSave) },
  // Out-of-band mode is what the chip wakes up in; bit 3 is EN_NDP. The FIFOs are never seen filled.
  MCU:              { width: 8,  reset: Mcu.nowOutOfBand | Mcu.transmitEmpty | Mcu.receiveEmpty | Mcu.linkListReady,
                      writable: Mcu.nowOutOfBand | Mcu.enableOobReset | 1 << 3 },
  // The datasheet wants a value other than 0 here before frames are received.
  RxMaxSize:        { width: 16, reset: 0, writable: 0x7fff, softReset: true, onWrite: "receiveConfig" },
  CPlusCmd:         { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "receiveConfig" },
  IntrMitigate:     { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "mitigate" },
  RDSAR:            { width: 32, reset: 0, writable: 0xffff_ff00, softReset: true, onWrite: "receiveBase" },
  RDSARHigh:        { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "receiveBaseHigh" },
  // From 8168E-VL on this sizes early transmission, not frames: C drivers send 9 KiB frames with 0x27 (4992 bytes) here.
  MaxTxPacketSize:  { width: 8,  reset: 0x3f, writable: 0x3f },
  MISC:             { width: 32, reset: 0, writable: ALL, onWrite: "receiveConfig" },
  MISC_1:           alias8,
  ChipId:           alias32,
} as const satisfies { [K in RegisterName]: Behaviour<WidthOf<K>> };
