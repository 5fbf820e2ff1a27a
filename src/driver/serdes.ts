/**
 * The RTL8127ATF: a SerDes with an SFP cage in place of the copper PHY.
 *
 * Source: DPDK `drivers/net/r8169/r8169_fiber.c` (BSD-3-Clause, Realtek).
 */
import {
  At233a,
  At233e,
  At2350,
  SDS_ADDR,
  SDS_CMD,
  SDS_DATA_IN,
  SDS_DATA_OUT,
  Serdes,
  SerdesCommand,
} from "#chip/registers-8125.ts";
import { until } from "#kit/clock.ts";
import type { Hardware } from "./hardware.ts";

/** MAC-OCP 0xd006: what hangs on the MAC. */
const MEDIUM = { address: 0xd006, mask: 0xff, fibre: 7 } as const;

const COMMAND_LIMIT_MICROS = 100;

const command = ({ io, clock, overdue }: Hardware, page: number, register: number, what: number): void => {
  io.write16(SDS_ADDR, (page << 5) | register);
  io.write16(SDS_CMD, SerdesCommand.go | what);
  if (!until(clock, COMMAND_LIMIT_MICROS, 1, () => (io.read16(SDS_CMD) & SerdesCommand.go) === 0))
    overdue.note("the SerDes to take a command");
};

/** Registers of the SerDes: pages of 32. */
const update = (hw: Hardware, page: number, register: number, clear: number, set: number): void => {
  command(hw, page, register, 0);
  hw.io.write16(SDS_DATA_IN, (hw.io.read16(SDS_DATA_OUT) & ~clear) | set);
  command(hw, page, register, SerdesCommand.write);
};

const STOPPED = 0x801f;

const reset = ({ io, clock }: Hardware): void => {
  io.update8(At2350, Serdes.run, 0);
  clock.delay(1);
  io.write16(At233a, STOPPED);
  io.update8(At2350, 0, Serdes.run);
  clock.delay(10);
};

/** The usual MTU: no pause with larger frames. */
const PAUSE_MTU = 1500;

/** At 10 Gbit/s, the one speed that needs no choice by the user; nothing where a copper PHY is. */
export const startSerdes = (hw: Hardware, mtu: number): void => {
  const bus = hw.side;
  if ((bus.macRead(MEDIUM.address) & MEDIUM.mask) !== MEDIUM.fibre) return;
  // Out of 1000BASE-X, in case that is what it was left in.
  update(hw, 1, 31, 1 << 3, 0);
  update(hw, 2, 0, (1 << 13) | (1 << 12), 1 << 6);
  reset(hw);
  const pause = (1 << 3) | (1 << 2);
  update(hw, 31, 11, pause, mtu <= PAUSE_MTU ? pause : 0);
  hw.io.write16(At233a, Serdes.mode10000);
  hw.io.update16(At233e, 0x3003, 1 << 12);
  for (const [address, value] of [
    [0xc40a, 0],
    [0xc466, 3],
    [0xc808, 0],
    [0xc80a, 0],
  ] as const)
    bus.phyWrite(address, value);
  bus.phyUpdate(0xc804, 0x000f, 0x000c);
};
