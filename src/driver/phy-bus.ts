/** Three ways to access the PHY's registers: in the register window, by MDIO, or by OCP address. */
import { ANAR, ANER, ANLPAR, Advertise, BMCR, BMSR, Bmcr, OCP_STANDARD, PAGE, PHYID1, PHYID2 } from "#chip/phy.ts";
import { ANAR_8139, ANER_8139, ANLPAR_8139, BMCR_8139, BMSR_8139 } from "#chip/registers-8139cp.ts";
import { Cfg9346, FLAG, Lock, PHYAR, RDSAR1, Rdsar1 } from "#chip/registers.ts";
import { type Clock, expect } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { IdentifiedChip } from "./hardware.ts";
import { SideBus, awaitFlag } from "./side-bus.ts";

/**
 * The PHY's clause 22 registers, 0 to 31, on page 0 or on another page. The interface is the same for every way of
 * access.
 */
export interface PhyBus {
  /** @throws {SideBusTimeout} */
  read(register: number, page?: number): number;
  write(register: number, value: number, page?: number): void;
}

/** Limit of a reset: BMCR.reset must clear itself within half a second (802.3, 22.2.4.1.1). */
const RESET_LIMIT_MICROS = 500_000;

/** @param more bits of BMCR that are written together with the reset. @throws {Timeout} {SideBusTimeout} */
export const resetPhy = ({ phy, clock }: { readonly phy: PhyBus; readonly clock: Clock }, more = 0): void => {
  phy.write(BMCR, Bmcr.reset | Bmcr.autonegotiate | more);
  expect(clock, "PHY reset", RESET_LIMIT_MICROS, 1000, () => (phy.read(BMCR) & Bmcr.reset) === 0);
};

/**
 * The bits of BMCR that have their standard meaning on the RTL8139C+; it uses the other bits differently (FreeBSD,
 * re_miibus_writereg).
 */
const BMCR_BITS = Bmcr.reset | Bmcr.speedLow | Bmcr.autonegotiate | Bmcr.restart | Bmcr.fullDuplex;

const refuse = (register: number): never => {
  throw new OutOfRange(`an RTL8139C+ has no access to PHY register ${register}`);
};

/** RTL8139C+: five PHY registers, each in the register window, and no PHY identifier. */
const inWindow = ({ io }: IdentifiedChip): PhyBus => ({
  read(register) {
    switch (register) {
      case BMCR:
        return io.read16(BMCR_8139) & BMCR_BITS;
      case BMSR:
        return io.read16(BMSR_8139);
      case ANAR:
        return io.read16(ANAR_8139);
      case ANLPAR:
        return io.read16(ANLPAR_8139);
      case ANER:
        return io.read16(ANER_8139);
      case PHYID1:
      case PHYID2:
        return 0;
      default:
        return refuse(register);
    }
  },
  write(register, value) {
    // On this chip the bit for pause in one direction is reserved, so it is never set.
    if (register === ANAR) io.write16(ANAR_8139, value & ~Advertise.asymmetricPause);
    else if (register === BMCR) {
      io.write8(Cfg9346, Lock.unlock);
      io.write16(BMCR_8139, value & BMCR_BITS);
      io.write8(Cfg9346, Lock.lock);
    } else refuse(register);
  },
});

/**
 * Limit of an access, and interval of polling. FreeBSD and Realtek's driver also poll this long (re_gmii_readreg: 2000
 * times 1 µs).
 */
const MDIO_WAIT_MICROS = { limit: 2000, poll: 25 };
/** The gap between two accesses (FreeBSD, re_gmii_readreg: "it takes about 20 µs to clear"). */
const MDIO_GAP_MICROS = 20;
const REGISTER_SHIFT = 16;

/** One access by MDIO. */
const mdio = ({ io, clock }: IdentifiedChip, register: number, value?: number): number => {
  if (!Number.isInteger(register) || register < 0 || register > 31)
    throw new OutOfRange(`there is no PHY register ${register}`, "Use 0 to 31.");
  const write = value !== undefined;
  io.write32(
    PHYAR,
    (write ? FLAG | (register << REGISTER_SHIFT) | (value & 0xffff) : register << REGISTER_SHIFT) >>> 0,
  );
  awaitFlag(io, clock, PHYAR, !write, { bus: "MDIO", address: register }, MDIO_WAIT_MICROS);
  const answer = io.read32(PHYAR) & 0xffff;
  clock.delay(MDIO_GAP_MICROS);
  return answer;
};

type Access = (device: IdentifiedChip, register: number, value?: number) => number;

/**
 * Access to a PHY in which register 31 selects the page of all other registers. Register 31 is written before the first
 * access, and when the page changes.
 */
const paged =
  (access: Access) =>
  (device: IdentifiedChip): PhyBus => {
    let current: number | undefined;
    const select = (page: number): void => {
      if (page === current) return;
      access(device, PAGE, page);
      current = page;
    };
    return {
      read(register, page = 0) {
        select(page);
        return access(device, register);
      },
      write(register, value, page = 0) {
        if (register !== PAGE) select(page);
        access(device, register, value);
        // After either of these writes the page is unknown, because a reset may select page 0 again.
        if (register === PAGE || (register === BMCR && (value & Bmcr.reset) !== 0)) current = undefined;
      },
    };
  };

/**
 * RTL8168DP: each access opens a gate and closes it again, because the management controller uses the PHY while the
 * gate is closed.
 */
const gated: Access = (device, register, value) => {
  device.io.update32(RDSAR1, Rdsar1.mdioGate, 0);
  try {
    return mdio(device, register, value);
  } finally {
    device.io.update32(RDSAR1, 0, Rdsar1.mdioGate);
  }
};

const ocpAddress = (register: number, page: number): number =>
  page === 0 ? OCP_STANDARD + 2 * register : (page << 4) + 2 * (register - 16);

/** Clause 22 registers are consecutive in the PHY's OCP space. Register n (16 to 23) of page p is at (p << 4) + 2(n - 16). */
const byOcp = ({ io, clock }: IdentifiedChip): PhyBus => {
  const bus = new SideBus(io, clock);
  return {
    read: (register, page = 0) => bus.phyRead(ocpAddress(register, page)),
    write: (register, value, page = 0) => bus.phyWrite(ocpAddress(register, page), value),
  };
};

const BUSES: Readonly<Record<IdentifiedChip["chip"]["profile"]["phyAccess"], (device: IdentifiedChip) => PhyBus>> = {
  registers: inWindow,
  mdio: paged(mdio),
  "mdio-gated": paged(gated),
  ocp: byOcp,
};

export const phyBusOf = (device: IdentifiedChip): PhyBus => BUSES[device.chip.profile.phyAccess](device);
