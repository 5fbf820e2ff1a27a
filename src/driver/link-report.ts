/** What `ethtool DEVICE` shows: the modes of both ends, and the results of negotiation except speed and duplex. */
import { type LinkModeName, type LinkMode } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { ANLPAR, Advertise, BMSR, Bmsr, Gbsr, PARTNER_10G, Partner10G } from "#chip/phy.ts";
import type { Hardware } from "./hardware.ts";
import { type LinkSettings, supportedModes } from "./link-settings.ts";
import { macLink } from "./mac-link.ts";

/** The pause modes that an end advertises, as in IEEE 802.3, table 28B-2. */
export interface PauseOffer {
  readonly symmetric: boolean;
  readonly asymmetric: boolean;
}

export interface LinkReport {
  readonly port: "copper" | "fibre";
  readonly supported: readonly LinkModeName[];
  /** The modes advertised by this end; empty while autonegotiation is off. */
  readonly advertised: readonly LinkModeName[];
  /** Those of the partner's modes that this chip supports too; empty unless the two ends have negotiated. */
  readonly partner: readonly LinkModeName[];
  readonly advertisedPause: PauseOffer;
  readonly partnerPause: PauseOffer;
  /** This end's clock role, at speeds that have one; "fault": both ends insist on the same role. */
  readonly clock: "master" | "slave" | "fault" | undefined;
  /** Whether the pairs are crossed; undefined without a link, or if the PHY does not report it. */
  readonly crossover: "mdi" | "mdix" | undefined;
  /** True if the link is slower than the best speed that both ends advertise, for example because of the cable. */
  readonly lowered: boolean;
}

const pauseOfferOf = (ability: number): PauseOffer => ({
  symmetric: (ability & Advertise.pause) !== 0,
  asymmetric: (ability & Advertise.asymmetricPause) !== 0,
});

interface PartnerRegisters {
  readonly ability: number;
  readonly gigabit: number;
  readonly faster: number;
}
const SILENT: PartnerRegisters = { ability: 0, gigabit: 0, faster: 0 };

/**
 * Reads the registers that hold the partner's advertisement. The fault bit in `faster` is valid even without a link.
 */
const partnerRegisters = ({ phy, chip }: Hardware, gigabitStatus: () => number): PartnerRegisters => {
  const kind = phyKind(chip);
  return {
    ability: phy.read(ANLPAR),
    gigabit: kind.estatus === 0 ? 0 : gigabitStatus(),
    faster: kind.multigigabit === 0 ? 0 : phy.read(PARTNER_10G.register, PARTNER_10G.page),
  };
};

const clockOf = ({ gigabit, faster }: PartnerRegisters, speed: number): LinkReport["clock"] => {
  if ((gigabit & Gbsr.masterFault) !== 0 || (faster & Partner10G.masterFault) !== 0) return "fault";
  if (speed < 1000) return undefined;
  return (speed === 1000 ? gigabit & Gbsr.master : faster & Partner10G.master) === 0 ? "slave" : "master";
};

const names = (modes: readonly LinkMode[]): readonly LinkModeName[] => modes.map(({ name }) => name);

/** @param pause the pause bits that ANAR advertises @param gigabitStatus reads GBSR */
export const linkReport = (
  hw: Hardware,
  settings: LinkSettings,
  cage: boolean,
  pause: number,
  gigabitStatus: () => number,
): LinkReport => {
  const supported = supportedModes(hw.chip, cage);
  const { up, speed } = macLink(hw);
  const advertised = settings.autonegotiate ? supported.filter(({ name }) => settings.advertise.includes(name)) : [];
  const shown = cage ? SILENT : partnerRegisters(hw, gigabitStatus);
  const negotiated = up && !cage && (hw.phy.read(BMSR) & Bmsr.negotiated) !== 0;
  const partner = negotiated ? supported.filter((mode) => (shown[mode.register] & mode.partner) !== 0) : [];
  const best = Math.max(0, ...advertised.filter((mode) => partner.includes(mode)).map((mode) => mode.speed));
  const status = cage || !up ? undefined : phyKind(hw.chip).crossover?.status;
  return {
    port: cage || phyKind(hw.chip).hidesLink === true ? "fibre" : "copper",
    supported: names(supported),
    advertised: names(advertised),
    partner: names(partner),
    advertisedPause: pauseOfferOf(settings.autonegotiate || cage ? pause : 0),
    partnerPause: pauseOfferOf(negotiated ? shown.ability : 0),
    clock: clockOf(shown, up ? speed : 0),
    crossover:
      status === undefined
        ? undefined
        : (hw.phy.read(status.register, status.page) & (status.mdi | status.mdix)) === status.mdi
          ? "mdi"
          : "mdix",
    lowered: up && speed < best,
  };
};
