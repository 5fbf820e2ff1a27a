/**
 * The PHYs that are built into the family's chips: identity and abilities.
 *
 * Identifiers are those that C drivers print: RTL8201L revision 1 in 8101E (OpenBSD); RTL8208's model in 8105E and
 * 8106E; 8211B's in 8169SC, 8168C and 8168D; 8211D's in 8168E; 8211E's in 8168E-VL and 8168F; and those of 8125A,
 * 8125B, 8125D, 8126A and 8127A (all Linux). For the other chips no report was found; they are assumed to have the PHY
 * of an adjacent chip.
 */
import {
  Advertise10G,
  CROSSOVER_8211,
  CROSSOVER_OCP,
  type Crossover,
  DOWNSHIFT_8211,
  DOWNSHIFT_OCP,
  type Downshift,
  Eee,
  Eee2,
  Estatus,
} from "./phy.ts";

export interface PhyKind {
  /** PHYID1 and PHYID2. */
  readonly id: number;
  /** ESTATUS: 0 in a PHY for 10 and 100 Mbit/s only. */
  readonly estatus: number;
  /** Speeds above 1000 Mbit/s: bits of `Advertise10G`. */
  readonly multigigabit: number;
  /** Energy-efficient Ethernet: bits of `Eee` and `Eee2`. */
  readonly eee: number;
  readonly eee2: number;
  /** How the PHY's registers are arranged. */
  readonly registers: "paged" | "ocp";
  /** Clause 45 registers can be reached through registers 13 and 14. */
  readonly indirect: boolean;
  /** The value of the word at 0x1b of the PHY controller's memory when the PHY is ready for firmware. */
  readonly ready?: number;
  /** The bits that select MDI or MDI-X; undefined if no source names them. */
  readonly crossover?: Crossover;
  /** The bits that enable a fallback to a lower speed on a bad cable; undefined if no source names them. */
  readonly downshift?: Downshift;
  /** BMSR never reports the link; only the MAC's PHYstatus does. */
  readonly hidesLink?: true;
}

const paged = { multigigabit: 0, eee: 0, eee2: 0, registers: "paged", indirect: false } as const;
const ocp = { registers: "ocp", indirect: false, crossover: CROSSOVER_OCP, downshift: DOWNSHIFT_OCP } as const;
const BOTH = Estatus.full1000 | Estatus.half1000;
const EEE_GIGABIT = Eee.full100 | Eee.full1000;

export const RTL8201: PhyKind = { ...paged, id: 0x0000_8201, estatus: 0 };
/**
 * Every driver disables EEE on the chips with this PHY (8105E, 8106E and 8402), so the bits of EEE are 0 here. The
 * revision (last digit of the identifier) is not known.
 */
export const RTL8208: PhyKind = { ...paged, id: 0x001c_c880, estatus: 0 };
/**
 * The first gigabit PHY, in 8169S and 8110S. It must differ from later PHYs, because the vendor's driver has a
 * workaround for these two chips only.
 */
export const RTL8211: PhyKind = { ...paged, id: 0x001c_c910, estatus: BOTH };
/** The 8168DP's own identifier is not public; drivers replace it with this one. */
export const RTL8211B: PhyKind = { ...paged, id: 0x001c_c912, estatus: BOTH, crossover: CROSSOVER_8211 };
/** `ready` is the condition in Linux's and the vendor's driver for loading the firmware. */
export const RTL8211B_280: PhyKind = { ...RTL8211B, ready: 0xb300 };
export const RTL8211B_281: PhyKind = { ...RTL8211B, ready: 0xbf00 };
export const RTL8211D: PhyKind = {
  ...RTL8211B,
  id: 0x001c_c914,
  eee: EEE_GIGABIT,
  indirect: true,
  downshift: DOWNSHIFT_8211,
};
export const RTL8211E: PhyKind = { ...RTL8211D, id: 0x001c_c915 };

/** RTL8168G to 8117. */
export const RTL8168G: PhyKind = {
  ...ocp,
  id: 0x001c_c800,
  estatus: Estatus.full1000,
  multigigabit: 0,
  eee: EEE_GIGABIT,
  eee2: 0,
};
/** The fibre version of RTL8168H. */
export const RTL8116AF: PhyKind = { ...RTL8168G, hidesLink: true };
const TO_2500 = Advertise10G.full2500;
const TO_5000 = TO_2500 | Advertise10G.full5000;
const TO_10000 = TO_5000 | Advertise10G.full10000;
const EEE_2500 = Eee2.full2500;

export const RTL8125A: PhyKind = { ...RTL8168G, multigigabit: TO_2500, eee2: EEE_2500 };
export const RTL8125B: PhyKind = { ...RTL8125A, id: 0x001c_c840 };
/** The 8125BP, 8125CP and 9151 are assumed to have this PHY too. */
export const RTL8125D: PhyKind = { ...RTL8125A, id: 0x001c_c841 };
export const RTL8126A: PhyKind = {
  ...RTL8125A,
  id: 0x001c_c862,
  multigigabit: TO_5000,
  eee2: EEE_2500 | Eee2.full5000,
};
export const RTL8127A: PhyKind = {
  ...RTL8126A,
  id: 0x001c_c890,
  multigigabit: TO_10000,
  eee: EEE_GIGABIT | Eee.full10000,
};

/**
 * The PHY of a chip. It is the PHY of the die, limited by fuses on some chips: on the 8106EUS and 8107E to 100 Mbit/s,
 * on the 8168KB and 8168KD to 1000.
 */
export const phyKind = ({
  speed,
  profile: { phy },
}: {
  readonly speed: number;
  readonly profile: { readonly phy: PhyKind };
}): PhyKind => {
  if (speed < 1000) return { ...phy, estatus: 0, eee: phy.eee & Eee.full100 };
  // Linux supports the 8168KB and 8168KD, and recognizes a PHY without 2.5 Gbit/s only by this identifier, so they must
  // have it.
  return speed === 1000 && phy.multigigabit !== 0 ? { ...phy, id: RTL8168G.id, multigigabit: 0, eee2: 0 } : phy;
};
