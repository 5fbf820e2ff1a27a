/** The PHY: IEEE 802.3 clause 22 registers, and what Realtek's built-in gigabit PHY adds. */

/** Clause 22 register numbers. */
export const BMCR = 0;
export const BMSR = 1;
export const PHYID1 = 2;
export const PHYID2 = 3;
export const ANAR = 4;
export const ANLPAR = 5;
export const ANER = 6;
export const GBCR = 9;
export const GBSR = 10;
export const ESTATUS = 15;
/** Realtek: page select, and back to page 0. */
export const PAGE = 31;

export const Bmcr = {
  reset: 1 << 15,
  loopback: 1 << 14,
  speedLow: 1 << 13,
  autonegotiate: 1 << 12,
  powerDown: 1 << 11,
  isolate: 1 << 10,
  restart: 1 << 9,
  fullDuplex: 1 << 8,
  speedHigh: 1 << 6,
} as const;

export const Bmsr = {
  full100: 1 << 14,
  half100: 1 << 13,
  full10: 1 << 12,
  half10: 1 << 11,
  extendedStatus: 1 << 8,
  noPreamble: 1 << 6,
  negotiated: 1 << 5,
  autonegotiable: 1 << 3,
  /** Latches low: the first read after a loss says down even when the link is back. */
  linkUp: 1 << 2,
  extended: 1 << 0,
} as const;

/** ANAR and ANLPAR. */
export const Advertise = {
  acknowledge: 1 << 14,
  asymmetricPause: 1 << 11,
  pause: 1 << 10,
  full100: 1 << 8,
  half100: 1 << 7,
  full10: 1 << 6,
  half10: 1 << 5,
  selector: 1,
} as const;

export const Gbcr = { full1000: 1 << 9, half1000: 1 << 8 } as const;
export const Gbsr = {
  localOk: 1 << 13,
  remoteOk: 1 << 12,
  full1000: 1 << 11,
  half1000: 1 << 10,
} as const;

/** Where page 0 lies in PHY-OCP space: register n at 0xa400 + 2n. Page p: register n at (p << 4) + 2(n − 16). */
export const OCP_STANDARD = 0xa400;
/** Page of Realtek's status register 18: what the PHY settled on. */
export const PHYSR_PAGE = 0xa43;
export const PHYSR = 18;

/** PHY identifier of RTL8168H's built-in PHY (RTL8211-class): PHYID1 and PHYID2. */
export const PHYID_8168H = 0x001c_c800;
