/**
 * Link modes by ethtool's names, with the bits that advertise each mode and the bits that show whether the link partner
 * advertises it. IEEE 802.3, clauses 28, 40 and 126.
 */
import { type PhyKind, phyKind } from "./phy-kinds.ts";
import { Advertise, Advertise10G, FastRetrain, Gbcr, Gbsr, Partner10G } from "./phy.ts";

export interface LinkMode {
  readonly name: LinkModeName;
  /** Speed in Mbit/s. */
  readonly speed: number;
  readonly fullDuplex: boolean;
  /**
   * The register that advertises the mode: ANAR, GBCR or clause 45 register 7.32. The register for the link partner's
   * modes is ANLPAR, GBSR or 7.33.
   */
  readonly register: "ability" | "gigabit" | "faster";
  readonly offer: number;
  readonly partner: number;
  /** Bit of 7.32 that advertises fast retrain in this mode. */
  readonly fastRetrain: number;
}
export type LinkModeName = (typeof ROWS)[number][0] | (typeof FIBRE_ROWS)[number][0];

const ROWS = [
  ["10baseT/Half", 10, false, "ability", Advertise.half10, Advertise.half10, 0],
  ["10baseT/Full", 10, true, "ability", Advertise.full10, Advertise.full10, 0],
  ["100baseT/Half", 100, false, "ability", Advertise.half100, Advertise.half100, 0],
  ["100baseT/Full", 100, true, "ability", Advertise.full100, Advertise.full100, 0],
  ["1000baseT/Half", 1000, false, "gigabit", Gbcr.half1000, Gbsr.half1000, 0],
  ["1000baseT/Full", 1000, true, "gigabit", Gbcr.full1000, Gbsr.full1000, 0],
  ["2500baseT/Full", 2500, true, "faster", Advertise10G.full2500, Partner10G.full2500, FastRetrain.full2500],
  ["5000baseT/Full", 5000, true, "faster", Advertise10G.full5000, Partner10G.full5000, FastRetrain.full5000],
  ["10000baseT/Full", 10_000, true, "faster", Advertise10G.full10000, Partner10G.full10000, FastRetrain.full10000],
] as const;
/**
 * Modes of fibre transceivers. With an SFP cage, modes are not advertised: the driver sets the SerDes to one of them.
 */
const FIBRE_ROWS = [
  ["1000baseX/Full", 1000, true, "gigabit", Gbcr.full1000, Gbsr.full1000, 0],
  ["10000baseSR/Full", 10_000, true, "faster", 0, 0, 0],
] as const;

const modes = (rows: typeof ROWS | typeof FIBRE_ROWS): readonly LinkMode[] =>
  rows.map(([name, speed, fullDuplex, register, offer, partner, fastRetrain]) => ({
    name,
    speed,
    fullDuplex,
    register,
    offer,
    partner,
    fastRetrain,
  }));

/** All copper modes, slowest first. */
export const LINK_MODES = modes(ROWS);
export const FIBRE_MODES = modes(FIBRE_ROWS);

interface ModeFacts {
  readonly speed: number;
  readonly profile: { readonly phy: PhyKind };
}

/**
 * The link modes of a chip without an SFP cage. A chip whose PHY does not report the link has a fibre transceiver for
 * 1000 Mbit/s.
 */
export const modesOf = (chip: ModeFacts): readonly LinkMode[] => {
  const { hidesLink, estatus, multigigabit } = phyKind(chip);
  if (hidesLink) return FIBRE_MODES.filter(({ speed }) => speed === 1000);
  // In ESTATUS the bits of the gigabit modes are four higher than in GBCR.
  const has = { ability: ~0, gigabit: estatus >> 4, faster: multigigabit };
  return LINK_MODES.filter(({ register, offer, speed }) => (has[register] & offer) !== 0 && speed <= chip.speed);
};

/** The bits of a register that advertise these modes. */
export const offerOf = (offered: readonly LinkMode[], register: LinkMode["register"]): number =>
  offered.reduce((bits, mode) => (mode.register === register ? bits | mode.offer : bits), 0);
