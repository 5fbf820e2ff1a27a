/**
 * Negotiates the slowest link speed that both ends support. That speed needs the least power, and is enough while the
 * NIC waits for wake-up events.
 */
import {
  ANAR,
  ANLPAR,
  Advertise,
  Advertise10G,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  GBCR,
  GBSR,
  Gbcr,
  Gbsr,
  NEGOTIATION_10G,
} from "#chip/phy.ts";
import type { Hardware } from "./hardware.ts";

const FASTER_THAN_1000 = Advertise10G.full2500 | Advertise10G.full5000 | Advertise10G.full10000;

/**
 * Advertises only modes up to the slowest common speed, and renegotiates. Changes nothing if the speed is forced, the
 * partner's abilities are unknown, or the ends share no full-duplex mode up to 1000 Mbit/s.
 */
export const slowDown = ({ phy, chip }: Hardware): void => {
  const negotiated = (phy.read(BMCR) & Bmcr.autonegotiate) !== 0 && (phy.read(BMSR) & Bmsr.negotiated) !== 0;
  if (!negotiated) return;
  const { full10, full100, half100 } = Advertise;
  const gigabit = chip.speed >= 1000;
  const ours = phy.read(ANAR);
  const both = ours & phy.read(ANLPAR);
  if ((both & (full10 | full100)) === 0 && !(gigabit && (phy.read(GBSR) & Gbsr.full1000) !== 0)) return;
  if ((both & full10) !== 0) phy.write(ANAR, ours & ~(full100 | half100));
  if ((both & (full10 | full100)) !== 0 && gigabit) phy.write(GBCR, phy.read(GBCR) & ~(Gbcr.full1000 | Gbcr.half1000));
  if (chip.profile.phy.multigigabit !== 0) {
    const { page, register } = NEGOTIATION_10G;
    phy.write(register, phy.read(register, page) & ~FASTER_THAN_1000, page);
  }
  phy.write(BMCR, Bmcr.autonegotiate | Bmcr.restart);
};
