/** Brings a chip up, in steps of one line each, and stops it. */
import { STANDARD_MTU } from "#chip/frames.ts";
import {
  CPlusCmd,
  Cfg9346,
  ChipCmd,
  Cmd,
  Config2,
  Config3,
  Config4,
  Config5,
  IDR0,
  IDR4,
  IntrMitigate,
  Lock,
  MISC,
  MaxTxPacketSize,
  Misc,
  RDSAR,
  RDSARHigh,
  RxConf,
  RxConfig,
  RxMaxSize,
  TNPDS,
  TNPDSHigh,
  TxConfig,
} from "#chip/registers.ts";
import {
  ReceiveFormat as FormatBits,
  INT_CFG0,
  INT_MITI,
  IntCfg0,
  RDSAR_Q,
  RxConf8125,
  RxFormat,
  TNPDS_Q1,
} from "#chip/registers-8125.ts";
import { ExtendedRss, QUEUE_VLAN_FILTERS, QueueCount, TransmitQueues } from "#chip/rss.ts";
import { until } from "#kit/clock.ts";
import type { BusAddress } from "#kit/dma.ts";
import { DeviceGone } from "#kit/errors.ts";
import type { ReceiveFormat } from "./descriptor-formats.ts";
import { DRAINS } from "./drain.ts";
import { ResetTimeout } from "./errors.ts";
import { INTERRUPTS } from "./interrupts.ts";
import type { Hardware } from "./hardware.ts";
import { run } from "./steps.ts";
import { TAKE_OVERS } from "./take-over.ts";

export interface Rings {
  readonly receive: BusAddress;
  readonly transmit: BusAddress;
  /** Addresses of the rings of queues 1 and up, if these queues have rings of their own. */
  readonly others: readonly { readonly receive: BusAddress; readonly transmit: BusAddress | undefined }[];
  /** Longest frame that the receiver may write, in bytes with FCS. */
  readonly largestFrame: number;
  readonly receiveFormat: ReceiveFormat;
  readonly mtu: number;
}

/** Brings a NIC from any state, including one that another driver left, to running with interrupts masked. */
export const bringUp = (hw: Hardware, rings: Rings): void => {
  const { io } = hw;
  const { takeOver, configuredOnceOn } = hw.chip.profile.mac;
  maskInterrupts(hw);
  quiesce(hw);
  TAKE_OVERS[takeOver](hw);
  io.write8(Cfg9346, Lock.unlock);
  setOffloads(hw, rings);
  stopModeration(hw);
  clearSleep(hw);
  if (!configuredOnceOn) configureTransmitter(hw);
  run(hw, hw.start.mac, rings.mtu);
  // `setReceiveFormat` must come after the start values, because those of some chips clear a bit of `RxFormat`.
  setReceiveFormat(hw, rings);
  limitReceive(hw, rings);
  if (!configuredOnceOn) setTransmitThreshold(hw, rings);
  allowJumbo(hw, rings);
  pointAtRings(hw, rings);
  if (hw.queues > 1) ADD_QUEUES[hw.chip.profile.queues.rings](hw, rings);
  io.write8(Cfg9346, Lock.lock);
  openGate(hw);
  io.write8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
  if (configuredOnceOn) {
    configureTransmitter(hw);
    setTransmitThreshold(hw, rings);
  }
};

/**
 * Stops reception, lets the FIFOs drain as far as `drain.ts` can on this chip, then resets. Afterwards the chip
 * accesses no memory.
 */
export const quiesce = (hw: Hardware): void => {
  hw.io.update32(RxConfig, RxConf.acceptMask, 0);
  DRAINS[hw.chip.profile.mac.drain](hw);
  reset(hw);
};

const RESET_LIMIT_MICROS = 10_000;

/** @throws {ResetTimeout} if the reset bit does not clear itself; @throws {DeviceGone} if the card left the bus. */
export const reset = ({ io, clock }: Hardware): void => {
  io.write8(ChipCmd, Cmd.reset);
  if (until(clock, RESET_LIMIT_MICROS, 100, () => (io.read8(ChipCmd) & Cmd.reset) === 0)) return;
  const chipCmd = io.read8(ChipCmd);
  if (chipCmd === 0xff) throw new DeviceGone("ChipCmd");
  throw new ResetTimeout({ waitedMicros: RESET_LIMIT_MICROS, chipCmd });
};

/** Masks and acknowledges all interrupts. */
export const maskInterrupts = ({ io, chip, allInterrupts }: Hardware): void => {
  for (const registers of new Set([INTERRUPTS[chip.profile.mac.interrupts], allInterrupts])) {
    registers.allow(io, 0);
    registers.acknowledge(io, registers.absent);
  }
};

/**
 * Enables receive checksums and tag stripping. After a reset, CPlusCmd must be written before the other configuration
 * registers, because on the oldest chips it changes their meaning (FreeBSD, re_init_locked).
 */
const setOffloads = ({ io, chip: { profile } }: Hardware, { receive }: Rings): void =>
  io.write16(CPlusCmd, profile.mac.command | (receive < 2 ** 32 ? 0 : profile.mac.commandAbove4GiB));

/**
 * Selects the format of receive descriptors, on chips with several formats. On the RTL8125BP and later, also disables
 * the mode in which the chip drops frames with a bad FCS, because the lengths that the chip reports in that mode
 * exclude the FCS. Another system may have enabled that mode (DPDK 1e370595f4).
 */
