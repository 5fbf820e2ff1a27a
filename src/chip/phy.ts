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
/** Realtek's page select register. */
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
  /** Latches low: after a link loss, the first read returns 0 even if the link is up again. */
  linkUp: 1 << 2,
  extended: 1 << 0,
} as const;

/** Bits of ANAR and ANLPAR. */
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
  /**
   * Enables manual configuration of the clock role. This end is then the master, which provides the clock, if `master`
   * is set.
   */
  manualMaster: 1 << 12,
  master: 1 << 11,
  /** With automatic configuration, prefer to be the master, as a multiport device does. */
  multiport: 1 << 10,
  full1000: 1 << 9,
  half1000: 1 << 8,
} as const;
export const Gbsr = {
  /** Both ends are manually set to the same role, so no link comes up. */
  masterFault: 1 << 15,
  master: 1 << 14,
  localOk: 1 << 13,
  remoteOk: 1 << 12,
  full1000: 1 << 11,
  half1000: 1 << 10,
} as const;

/** GBSR: number of idle errors since the last read, at most 255. */
export const IDLE_ERRORS = 0xff;

/** Bits of ESTATUS. */
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
  /** As `dataIncrementing`, but only writes increment the address. */
  dataIncrementingOnWrite: 3 << 14,
} as const;
/** Numbers of clause 45 devices. */
export const Mmd = { pma: 1, pcs: 3, negotiation: 7, vendor2: 31 } as const;

/** Bits of the PMA speed ability (1.4). */
export const PmaSpeed = { speed10000: 1 << 0, speed2500: 1 << 13, speed5000: 1 << 14 } as const;
/**
 * Advertised speeds above 1000 Mbit/s (7.32), and those of the link partner (7.33). Bits 15:13 of 7.32 mean the same as
 * bits 12:10 of GBCR.
 */
export const Advertise10G = { full2500: 1 << 7, full5000: 1 << 8, full10000: 1 << 12 } as const;
export const MASTER_SHIFT_10G = 3;
/** 7.32: fast retrain, which restores a degraded link without a new negotiation. */
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
/** Energy-efficient Ethernet: ability (3.20), advertisement (7.60), link partner's advertisement (7.61). */
export const Eee = { full100: 1 << 1, full1000: 1 << 2, full10000: 1 << 3 } as const;
/** As `Eee`, for 2.5 and 5 Gbit/s: registers 3.21, 7.62 and 7.63. */
export const Eee2 = { full2500: 1 << 0, full5000: 1 << 1 } as const;

/**
 * Address of page 0 in PHY-OCP space. Register n of page 0 is at 0xa400 + 2n, and register n of another page p is at
 * 16p + 2(n - 16).
 */
export const OCP_STANDARD = 0xa400;
/** Page of Realtek's status register (register 18), which shows the speed and duplex in use. */
export const PHYSR_PAGE = 0xa43;
export const PHYSR = 18;
/**
 * Bits of Realtek's status register. The speed is 10 Mbit/s if no speed bit is set; 2500 and 5000 are combinations of
 * two bits.
 */
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
 * Registers in PHY-OCP space. Sources: DPDK `drivers/net/r8169/r8169_phy.c` (BSD-3-Clause, Realtek), and, for names,
 * drivers of Realtek's USB chips with the same PHY.
 */
export const Ocp = {
  /** Bits 2:0 are a `PhyState`. */
  state: 0xa420,
  /** Window to the data memory of the PHY's controller: address, then data. */
  memoryAddress: 0xa436,
  memoryData: 0xa438,
  /** Window to a second memory (PHYs for 2.5 Gbit/s and faster). */
  memory2Address: 0xb87c,
  memory2Data: 0xb87e,
  /** Bits 3:2 enable a fallback to a lower speed if the cable does not support the negotiated one. */
  speedDown: 0xa442,
  /** The next nine addresses are those of clause 45 registers 3.20, 7.60, 7.61, 7.32, 7.33, 1.4, 7.63, 7.62, 3.21. */
  eeeAble: 0xa5c4,
  eeeAdvertise: 0xa5d0,
  eeePartner: 0xa5d2,
  advertise10G: 0xa5d4,
  partner10G: 0xa5d6,
  pmaSpeed: 0xa616,
  eee2Partner: 0xa6d0,
  eee2Advertise: 0xa6d4,
  eee2Able: 0xa6ec,
  /**
   * A driver sets bit 0 and the PHY's controller clears it, which shows that the controller runs (PHYs for 2.5 Gbit/s
   * and faster).
   */
  alive: 0xb87a,
  /** Bit 4 asks the PHY's controller to halt for a patch; the controller acknowledges with bit 6 of `patchStatus`. */
  patchRequest: 0xb820,
  patchStatus: 0xb800,
} as const;
export const ALIVE = 1 << 0;
export const PATCH_REQUEST = 1 << 4;
export const PATCH_READY = 1 << 6;
export const SPEED_DOWN = 3 << 2;
export const PhyState = { waking: 2, on: 3, poweredDown: 5 } as const;

