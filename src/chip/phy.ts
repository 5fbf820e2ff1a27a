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

export const Gbcr = {
  /** Which end gives the clock is set by hand, to be this one. */
  manualMaster: 1 << 12,
  master: 1 << 11,
  /** Not set by hand, this end would rather be the clock master, as a device with several ports is. */
  multiport: 1 << 10,
  full1000: 1 << 9,
  half1000: 1 << 8,
} as const;
export const Gbsr = {
  /** Both ends are set by hand to the same part: there is no link. */
  masterFault: 1 << 15,
  master: 1 << 14,
  localOk: 1 << 13,
  remoteOk: 1 << 12,
  full1000: 1 << 11,
  half1000: 1 << 10,
} as const;

/** Of GBSR: idle symbols with errors, at most 255, since it was last read. */
export const IDLE_ERRORS = 0xff;

/** ESTATUS. */
export const Estatus = { full1000: 1 << 13, half1000: 1 << 12 } as const;

/** Indirect access to clause 45 registers (802.3, annex 22D): device and function, then address or data. */
export const MMD_CONTROL = 13;
export const MMD_DATA = 14;
export const MmdControl = {
  device: 0x1f,
  function: 3 << 14,
  address: 0 << 14,
  data: 1 << 14,
  dataIncrementing: 2 << 14,
  /** As `dataIncrementing`, but reads leave the address alone. */
  dataIncrementingOnWrite: 3 << 14,
} as const;
/** Clause 45 devices. */
export const Mmd = { pma: 1, pcs: 3, negotiation: 7, vendor2: 31 } as const;

/** PMA speed ability (1.4). */
export const PmaSpeed = { speed10000: 1 << 0, speed2500: 1 << 13, speed5000: 1 << 14 } as const;
/** What is offered above 1000 (7.32), and what the partner offers (7.33). Bits 15:13 are 12:10 of GBCR. */
export const Advertise10G = { full2500: 1 << 7, full5000: 1 << 8, full10000: 1 << 12 } as const;
export const MASTER_SHIFT_10G = 3;
/** Of 7.32: a link whose signal has become worse trains again without a new negotiation. */
export const FastRetrain = { full10000: 1 << 1, full2500: 1 << 5, full5000: 1 << 6 } as const;
export const Partner10G = {
  full2500: 1 << 5,
  full5000: 1 << 6,
  full10000: 1 << 11,
  remoteOk: 1 << 12,
  localOk: 1 << 13,
  master: 1 << 14,
  masterFault: 1 << 15,
} as const;
/** Energy-efficient Ethernet: ability (3.20), offered (7.60), partner's (7.61). */
export const Eee = { full100: 1 << 1, full1000: 1 << 2, full10000: 1 << 3 } as const;
/** Energy-efficient Ethernet for 2.5 and 5 Gbit/s: registers 3.21, 7.62, 7.63. */
export const Eee2 = { full2500: 1 << 0, full5000: 1 << 1 } as const;

/** Where page 0 lies in PHY-OCP space: register n at 0xa400 + 2n. Page p: register n at (p << 4) + 2(n − 16). */
export const OCP_STANDARD = 0xa400;
/** Page of Realtek's status register 18: what the PHY settled on. */
export const PHYSR_PAGE = 0xa43;
export const PHYSR = 18;
/** Its bits. Speed is 10 when none of the speed bits is set; 2500 and 5000 are two bits each. */
export const Physr = {
  mdi: 1 << 1,
  linkUp: 1 << 2,
  fullDuplex: 1 << 3,
  speed100: 1 << 4,
  speed1000: 1 << 5,
  speed10000: 1 << 9,
  speed2500: (1 << 9) | (1 << 4),
  speed5000: (1 << 9) | (1 << 5),
  master: 1 << 11,
} as const;

/**
 * Places in PHY-OCP space. Sources: DPDK `drivers/net/r8169/r8169_phy.c` (BSD-3-Clause, Realtek), and the names that
 * Realtek's USB chips with the same PHY have for them.
 */
