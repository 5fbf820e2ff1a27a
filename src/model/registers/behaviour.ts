/**
 * Behaviour of each register of the register map; a register without a row here does not compile. Offsets and bit names
 * come from `#chip`. Behaviour is coded only in the model, so that driver and model cannot have the same error by
 * sharing code. Sources: RTL8169 and RTL8168C register tables. Where something had to be assumed, the row says so.
 */
import { type Chip, xidOf } from "#chip/chips.ts";
import * as chip from "#chip/registers.ts";
import { registerLayer, type Rows } from "./layer.ts";

const ALL = 0xffff_ffff;
const { Cmd, Dllpr, Lock, Mcu, Pmch, TxConf } = chip;
const alias8 = { width: 8, reset: 0, writable: 0, alias: true } as const;
const alias16 = { width: 16, reset: 0, writable: 0, alias: true } as const;
const alias32 = { width: 32, reset: 0, writable: 0, alias: true } as const;
/** Bits of TxConfig that identify the chip. */
const identification = (row: Chip): number => xidOf(row) << TxConf.xidShift;
const reportsFifoEmpty = ({ profile }: Chip): boolean => (profile.txConfig & TxConf.autoFifo) !== 0;

// prettier-ignore
// oxfmt-ignore
const rows = {
  // A software reset preserves IDR and MAR (datasheet).
  IDR0:             { width: 32, reset: 0, writable: ALL, locked: true, onWrite: "station" },
  IDR4:             { width: 32, reset: 0, writable: 0xffff, locked: true, onWrite: "station" },
  MAR0:             { width: 32, reset: 0, writable: ALL, onWrite: "filter" },
  MAR4:             { width: 32, reset: 0, writable: ALL, onWrite: "filter" },
  DTCCR:            { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "tally" },
  DTCCRHigh:        { width: 32, reset: 0, writable: ALL, softReset: true },
  LED_CTRL:         { width: 16, reset: 0, writable: 0xffff, on: "express" },
  LED_FREQ:         { width: 8,  reset: 0, writable: 0xff, on: "express" },
  EEE_LED:          { width: 8,  reset: 0, writable: 0xff, on: "express" },
  // A software reset returns to the starts of the rings but preserves their bases. To test an 8168DP in loopback, the
  // vendor's driver resets it until a frame returns, without writing the bases, TxConfig or RxMaxSize again.
  TNPDS:            { width: 32, reset: 0, writable: 0xffff_ff00, onWrite: "transmitBase" },
  TNPDSHigh:        { width: 32, reset: 0, writable: ALL, onWrite: "transmitBaseHigh" },
  THPDS:            { width: 32, reset: 0, writable: 0xffff_ff00, onWrite: "priorityBase" },
  THPDSHigh:        { width: 32, reset: 0, writable: ALL, onWrite: "priorityBaseHigh" },
  // The model has no boot ROM.
  FLASH:            { width: 32, reset: 0, writable: ALL },
  ERSR:             { width: 8,  reset: 0, writable: 0 },
  // Cmd.bufferEmpty is for the receive buffer of the RTL8139; with descriptors it reads 0.
  ChipCmd:          { width: 8,  reset: 0, writable: Cmd.stopRequest | Cmd.receiveEnable | Cmd.transmitEnable, softReset: true, onWrite: "command" },
  // The poll bits clear themselves when the ring was processed; in the model that is before the write completes.
  TxPoll:           { width: 8,  reset: 0, writable: 0, onWrite: "poll" },
  IntrMask:         { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "interruptMask" },
  IntrStatus:       { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve" },
  IntrStatus_0:     alias8,
  // Frames are sent at once, so the FIFO is always empty.
  TxConfig:         { width: 32, reset: (row) => identification(row) | (reportsFifoEmpty(row) ? TxConf.fifoEmpty : 0), writable: (row) => row.profile.txConfig, onWrite: "transmitConfig" },
  RxConfig:         { width: 32, reset: 0, writable: (row) => row.profile.rxConfig, softReset: true, onWrite: "receiveConfig" },
  TimerCount:       { width: 32, reset: 0, writable: 0, onWrite: "timerRestart", onRead: "timerRead" },
  // PCIe chips do not have this 24-bit counter, and the register reads 0.
  MissedPackets:    { width: 32, reset: 0, writable: (row) => (row.profile.frames.countsMissed ? 0xff_ffff : 0) },
  Cfg9346:          { width: 8,  reset: Lock.lock, writable: 0xcf, onWrite: "eeprom" },
  Config0:          { width: 8,  reset: 0, writable: 0, locked: true },
  // The reset value says that memory and I/O are mapped, as after the EEPROM was loaded.
  Config1:          { width: 8,  reset: 0x0c | chip.Conf1.powerManagement, writable: 0xd3, locked: true },
  Config2:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config3:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config4:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  Config5:          { width: 8,  reset: 0, writable: 0xff, locked: true },
  TDFNR:            { width: 8,  reset: 0, writable: 0x1f, on: "express" },
  TimerInt:         { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "timerThreshold" },
  // No driver uses these timers: they keep the written value and never fire.
  TimerInt1:        { width: 32, reset: 0, writable: ALL, softReset: true, on: "express" },
  TimerInt1_0:      { ...alias16, on: "express" },
  TimerInt2:        { width: 32, reset: 0, writable: ALL, softReset: true, on: "express" },
  TimerInt3:        { width: 32, reset: 0, writable: ALL, softReset: true, on: "express" },
  PHYAR:            { width: 32, reset: 0, writable: 0, onWrite: "mdio", on: "mdio" },
  CSIDR:            { width: 32, reset: 0, writable: ALL, on: "express" },
  CSIAR:            { width: 32, reset: 0, writable: 0, onWrite: "csi", on: "express" },
  PHYstatus:        { width: 8,  reset: 0, writable: 0 },
  MACDBG:           { width: 8,  reset: 0, writable: 0xff, on: "express" },
  GPIO:             { width: 8,  reset: 0, writable: 0xff, on: "express" },
  PMCH:             { width: 8,  reset: 0, writable: Pmch.d3coldKeepPll | Pmch.d3hotKeepPll, on: "express" },
  ERIDR:            { width: 32, reset: 0, writable: ALL, on: "express" },
  ERIAR:            { width: 32, reset: 0, writable: 0, onWrite: "eri", on: "express" },
  EPHY_RXER_NUM:    { width: 32, reset: 0, writable: ALL, on: "express" },
  EPHYAR:           { width: 32, reset: 0, writable: 0, onWrite: "ephy", on: "express" },
  // On chips with one receive queue, these status registers never show events.
  IntrMask1:        { width: 8,  reset: 0, writable: 0xff, softReset: true, onWrite: "interruptMask", on: "formerQueues" },
  IntrMask2:        { width: 8,  reset: 0, writable: 0xff, softReset: true, onWrite: "interruptMask", on: "formerQueues" },
  IntrMask3:        { width: 8,  reset: 0, writable: 0xff, softReset: true, onWrite: "interruptMask", on: "formerQueues" },
  IntrStatus1:      { width: 8,  reset: 0, writable: 0, onWrite: "acknowledge", onRead: "interruptObserve", on: "formerQueues" },
  IntrStatus2:      { width: 8,  reset: 0, writable: 0, onWrite: "acknowledge", onRead: "interruptObserve", on: "formerQueues" },
  IntrStatus3:      { width: 8,  reset: 0, writable: 0, onWrite: "acknowledge", onRead: "interruptObserve", on: "formerQueues" },
  RSS_TABLE:        { width: 32, reset: 0, writable: ALL, onWrite: "steer", on: "steering" },
  SecMAC0:          { width: 32, reset: 0, writable: ALL, on: "secondAddress" },
  SecMAC4:          { width: 16, reset: 0, writable: 0xffff, on: "secondAddress" },
  At00b0:           { width: 32, reset: 0, writable: ALL, on: "scratch" },
  MACOCP:           { width: 32, reset: 0, writable: 0, onWrite: "macOcp", on: "ocp" },
  PHYOCP:           { width: 32, reset: 0, writable: 0, onWrite: "phyOcp", on: "ocp" },
  OCPDR:            { width: 32, reset: 0, writable: ALL, on: "gate" },
  OCPAR:            { width: 32, reset: 0, writable: 0, onWrite: "managementOcp", on: "gate" },
  COMBO_LTR_EXTEND: { width: 8,  reset: 0, writable: 0xff, on: "latency" },
  // On the 8168DP this byte is part of RDSAR1, in which bit 17 is the MDIO gate.
  DLLPR:            { width: 8,  reset: 0, writable: 0xff & (Dllpr.pfm | Dllpr.tenMegPowerSave), on: "linkPower" },
  RDSAR1:           { width: 32, reset: 0, writable: ALL, on: "gate" },
  DBG_REG:          { width: 8,  reset: 0, writable: 0xff, on: "linkPower" },
  TWSI:             { width: 8,  reset: 0, writable: 0xff, on: "linkPower" },
  // The chip is in out-of-band mode after power-on; bit 3 is EN_NDP. The FIFOs always read as empty.
  MCU:              { width: 8,  reset: Mcu.nowOutOfBand | Mcu.transmitEmpty | Mcu.receiveEmpty | Mcu.linkListReady,
                      writable: Mcu.nowOutOfBand | Mcu.enableOobReset | 1 << 3, on: "linkPower" },
  // The datasheet requires a value other than 0 here before frames are received.
  RxMaxSize:        { width: 16, reset: 0, writable: 0x7fff, onWrite: "receiveConfig" },
  EFUSEAR:          { width: 32, reset: 0, writable: 0, onWrite: "efuse", on: "efuse" },
  CPlusCmd:         { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "receiveConfig" },
  IntrMitigate:     { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "mitigate" },
  RDSAR:            { width: 32, reset: 0, writable: 0xffff_ff00, onWrite: "receiveBase" },
  RDSARHigh:        { width: 32, reset: 0, writable: ALL, onWrite: "receiveBaseHigh" },
  // From the 8168E-VL on this is a threshold of early transmission, not a limit of the frame length: C drivers send
  // frames of 9 KiB with 0x27 (4992 bytes).
  MaxTxPacketSize:  { width: 8,  reset: 0x3f, writable: 0x3f },
  MISC:             { width: 32, reset: 0, writable: ALL, onWrite: "receiveConfig", on: "express" },
  MISC_0:           { ...alias8, on: "express" },
  MISC_1:           { ...alias8, on: "express" },
  MISC_2:           { ...alias8, on: "express" },
  IBCR0:            { width: 8,  reset: 0, writable: 0xff, on: "mailbox" },
  IBCR2:            { width: 8,  reset: 0, writable: 0xff, onWrite: "mailboxControl", on: "mailbox" },
  IBIMR0:           { width: 8,  reset: 0, writable: 0xff, on: "mailbox" },
  IBISR0:           { width: 8,  reset: 0, writable: 0, onWrite: "mailboxStatus", on: "mailbox" },
  ChipId:           alias32,
} as const satisfies Rows<typeof chip>;

export const FAMILY = registerLayer(chip, rows);