/**
 * PHYs without OCP have the speed and duplex in use in register 17 of page 0; bits 15:14 are the speed (RTL8211B
 * register table, PHYSR).
 */
export const PHYSR_8211 = 17;
export const Physr8211 = {
  speed1000: 1 << 15,
  speed100: 1 << 14,
  fullDuplex: 1 << 13,
  resolved: 1 << 11,
  linkUp: 1 << 10,
  mdix: 1 << 6,
} as const;
/** Register 20 of page 0. Its bit 15 has the function of `Ocp.speedDown` (8168E and later). */
export const SPEED_DOWN_8211 = 20;

/** Page and number of a register. On pages of an OCP PHY other than 0, the numbers are 16 to 23. */
export interface PhyPlace {
  readonly page: number;
  readonly register: number;
}
/** MDI or MDI-X: the field that selects one of them, and the bit that shows which one is in use. */
export interface Crossover {
  readonly control: PhyPlace & {
    readonly mask: number;
    readonly auto: number;
    readonly mdi: number;
    readonly mdix: number;
  };
  readonly status: PhyPlace & { readonly mdi: number; readonly mdix: number };
}
/**
 * PHYs from RTL8211B on. Sources: FreeBSD `sys/dev/mii/rgephyreg.h`, RGEPHY_MII_PCR and RGEPHY_MII_SSR; RTL8211B
 * datasheet, PHYCR.
 */
export const CROSSOVER_8211: Crossover = {
  control: { page: 0, register: 16, mask: 3 << 5, auto: 1 << 6, mdi: 0, mdix: 1 << 5 },
  status: { page: 0, register: PHYSR_8211, mdi: 0, mdix: 1 << 6 },
};
/**
 * OCP PHYs. Source: FreeBSD's RGEPHY_F_MII_PCR1 and RGEPHY_F_MII_SSR of the RTL8211F, on page 0xa43. The built-in PHYs
 * are assumed to have the same registers, because they have that page, and bit 2 of PCR1 is ALDPS in both PHYs (DPDK
 * rtl_disable_aldps). In the RTL8211F's datasheet, bit 9 of PHYCR1 selects manual mode, and bit 8 is 1 for MDI.
 */
export const CROSSOVER_OCP: Crossover = {
  control: { page: PHYSR_PAGE, register: 16, mask: 3 << 8, auto: 0, mdi: 3 << 8, mdix: 1 << 9 },
  status: { page: PHYSR_PAGE, register: PHYSR, mdi: 1 << 1, mdix: 0 },
};
/** Bits that enable the fallback to a lower speed (`SPEED_DOWN_8211` or `Ocp.speedDown`). */
export type Downshift = PhyPlace & { readonly bits: number };
export const DOWNSHIFT_8211: Downshift = { page: 0, register: SPEED_DOWN_8211, bits: 1 << 15 };
export const DOWNSHIFT_OCP: Downshift = { page: 0xa44, register: 17, bits: SPEED_DOWN };
/** The registers of an OCP PHY that hold clause 45 registers 7.32 and 7.33. */
export const NEGOTIATION_10G: PhyPlace = { page: 0xa5d, register: 18 };
export const PARTNER_10G: PhyPlace = { page: 0xa5d, register: 19 };

/** Page 5: window to the data memory of the PHY's controller. */
export const MEMORY_PAGE = 5;
export const MEMORY_ADDRESS = 5;
export const MEMORY_DATA = 6;
/** Page 7. Register 30 of this page selects one of 256 banks of the page's other registers. */
export const EXTENSION_PAGE = 7;
export const EXTENSION_SELECT = 30;