export const Ocp = {
  /** Bits 2:0 are a `PhyState`. */
  state: 0xa420,
  /** Window to the data memory of the PHY's controller: address, then data. */
  memoryAddress: 0xa436,
  memoryData: 0xa438,
  /** Another such memory (2.5 Gbit/s and faster). */
  memory2Address: 0xb87c,
  memory2Data: 0xb87e,
  /** Bits 3:2: fall back to a lower speed when the cable does not carry the one agreed on. */
  speedDown: 0xa442,
  /** Clause 45 registers: 3.20, 7.60, 7.61, 7.32, 7.33, 1.4, 7.63, 7.62, 3.21. */
  eeeAble: 0xa5c4,
  eeeAdvertise: 0xa5d0,
  eeePartner: 0xa5d2,
  advertise10G: 0xa5d4,
  partner10G: 0xa5d6,
  pmaSpeed: 0xa616,
  eee2Partner: 0xa6d0,
  eee2Advertise: 0xa6d4,
  eee2Able: 0xa6ec,
  /** Bit 0 is set by a driver, and cleared by the PHY's controller to show that it is alive (2.5 Gbit/s and faster). */
  alive: 0xb87a,
  /** Bit 4 asks the PHY's controller to hold still for a patch; bit 6 of the other says that it does. */
  patchRequest: 0xb820,
  patchStatus: 0xb800,
} as const;
export const ALIVE = 1 << 0;
export const PATCH_REQUEST = 1 << 4;
export const PATCH_READY = 1 << 6;
export const SPEED_DOWN = 3 << 2;
export const PhyState = { waking: 2, on: 3, poweredDown: 5 } as const;

/** PHYs before OCP: page 0, register 17, what the PHY settled on; speed in 15:14 (RTL8211B register table, PHYSR). */
export const PHYSR_8211 = 17;
export const Physr8211 = {
  speed1000: 1 << 15,
  speed100: 1 << 14,
  fullDuplex: 1 << 13,
  resolved: 1 << 11,
  linkUp: 1 << 10,
  mdix: 1 << 6,
} as const;
/** Page 0, register 20: bit 15 is what `Ocp.speedDown` is (8168E and later). */
export const SPEED_DOWN_8211 = 20;

/** Where a register is: on page 0, or on a page of an OCP PHY (16 to 23). */
export interface PhyPlace {
  readonly page: number;
  readonly register: number;
}
/** Crossing of the pairs: the field that sets it, and the bit that shows it. */
export interface Crossover {
  readonly control: PhyPlace & {
    readonly mask: number;
    readonly auto: number;
    readonly mdi: number;
    readonly mdix: number;
  };
  readonly status: PhyPlace & { readonly mdi: number; readonly mdix: number };
}
/** FreeBSD `sys/dev/mii/rgephyreg.h`, RGEPHY_MII_PCR and RGEPHY_MII_SSR; RTL8211B datasheet, PHYCR: from RTL8211B on. */
export const CROSSOVER_8211: Crossover = {
  control: { page: 0, register: 16, mask: 3 << 5, auto: 1 << 6, mdi: 0, mdix: 1 << 5 },
  status: { page: 0, register: PHYSR_8211, mdi: 0, mdix: 1 << 6 },
};
/**
 * The same, RGEPHY_F_MII_PCR1 and RGEPHY_F_MII_SSR of the RTL8211F: page 0xa43, which the family's own PHYs have as well (bit 2
 * of the first is ALDPS there too, DPDK rtl_disable_aldps). Its datasheet: bit 9 of PHYCR1 selects manual mode, bit 8 is 1 for MDI.
 */
export const CROSSOVER_OCP: Crossover = {
  control: { page: PHYSR_PAGE, register: 16, mask: 3 << 8, auto: 0, mdi: 3 << 8, mdix: 1 << 9 },
  status: { page: PHYSR_PAGE, register: PHYSR, mdi: 1 << 1, mdix: 0 },
};
/** `SPEED_DOWN_8211` and `Ocp.speedDown`. */
export type Downshift = PhyPlace & { readonly bits: number };
export const DOWNSHIFT_8211: Downshift = { page: 0, register: SPEED_DOWN_8211, bits: 1 << 15 };
export const DOWNSHIFT_OCP: Downshift = { page: 0xa44, register: 17, bits: SPEED_DOWN };
/** 7.32 and 7.33 as registers of an OCP PHY. */
export const NEGOTIATION_10G: PhyPlace = { page: 0xa5d, register: 18 };
export const PARTNER_10G: PhyPlace = { page: 0xa5d, register: 19 };

/** Page 5: window to the data memory of the PHY's controller. */
export const MEMORY_PAGE = 5;
export const MEMORY_ADDRESS = 5;
export const MEMORY_DATA = 6;
/** Page 7: register 30 selects one of 256 banks of the others. */
export const EXTENSION_PAGE = 7;
export const EXTENSION_SELECT = 30;
