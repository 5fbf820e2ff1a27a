/** The PHYs that are built into the family's chips: identity and abilities. */
import { Advertise10G, Eee, Eee2, Estatus } from "#chip/phy.ts";
import { type Chip, since } from "#chip/chips.ts";

export interface PhyKind {
  /** PHYID1 and PHYID2. */
  readonly id: number;
  /** ESTATUS: 0 in a PHY that has only 10 and 100. */
  readonly estatus: number;
  /** Speeds above 1000, as `Advertise10G`. */
  readonly multigigabit: number;
  /** Energy-efficient Ethernet, as `Eee` and `Eee2`. */
  readonly eee: number;
  readonly eee2: number;
  /** How its registers are arranged. */
  readonly registers: "paged" | "ocp";
  /** Clause 45 registers can be had through registers 13 and 14. */
  readonly indirect: boolean;
  /** What the word at 0x1b of the controller's memory says when it is ready for firmware. */
  readonly ready?: number;
}

const paged = { multigigabit: 0, eee: 0, eee2: 0, registers: "paged", indirect: false } as const;
const ocp = { registers: "ocp", indirect: false } as const;
const BOTH = Estatus.full1000 | Estatus.half1000;
const EEE_GIGABIT = Eee.full100 | Eee.full1000;

/**
 * Identifiers are what C drivers print that they have found: RTL8201L revision 1 in 8101E (OpenBSD); RTL8208's model in 8105E
 * and 8106E; 8211B's in 8169SC, 8168C and 8168D; 8211D's in 8168E; 8211E's in 8168E-VL and 8168F (all Linux). Of the chips
 * in between no report was found, and their neighbour's is assumed. 8169S and 8110S have the first gigabit PHY, as the
 * vendor's workaround for them tells.
 */
const RTL8201: PhyKind = { ...paged, id: 0x0000_8201, estatus: 0 };
/** EEE of the fast chips (8105E and later) is off in every driver and not modelled. The revision, the last digit, is not known. */
const RTL8208: PhyKind = { ...paged, id: 0x001c_c880, estatus: 0 };
const RTL8211: PhyKind = { ...paged, id: 0x001c_c910, estatus: BOTH };
/** What 8168DP says of itself is not public, only that it is wrong: drivers take it for an RTL8211B. */
const RTL8211B: PhyKind = { ...paged, id: 0x001c_c912, estatus: BOTH };
const RTL8211D: PhyKind = { ...paged, id: 0x001c_c914, estatus: BOTH, eee: EEE_GIGABIT, indirect: true };
const RTL8211E: PhyKind = { ...RTL8211D, id: 0x001c_c915 };

const GIGABIT: PhyKind = {
  ...ocp,
  id: 0x001c_c800,
  estatus: Estatus.full1000,
  multigigabit: 0,
  eee: EEE_GIGABIT,
  eee2: 0,
};
/** The same, limited by the board's fuses (8106EUS, 8107E). */
const LIMITED: PhyKind = { ...GIGABIT, estatus: 0, eee: Eee.full100 };
const TO_2500 = Advertise10G.full2500;
const TO_5000 = TO_2500 | Advertise10G.full5000;
const TO_10000 = TO_5000 | Advertise10G.full10000;
const EEE_2500 = Eee2.full2500;

/** Identifiers from the reports of Linux users: 8125A, 8125B, 8125D, 8126A, 8127A. The rest of 8125 is taken to be like D. */
const RTL8125A: PhyKind = { ...GIGABIT, multigigabit: TO_2500, eee2: EEE_2500 };
const RTL8125B: PhyKind = { ...RTL8125A, id: 0x001c_c840 };
const RTL8125D: PhyKind = { ...RTL8125A, id: 0x001c_c841 };
const RTL8126A: PhyKind = { ...RTL8125A, id: 0x001c_c862, multigigabit: TO_5000, eee2: EEE_2500 | Eee2.full5000 };
const RTL8127A: PhyKind = {
  ...RTL8126A,
  id: 0x001c_c890,
  multigigabit: TO_10000,
  eee: EEE_GIGABIT | Eee.full10000,
};

const BY_KEY: Readonly<Record<string, PhyKind>> = {
  rtl8169s: RTL8211,
  rtl8110s: RTL8211,
  rtl8125a: RTL8125A,
  rtl8125b: RTL8125B,
  // The firmware's own condition for being loaded, in Linux and in the vendor's driver.
  "rtl8168d-281": { ...RTL8211B, ready: 0xbf00 },
  "rtl8168d-280": { ...RTL8211B, ready: 0xb300 },
};
const evl = since("8168evl");
const from8105 = since("8105");

/** The PHY inside this chip. */
export const phyKind = (chip: Chip): PhyKind => {
  const own = BY_KEY[chip.key];
  if (own !== undefined) return own;
  if (chip.generation === "8127") return RTL8127A;
  if (chip.generation === "8126") return RTL8126A;
  if (chip.generation === "8125") return RTL8125D;
  if (chip.phy === "ocp") return chip.speed < 1000 ? LIMITED : GIGABIT;
  if (chip.speed < 1000) return from8105(chip) ? RTL8208 : RTL8201;
  if (evl(chip)) return RTL8211E;
  return chip.generation === "8168e" ? RTL8211D : RTL8211B;
};
