/** The link as the MAC reports it, in a register that depends on the chip. */
import { ANAR, ANLPAR, Advertise, BMCR, BMSR, Bmcr, Bmsr } from "#chip/phy.ts";
import { MSR, Msr } from "#chip/registers-8139cp.ts";
import { PHYstatus16, PhyStatus16 } from "#chip/registers-8125.ts";
import { PHYstatus, PhyStatus } from "#chip/registers.ts";
import type { Step } from "#chip/steps.ts";
import { SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { run } from "./steps.ts";

/** The link as the MAC reports it. The speed is in Mbit/s. */
export interface MacLink {
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
}

/**
 * RTL8139C+: the MAC does not report duplex. With autonegotiation, the duplex is full if the ends have negotiated and
 * both advertise full duplex at the link's speed, and otherwise half. Without autonegotiation, it is the forced duplex.
 */
const fromMsr = ({ io, phy }: Hardware): MacLink => {
  const status = io.read8(MSR);
  const up = (status & Msr.linkDown) === 0;
  const speed = (status & Msr.speed10) === 0 ? 100 : 10;
  const control = phy.read(BMCR);
  const negotiated = (control & Bmcr.autonegotiate) !== 0;
  if (!negotiated) return { up, speed, fullDuplex: (control & Bmcr.fullDuplex) !== 0 };
  const both = (phy.read(BMSR) & Bmsr.negotiated) === 0 ? 0 : phy.read(ANAR) & phy.read(ANLPAR);
  return { up, speed, fullDuplex: (both & (speed === 100 ? Advertise.full100 : Advertise.full10)) !== 0 };
};

/** Speeds that the register can report, fastest first. */
const SPEEDS: readonly (readonly [bit: number, speed: number])[] = [
  [PhyStatus16.speed10000 | PhyStatus16.speed10000Lite, 10_000],
  [PhyStatus16.speed5000 | PhyStatus16.speed5000Lite, 5000],
  [PhyStatus16.speed2500 | PhyStatus16.speed2500Lite, 2500],
  [PhyStatus.speed1000, 1000],
  [PhyStatus.speed100, 100],
];

const decode = (status: number): MacLink => ({
  up: (status & PhyStatus.linkUp) !== 0,
  speed: SPEEDS.find(([bits]) => (status & bits) !== 0)?.[1] ?? 10,
  fullDuplex: (status & PhyStatus.fullDuplex) !== 0,
});

const LINKS: Readonly<Record<Hardware["chip"]["profile"]["mac"]["link"], (hw: Hardware) => MacLink>> = {
  MSR: fromMsr,
  PHYstatus: ({ io }) => decode(io.read8(PHYstatus)),
  PHYstatus16: ({ io }) => decode(io.read16(PHYstatus16)),
};

/**
 * Adapts the MAC to the speed of a link that has come up. If a side bus does not respond, an expired wait is counted.
 */
export const adaptTo = (hw: Hardware, { speed }: MacLink, mtu: number, more: () => readonly Step[]): void => {
  try {
    run(hw, [...(hw.start.linkUp?.[speed as 10 | 100 | 1000] ?? []), ...more()], mtu);
  } catch (error) {
    if (!(error instanceof SideBusTimeout)) throw error;
    hw.expiredWaits.note("the MAC to adapt to the link");
  }
};

export const macLink = (hw: Hardware): MacLink => LINKS[hw.chip.profile.mac.link](hw);
