/** Bring-up as a checklist: each line one verb. And the way back down. */
import {
  CPlus,
  CPlusCmd,
  Cfg9346,
  ChipCmd,
  Cmd,
  IDR0,
  IDR4,
  IntrMask,
  IntrMitigate,
  IntrStatus,
  Lock,
  MCU,
  MISC,
  MAR0,
  MAR4,
  MaxTxPacketSize,
  Mcu,
  Misc,
  RDSAR,
  RDSARHigh,
  RxConf,
  RxConfig,
  RxMaxSize,
  TNPDS,
  TNPDSHigh,
  TxConf,
  TxConfig,
} from "#chip/registers.ts";
import { type Clock, until } from "#kit/clock.ts";
import { DeviceGone } from "#kit/errors.ts";
import type { Mmio } from "#kit/mmio.ts";
import { ResetTimeout } from "./errors.ts";
import { LINK_LIST, RECEIVE_CONFIG, prepare } from "./rtl8168h.ts";
import type { SideBus } from "./side-bus.ts";

/** What the verbs need. */
export interface Hardware {
  readonly io: Mmio;
  readonly bus: SideBus;
  readonly clock: Clock;
}

export interface Rings {
  readonly receive: number;
  readonly transmit: number;
  /** Largest frame the receiver may write, in bytes with FCS. */
  readonly largestFrame: number;
}

/** From any state, including one another driver left behind, to a running NIC with its interrupts masked. */
export const bringUp = (hw: Hardware, rings: Rings): void => {
  maskInterrupts(hw);
  quiesce(hw);
  leaveOutOfBand(hw);
  hw.io.write8(Cfg9346, Lock.unlock);
  prepare(hw.io, hw.bus);
  setOffloads(hw);
  setFrameLimits(hw, rings);
  pointAtRings(hw, rings);
  hw.io.write8(Cfg9346, Lock.lock);
  openGate(hw);
  hw.io.write8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
  acceptFrames(hw, RxConf.acceptBroadcast | RxConf.acceptPhysical);
};

/** Stops both directions without losing what the FIFOs hold, then resets. Afterwards the chip touches no memory. */
export const quiesce = (hw: Hardware): void => {
  const { io, clock } = hw;
  io.update32(RxConfig, RxConf.acceptMask, 0);
  io.update32(MISC, 0, Misc.receiveGate);
  clock.delay(2000);
  // Best effort, as in DPDK `rtl_wait_txrx_fifo_empty`: a chip in a bad state never says empty, and reset cures it.
  until(clock, 4200, 100, () => (io.read32(TxConfig) & TxConf.fifoEmpty) !== 0);
  const empty = Mcu.transmitEmpty | Mcu.receiveEmpty;
  until(clock, 4200, 100, () => (io.read8(MCU) & empty) === empty);
  reset(hw);
};

const RESET_LIMIT_MICROS = 10_000;

/** @throws {ResetTimeout} when the bit does not clear itself; @throws {DeviceGone} when the card left the bus. */
export const reset = ({ io, clock }: Hardware): void => {
  io.write8(ChipCmd, Cmd.reset);
  if (until(clock, RESET_LIMIT_MICROS, 100, () => (io.read8(ChipCmd) & Cmd.reset) === 0)) return;
  const chipCmd = io.read8(ChipCmd);
  if (chipCmd === 0xff) throw new DeviceGone("ChipCmd");
  throw new ResetTimeout({ waitedMicros: RESET_LIMIT_MICROS, chipCmd });
};

/** Disables and forgets every interrupt. */
export const maskInterrupts = ({ io }: Hardware): void => {
  io.write16(IntrMask, 0);
  io.acknowledge16(IntrStatus, 0xffff);
};

/** DPDK `rtl_exit_oob`: two hand-shakes over the list of packet buffers inside the chip. */
const leaveOutOfBand = ({ io, bus, clock }: Hardware): void => {
  const ready = (): boolean => (io.read8(MCU) & Mcu.linkListReady) !== 0;
  io.update8(MCU, Mcu.nowOutOfBand, 0);
  bus.macUpdate(LINK_LIST.address, LINK_LIST.start, 0);
  until(clock, 4200, 100, ready);
  bus.macUpdate(LINK_LIST.address, 0, LINK_LIST.done);
  until(clock, 4200, 100, ready);
};

/** Checksums verified and tags taken out on receive; no packet counter tricks, no coalescing. */
const setOffloads = ({ io }: Hardware): void => {
  io.write16(CPlusCmd, CPlus.normal | CPlus.receiveVlan | CPlus.receiveChecksum);
  io.write16(IntrMitigate, 0);
};

const setFrameLimits = ({ io }: Hardware, rings: Rings): void => {
  io.write16(RxMaxSize, rings.largestFrame);
  // In units of 128 bytes; what the 8168E-VL and all later chips take, jumbo frames included.
  io.write8(MaxTxPacketSize, 0x27);
};

/** High halves first: the chip latches the address with the low half. */
const pointAtRings = ({ io }: Hardware, rings: Rings): void => {
  io.write32(TNPDSHigh, Math.floor(rings.transmit / 2 ** 32));
  io.write32(TNPDS, rings.transmit);
  io.write32(RDSARHigh, Math.floor(rings.receive / 2 ** 32));
  io.write32(RDSAR, rings.receive);
};

const openGate = ({ io }: Hardware): void => io.update32(MISC, Misc.receiveGate, 0);

/** Sets which frames are received, by `RxConf.accept*` bits. */
export const acceptFrames = ({ io }: Hardware, accept: number): void => {
  io.write32(RxConfig, RECEIVE_CONFIG | accept);
};

/** The 64-bit hash for multicast addresses; all ones takes every group. */
export const setMulticastHash = ({ io }: Hardware, low: number, high: number): void => {
  io.write32(MAR4, high);
  io.write32(MAR0, low);
};

/** Station address, high half first, each half flushed by reading it back. */
export const setStationAddress = ({ io }: Hardware, mac: Uint8Array): void => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  io.write8(Cfg9346, Lock.unlock);
  io.write32(IDR4, e | (f << 8));
  io.read32(IDR4);
  io.write32(IDR0, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0);
  io.read32(IDR0);
  io.write8(Cfg9346, Lock.lock);
};

/** Station address as the chip has it. */
export const stationAddress = ({ io }: Hardware): Uint8Array => {
  const low = io.read32(IDR0);
  const high = io.read32(IDR4);
  return Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8);
};
