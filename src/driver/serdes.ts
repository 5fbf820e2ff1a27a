/**
 * The RTL8127ATF, which has a SerDes with an SFP cage instead of the copper PHY.
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
import { awaitState, type Hardware } from "./hardware.ts";

/** Field of MAC-OCP 0xd006 that shows the kind of PHY. */
const MEDIUM = { address: 0xd006, mask: 0xff, fibre: 7 } as const;

const COMMAND_LIMIT_MICROS = 100;

const command = (hw: Hardware, page: number, register: number, what: number): void => {
  const { io } = hw;
  io.write16(SDS_ADDR, (page << 5) | register);
  io.write16(SDS_CMD, SerdesCommand.go | what);
  const taken = (): boolean => (io.read16(SDS_CMD) & SerdesCommand.go) === 0;
  awaitState(hw, "the SerDes to accept a command", COMMAND_LIMIT_MICROS, taken, 1);
};

/** Changes bits of a SerDes register. Each page has 32 registers. */
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

/** True if the chip has an SFP cage instead of the copper PHY. Only `MEDIUM` shows this. */
export const hasCage = ({ chip, side }: Hardware): boolean =>
  chip.profile.registers.includes("serdes") && (side.macRead(MEDIUM.address) & MEDIUM.mask) === MEDIUM.fibre;

/**
 * For each speed: the page, the register and the bits that set pause; the mode; the value of register 0x233e; and the
 * value of PHY-OCP register 0xc466 (rtl8127_set_sds_phy_caps_*).
 */
const SPEEDS = {
  1000: { pause: [2, 4, (1 << 8) | (1 << 7)], mode: Serdes.mode1000, at233e: 1 << 1, atC466: 0 },
  10_000: { pause: [31, 11, (1 << 3) | (1 << 2)], mode: Serdes.mode10000, at233e: 1 << 12, atC466: 3 },
} as const;

/** Starts the SerDes at 1000 or 10000 Mbit/s. */
export const startSerdes = (hw: Hardware, speed: number, pause: boolean): void => {
  const bus = hw.side;
  const words = SPEEDS[speed as keyof typeof SPEEDS];
  // Leaves the mode 1000BASE-X, in case the SerDes is in that mode.
  update(hw, 1, 31, 1 << 3, 0);
  update(hw, 2, 0, (1 << 13) | (1 << 12), 1 << 6);
  reset(hw);
  const [page, register, bits] = words.pause;
  update(hw, page, register, bits, pause ? bits : 0);
  if (speed === 1000) {
    update(hw, 1, 31, 0, 1 << 3);
    update(hw, 2, 0, 1 << 13, (1 << 12) | (1 << 6));
    update(hw, 0, 4, 0, 1 << 2);
  }
  hw.io.write16(At233a, words.mode);
  hw.io.update16(At233e, 0x3003, words.at233e);
  for (const [address, value] of [
    [0xc40a, 0],
    [0xc466, words.atC466],
    [0xc808, 0],
    [0xc80a, 0],
  ] as const)
    bus.phyWrite(address, value);
  bus.phyUpdate(0xc804, 0x000f, 0x000c);
};
