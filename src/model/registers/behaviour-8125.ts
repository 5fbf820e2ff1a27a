/**
 * Behaviour of the registers added with the RTL8125, 8126, 8127 and 9151. Source: their use in DPDK
 * `drivers/net/r8169`; what that leaves open is noted at the row.
 */
import * as chip from "#chip/registers-8125.ts";
import { registerLayer, type Rows } from "./layer.ts";

const ALL = 0xffff_ffff;
const alias8 = { width: 8, reset: 0, writable: 0, alias: true } as const;

// prettier-ignore
// oxfmt-ignore
const rows = {
  LEDSEL0:             { width: 16, reset: 0, writable: 0xffff },
  LEDSEL1:             { width: 16, reset: 0, writable: 0xffff },
  LEDSEL2:             { width: 16, reset: 0, writable: 0xffff },
  LEDSEL3:             { width: 16, reset: 0, writable: 0xffff },
  TCTR1:               { width: 32, reset: 0, writable: 0, onWrite: "timerRestart", onRead: "timerRead" },
  TCTR2:               { width: 32, reset: 0, writable: 0, onWrite: "timerRestart", onRead: "timerRead" },
  TCTR3:               { width: 32, reset: 0, writable: 0, onWrite: "timerRestart", onRead: "timerRead" },
  TIMER_INT1:          { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "timerThreshold" },
  TIMER_INT2:          { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "timerThreshold" },
  TIMER_INT3:          { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "timerThreshold" },
  INT_CFG0:            { width: 8,  reset: 0, writable: 0xff, onWrite: "interruptConfigure" },
  INT_CFG1:            { width: 16, reset: 0, writable: 0xffff },
  IMR0:                { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "interruptMask" },
  ISR0:                { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve" },
  IMR1:                { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "interruptMask" },
  ISR1:                { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve" },
  IMR2:                { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "interruptMask" },
  ISR2:                { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve" },
  IMR3:                { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "interruptMask" },
  ISR3:                { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve" },
  ISR1_0:              alias8,
  ISR2_0:              alias8,
  ISR3_0:              alias8,
  INT_MITI:            { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "mitigate" },
  INT_MITI_RX:         alias8,
  INT_MITI_TX:         alias8,
  IMR_V2_CLEAR:        { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "interruptMaskClear", on: "vectored" },
  ISR_V2:              { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve", on: "vectored" },
  TDU_STA:             { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledgeUnavailable" },
  RDU_STA:             { width: 16, reset: 0, writable: 0, softReset: true, onWrite: "acknowledgeUnavailable" },
  IMR_V2_SET:          { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "interruptMaskSet", on: "vectored" },
  IMR_V4_L2_CLEAR:     { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "interruptMaskClear", on: "separatePointers" },
  ISR_V4_L2:           { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "acknowledge", onRead: "interruptObserve", on: "separatePointers" },
  IMR_V4_L2_SET:       { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "interruptMaskSet", on: "separatePointers" },
  TPPOLL:              { width: 16, reset: 0, writable: 0, onWrite: "pollQueues" },
  PHYstatus16:         { width: 16, reset: 0, writable: 0 },
  // Frames are sent and received at once, so the FIFOs always read as empty.
  FifoStatus:          { width: 16, reset: chip.Fifo.empty, writable: 0 },
  RxFormat:            { width: 8,  reset: 0, writable: 0xff },
  EPHYAR_EXT_ADDR:     { width: 16, reset: 0, writable: 0xffff },
  DOUBLE_VLAN_CONFIG:  { width: 16, reset: 0, writable: 0xffff },
  BACKUP_ADDR0:        { width: 32, reset: 0, writable: ALL },
  BACKUP_ADDR1:        { width: 16, reset: 0, writable: 0xffff },
  TX_NEW_CTRL:         { width: 16, reset: 0, writable: 0xffff },
  TNPDS_Q1:            { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "queueBase" },
  PLA_TXQ_IDLE_CREDIT: { width: 32, reset: 0, writable: ALL },
  SW_TAIL_PTR:         { width: 16, reset: 0, writable: 0xffff, softReset: true, onWrite: "queueTail", on: "pairedPointers" },
  HW_CLO_PTR:          { width: 16, reset: 0, writable: 0, softReset: true, on: "pairedPointers" },
  TX_PTR_V4:           { width: 32, reset: 0, writable: 0, softReset: true, onWrite: "queueTail", on: "singlePointers" },
  SW_TAIL_PTR_V6:      { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "queueTail", on: "separatePointers" },
  HW_CLO_PTR_V6:       { width: 32, reset: 0, writable: 0, softReset: true, on: "separatePointers" },
  RDSAR_Q:             { width: 32, reset: 0, writable: ALL, softReset: true, onWrite: "queueBase" },
  RSS_CTRL:            { width: 32, reset: 0, writable: ALL, onWrite: "steer" },
  RSS_CTRL_0:          alias8,
  RSS_KEY:             { width: 32, reset: 0, writable: ALL, onWrite: "steer" },
  RSS_INDIRECTION_TBL: { width: 32, reset: 0, writable: ALL, onWrite: "steer" },
  Q_NUM_CTRL:          { width: 16, reset: 0, writable: 0xffff, onWrite: "steer" },
  EEE_TXIDLE_TIMER:    { width: 16, reset: 0, writable: 0xffff },
  TxConfigV2:          { width: 32, reset: 0, writable: 0 },
  At0382:              { width: 16, reset: 0, writable: 0xffff },
  RADMFIFO_PROTECT:    { width: 16, reset: 0, writable: 0xffff, on: "fifoProtection" },
  RADMFIFO_PROTECT_0:  { ...alias8, on: "fifoProtection" },
  At1880:              { width: 16, reset: 0, writable: 0xffff },
  At20e4:              { width: 8,  reset: 0, writable: 0xff },
  SDS_CMD:             { width: 16, reset: 0, writable: 0xffff, onWrite: "serdesCommand", on: "serdes" },
  SDS_ADDR:            { width: 16, reset: 0, writable: 0xffff, on: "serdes" },
  SDS_DATA_IN:         { width: 16, reset: 0, writable: 0xffff, on: "serdes" },
  SDS_DATA_OUT:        { width: 16, reset: 0, writable: 0, on: "serdes" },
  At233a:              { width: 16, reset: 0, writable: 0xffff, onWrite: "serdesMode", on: "serdes" },
  At233e:              { width: 16, reset: 0, writable: 0xffff, on: "serdes" },
  At2350:              { width: 8,  reset: 0, writable: 0xff, onWrite: "serdesMode", on: "serdes" },
} as const satisfies Rows<typeof chip>;

export const MULTIGIGABIT = registerLayer(chip, rows, "multigigabit");
