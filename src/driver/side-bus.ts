/**
 * Side buses: registers that are accessed through other registers. These are the PHY, the MAC controller, extended MAC
 * registers, the PCI Express PHY, and the chip's own configuration space. Each has a command word. Except for the MAC
 * controller, a flag in that word shows when an access is complete. Sources: DPDK `drivers/net/r8169/r8169_hw.c`
 * (rtl_eri_*, rtl_mac_ocp_*, rtl_csi_*) and `r8169_phy.c` (rtl_mdio_*, rtl_ephy_*), BSD-3-Clause.
 */
import { CSIAR, CSIDR, EPHYAR, ERIAR, ERIDR, Eri, FLAG, MACOCP, PHYOCP } from "#chip/registers.ts";
import { type Clock, until } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Mmio, Register } from "#kit/mmio.ts";
import { SideBusTimeout } from "./errors.ts";

const POLL_MICROS = 10;
/** Limit of the time of an access. DPDK polls for at most 10 ms in each kind of access. */
const LIMIT_MICROS = 10_000;

/** Positions of the byte lanes and of the register's type in the command word for extended registers. */
const LANES_SHIFT = 12;
const TYPE_SHIFT = 16;

/** Waits for the end of an access through `register`: a read ends with the flag set, a write with the flag clear. @throws {SideBusTimeout} */
export const awaitFlag = (
  io: Mmio,
  clock: Clock,
  register: Register<32, "rw">,
  flag: boolean,
  what: { readonly bus: string; readonly address: number },
  { limit = LIMIT_MICROS, poll = POLL_MICROS } = {},
): void => {
  const done = (): boolean => io.read32(register) >= FLAG === flag;
  if (!until(clock, limit, poll, done)) throw new SideBusTimeout({ ...what, waitedMicros: limit });
};

export class SideBus {
  readonly #io: Mmio;
  readonly #clock: Clock;

  constructor(io: Mmio, clock: Clock) {
    this.#io = io;
    this.#clock = clock;
  }

  /** PHY register at an even OCP address, 0 to 0xfffe. */
  phyRead(address: number): number {
    this.#io.write32(PHYOCP, ocp(address));
    this.#wait("PHY", PHYOCP, true, address);
    return this.#io.read32(PHYOCP) & 0xffff;
  }
  phyWrite(address: number, value: number): void {
    this.#io.write32(PHYOCP, (FLAG | ocp(address) | (value & 0xffff)) >>> 0);
    this.#wait("PHY", PHYOCP, false, address);
  }
  phyUpdate(address: number, clear: number, set: number): void {
    this.phyWrite(address, (this.phyRead(address) & ~clear) | set);
  }

  /** MAC controller register at an even OCP address. The access is complete at once, so no flag is awaited. */
  macRead(address: number): number {
    this.#io.write32(MACOCP, ocp(address));
    return this.#io.read32(MACOCP) & 0xffff;
  }
  macWrite(address: number, value: number): void {
    this.#io.write32(MACOCP, (FLAG | ocp(address) | (value & 0xffff)) >>> 0);
  }
  macUpdate(address: number, clear: number, set: number): void {
    this.macWrite(address, (this.macRead(address) & ~clear) | set);
  }

  /** Extended register, 32 bits at a multiple of 4, 0 to 0xffc. */
  eriRead(address: number): number {
    this.#io.write32(ERIAR, eri(address, 0xf));
    this.#wait("extended", ERIAR, true, address);
    return this.#io.read32(ERIDR);
  }
  /** @param lanes which of the four bytes are written, one bit each */
  eriWrite(address: number, value: number, lanes = 0xf): void {
    this.#io.write32(ERIDR, value >>> 0);
    this.#io.write32(ERIAR, (FLAG | eri(address, lanes)) >>> 0);
    this.#wait("extended", ERIAR, false, address);
  }
  eriUpdate(address: number, clear: number, set: number): void {
    this.eriWrite(address, ((this.eriRead(address) & ~clear) | set) >>> 0);
  }

  /** Register of the management controller, 32 bits. @param base bits 29:18 of the command, on chips that need them */
  outOfBandRead(address: number, base: number): number {
    this.#io.write32(ERIAR, eri(address, 0xf) | (Eri.oob << TYPE_SHIFT) | base);
    this.#wait("management", ERIAR, true, address);
    return this.#io.read32(ERIDR);
  }

  /** PCI Express PHY register: 0 to 0x3f; from the RTL8125 on, 0 to 0x7f. */
  ephyRead(register: number): number {
    this.#io.write32(EPHYAR, ephy(register));
    this.#wait("PCIe PHY", EPHYAR, true, register);
    return this.#io.read32(EPHYAR) & 0xffff;
  }
  ephyWrite(register: number, value: number): void {
    this.#io.write32(EPHYAR, (FLAG | ephy(register) | (value & 0xffff)) >>> 0);
    this.#wait("PCIe PHY", EPHYAR, false, register);
    this.#clock.delay(10);
  }
  ephyUpdate(register: number, clear: number, set: number): void {
    this.ephyWrite(register, (this.ephyRead(register) & ~clear) | set);
  }

  /** Configuration space of function 0, 32 bits at a multiple of 4, 0 to 0xffc. */
  csiRead(address: number): number {
    this.#io.write32(CSIAR, csi(address));
    this.#wait("configuration", CSIAR, true, address);
    return this.#io.read32(CSIDR);
  }
  csiWrite(address: number, value: number): void {
    this.#io.write32(CSIDR, value >>> 0);
    this.#io.write32(CSIAR, (FLAG | csi(address)) >>> 0);
    this.#wait("configuration", CSIAR, false, address);
  }

  #wait(bus: string, register: Register<32, "rw">, flag: boolean, address: number): void {
    awaitFlag(this.#io, this.#clock, register, flag, { bus, address });
  }
}

const ocp = (address: number): number => {
  if (address < 0 || address > 0xfffe || (address & 1) !== 0)
    throw new OutOfRange(`OCP address 0x${address.toString(16)} is odd or above 0xfffe`);
  return address << 15;
};

const eri = (address: number, lanes: number): number => {
  if (address < 0 || address > 0xffc || (address & 3) !== 0 || lanes < 1 || lanes > 0xf)
    throw new OutOfRange(`extended register 0x${address.toString(16)} with lanes 0x${lanes.toString(16)}`);
  return (lanes << LANES_SHIFT) | address;
};

const ephy = (register: number): number => {
  if (register < 0 || register > 0x7f) throw new OutOfRange(`PCIe PHY register 0x${register.toString(16)}`);
  return register << 16;
};

const csi = (address: number): number => {
  if (address < 0 || address > 0xffc || (address & 3) !== 0)
    throw new OutOfRange(`configuration register 0x${address.toString(16)}`);
  return (0xf << LANES_SHIFT) | address;
};