const setReceiveFormat = ({ io, chip }: Hardware, { receiveFormat }: Rings): void => {
  const { hashedFormat } = chip.profile.frames;
  if (hashedFormat === undefined) return;
  io.update32(RxConfig, RxConf8125.descriptorsV3, receiveFormat.config);
  const { dropBadFcs, format4 } = FormatBits;
  if (hashedFormat === 4) io.update8(RxFormat, dropBadFcs | format4, receiveFormat.select);
};

/** Turns interrupt moderation off. */
const stopModeration = ({ io, chip: { profile } }: Hardware): void => {
  const { mac, queues } = profile;
  if (mac.moderation === "IntrMitigate") io.write16(IntrMitigate, 0);
  // Each moderation block has two words.
  else if (mac.moderation === "blocks")
    for (const word of INT_MITI.slice(0, 2 * queues.moderationBlocks)) io.write32(word, 0);
};

/** Disables wake-up, and everything that must be off while the PCI Express PHY is written. */
const clearSleep = ({ io, chip }: Hardware): void => {
  const { config2, config3, config5 } = chip.profile.mac.cleared;
  if (config3 !== 0) io.update8(Config3, config3, 0);
  if (config2 !== 0) io.update8(Config2, config2, 0);
  if (config5 !== 0) io.update8(Config5, config5, 0);
};

const configureTransmitter = ({ io, chip }: Hardware): void => io.write32(TxConfig, chip.profile.mac.transmitConfig);

const setTransmitThreshold = ({ io, chip }: Hardware, { mtu }: Rings): void => {
  const { transmitThreshold } = chip.profile.mac;
  if (transmitThreshold !== undefined)
    io.write8(MaxTxPacketSize, mtu > STANDARD_MTU ? transmitThreshold.jumbo : transmitThreshold.usual);
};

const limitReceive = ({ io, chip }: Hardware, { largestFrame }: Rings): void => {
  if (chip.profile.mac.limitsReceive) io.write16(RxMaxSize, largestFrame);
};

/** Enables or disables jumbo frames on chips that have a bit for it. Configuration must be unlocked. */
const allowJumbo = ({ io, chip }: Hardware, { mtu }: Rings): void => {
  const { frames } = chip.profile;
  if (frames.jumbo === undefined) return;
  const jumbo = mtu > STANDARD_MTU;
  for (const [register, bits] of [
    [Config3, frames.jumbo.config3],
    [Config4, frames.jumbo.config4],
  ] as const)
    if (bits !== 0) io.update8(register, bits, jumbo ? bits : 0);
};

const openGate = ({ io, chip }: Hardware): void => {
  if (chip.profile.frames.receiveGate) io.update32(MISC, Misc.receiveGate, 0);
};

/** Writes the rings' addresses, high halves first, because a new address takes effect when its low half is written. */
const pointAtRings = ({ io }: Hardware, rings: Rings): void => {
  io.writeHigh(TNPDSHigh, rings.transmit);
  io.writeLow(TNPDS, rings.transmit);
  io.writeHigh(RDSARHigh, rings.receive);
  io.writeLow(RDSAR, rings.receive);
};

/**
 * Sets the rings of queues 1 and up and the number of transmit queues, and enables the vectored interrupt registers.
 * `Rss` sets the number of receive queues.
 */
const addQueues = ({ io, side }: Hardware, { others }: Rings): void => {
  for (const [i, { receive, transmit }] of others.entries()) {
    io.writeHigh(RDSAR_Q[2 * i + 1]!, receive);
    io.writeLow(RDSAR_Q[2 * i]!, receive);
    if (transmit === undefined) continue;
    io.writeHigh(TNPDS_Q1[2 * i + 1]!, transmit);
    io.writeLow(TNPDS_Q1[2 * i]!, transmit);
  }
  const { macOcp, shift, mask } = TransmitQueues;
  const transmitters = 1 + others.filter(({ transmit }) => transmit !== undefined).length;
  side.macUpdate(macOcp, mask << shift, Math.log2(transmitters) << shift);
  io.update8(INT_CFG0, 0, IntCfg0.enable);
};

/**
 * Sets the number of queues whose descriptors alternate in the receive ring. Called while the receiver is still
 * disabled.
 */
const alternateQueues = (hw: Hardware): void => {
  const { mask, shift } = QueueCount;
  hw.side.eriUpdate(ExtendedRss.queues, mask << shift, Math.log2(hw.queues) << shift);
  run(hw, [{ on: "eri", words: QUEUE_VLAN_FILTERS }]);
};

const ADD_QUEUES = { separate: addQueues, alternating: alternateQueues } as const;

/** Sets the station address, high half first. Each half is read back to flush the write. */
export const setStationAddress = ({ io }: Hardware, mac: Uint8Array): void => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  io.write8(Cfg9346, Lock.unlock);
  io.write32(IDR4, e | (f << 8));
  io.read32(IDR4);
  io.write32(IDR0, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0);
  io.read32(IDR0);
  io.write8(Cfg9346, Lock.lock);
};

/** The station address that the chip uses at present. */
export const stationAddress = ({ io }: Hardware): Uint8Array => {
  const low = io.read32(IDR0);
  const high = io.read32(IDR4);
  return Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8);
};
