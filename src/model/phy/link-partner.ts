/** The link partner, and the result of negotiation. IEEE 802.3: clauses 28 (with annex 28B), 40.5, 78 and 126. */
import { Advertise, Advertise10G, Bmcr, Eee, Eee2, Gbcr, Gbsr, Partner10G } from "#chip/phy.ts";
import type { SerdesSpeed } from "./serdes.ts";

/** Speeds in Mbit/s. From 2500 on there is only full duplex. */
export const LINK_SPEEDS = [10, 100, 1000, 2500, 5000, 10000] as const;
export type LinkSpeed = (typeof LINK_SPEEDS)[number];

/** Abilities of a station, as values of the registers that report them. */
export interface Partner {
  /** Value for ANLPAR. */
  readonly anlpar: number;
  /** Only the bits `Gbsr.full1000` and `Gbsr.half1000`. */
  readonly gbsr: number;
  /** Speed bits of `Partner10G`. */
  readonly multigigabit?: number;
  /** Bits of `Eee`; `eee2` has bits of `Eee2`. */
  readonly eee?: number;
  readonly eee2?: number;
  /** Clock role for 1000BASE-T and faster; default: prefers to be master, as switches do. */
  readonly clock?: ClockRole;
  /** Crossover of the partner's connector, if fixed; default: automatic. */
  readonly socket?: "mdi" | "mdix";
  /** If present, the partner does not negotiate, and is set to this mode. */
  readonly fixed?: { readonly speed: 10 | 100; readonly fullDuplex: boolean };
}

export type ClockRole = "preferred-master" | "preferred-slave" | "forced-master" | "forced-slave";

/**
 * Clock role set in GBCR: bit 12 selects manual configuration, bit 11 the manual role; bit 10 is for multiport devices.
 */
export const clockRole = (gbcr: number): ClockRole => {
  if ((gbcr & Gbcr.manualMaster) !== 0) return (gbcr & Gbcr.master) === 0 ? "forced-slave" : "forced-master";
  return (gbcr & Gbcr.multiport) === 0 ? "preferred-slave" : "preferred-master";
};

/** Priority of an end for the master role. Manual configuration has priority over the kind of device. */
const CLOCK_RANK: Readonly<Record<ClockRole, number>> = {
  "forced-slave": 0,
  "preferred-slave": 1,
  "preferred-master": 2,
  "forced-master": 3,
};

/**
 * Decides the clock roles (802.3, 40.5.2). If both ends have the same priority, random seeds decide; here the partner
 * always becomes master. If both are manually set to the same role, there is no link.
 */
export const resolveClock = (ours: ClockRole, theirs: ClockRole): "master" | "slave" | "fault" => {
  if (ours === theirs && ours.startsWith("forced")) return "fault";
  return CLOCK_RANK[ours] > CLOCK_RANK[theirs] ? "master" : "slave";
};

/** A partner's abilities as options. The defaults are those of a good switch. */
export interface PartnerAbilities {
  /** Speeds that the partner has. Default: all. */
  readonly speeds?: readonly LinkSpeed[];
  /** Duplex modes at 10, 100 and 1000 Mbit/s. */
  readonly duplex?: "both" | "full" | "half";
  /** Pause that the partner advertises (802.3, table 28B-2); `transmit`: the partner sends pause frames. */
  readonly pause?: "none" | "symmetric" | "transmit" | "both";
  readonly eee?: boolean;
  readonly clock?: ClockRole;
  readonly socket?: "mdi" | "mdix";
  /**
   * Whether the partner negotiates; default true. Otherwise it uses the highest of its speeds up to 100 Mbit/s, and
   * full duplex unless `duplex` is half.
   */
  readonly negotiates?: boolean;
}

/** The state of the link in the PHY. */
export interface PhyLink {
  readonly up: boolean;
  /** Speed in Mbit/s; 0 while the link is down. */
  readonly speed: 0 | LinkSpeed;
  readonly fullDuplex: boolean;
  /** Whether received pause frames stop the transmitter. */
  readonly receivePause: boolean;
  /** Whether pause frames are sent. */
  readonly transmitPause: boolean;
  /** Whether both ends may enter low-power idle between frames. */
  readonly eee: boolean;
  /** Whether the speed is lower than negotiated because pairs of the cable are missing. */
  readonly lowered: boolean;
}

export const LINK_DOWN: PhyLink = {
  up: false,
  speed: 0,
  fullDuplex: false,
  receivePause: false,
  transmitPause: false,
  eee: false,
  lowered: false,
};

/** Abilities of this end, from its registers, and of the cable. */
export interface Offer {
  readonly bmcr: number;
  readonly anar: number;
  readonly gbcr: number;
  /** Bits of `Advertise10G`. */
  readonly multigigabit: number;
  readonly eee: number;
  readonly eee2: number;
  /** Crossover setting of this end; undefined if automatic. */
  readonly crossover?: "mdi" | "mdix" | undefined;
  /** Number of the cable's pairs that carry a signal. Above 100 Mbit/s all four are needed. */
  readonly pairs: 2 | 4;
  /** Whether a lower speed is tried if the link does not come up at the negotiated one. */
  readonly speedDown: boolean;
}

const { acknowledge, asymmetricPause, pause, selector } = Advertise;
const PAUSE = { none: 0, symmetric: pause, transmit: asymmetricPause, both: pause | asymmetricPause } as const;
/** The next-page bit; 1000BASE-T is negotiated in next pages. */
const NEXT_PAGE = 1 << 15;

/** The registers of a partner with these abilities. */
export const partnerOf = (abilities: PartnerAbilities = {}): Partner => {
  const { speeds = LINK_SPEEDS, duplex = "both", eee = true, negotiates = true } = abilities;
  const full = duplex !== "half";
  const half = duplex !== "full";
  const has = (speed: LinkSpeed, bits: number, mode = true): number => (mode && speeds.includes(speed) ? bits : 0);
  const physical = {
    ...(abilities.clock === undefined ? {} : { clock: abilities.clock }),
    ...(abilities.socket === undefined ? {} : { socket: abilities.socket }),
  };
  if (!negotiates) {
    const fixed = { speed: speeds.includes(100) ? 100 : 10, fullDuplex: full } as const;
    return { anlpar: 0, gbsr: 0, fixed, ...physical };
  }
  return {
    ...physical,
    anlpar:
      selector |
      acknowledge |
      PAUSE[abilities.pause ?? "symmetric"] |
      has(100, Advertise.full100, full) |
      has(100, Advertise.half100, half) |
      has(10, Advertise.full10, full) |
      has(10, Advertise.half10, half) |
      (speeds.some((speed) => speed >= 1000) ? NEXT_PAGE : 0),
    gbsr: has(1000, Gbsr.full1000, full) | has(1000, Gbsr.half1000, half),
    multigigabit: has(2500, Partner10G.full2500) | has(5000, Partner10G.full5000) | has(10000, Partner10G.full10000),
    eee: eee ? has(100, Eee.full100, full) | has(1000, Eee.full1000, full) | has(10000, Eee.full10000) : 0,
    eee2: eee ? has(2500, Eee2.full2500) | has(5000, Eee2.full5000) : 0,
  };
};

/** A station with all modes and symmetric pause. */
export const ANY_PARTNER: Partner = partnerOf();

/** The result of negotiation; `LINK_DOWN` without a common mode. */
export const settle = (offer: Offer, partner: Partner): PhyLink => {
  // A straight cable must connect an MDI end with an MDI-X end.
  if (offer.crossover !== undefined && offer.crossover === partner.socket) return LINK_DOWN;
  if ((offer.bmcr & Bmcr.autonegotiate) === 0) return forced(offer, partner);
  if (partner.fixed !== undefined) return detected(offer, partner.fixed.speed);
  const best = highest(offer, partner, 4);
  if (best.speed <= 100 || offer.pairs === 4) return best;
  const lower = offer.speedDown ? highest(offer, partner, 2) : LINK_DOWN;
  return { ...lower, lowered: lower.up };
};

/**
 * The result for two ends with SFP modules at 0, 1000 or 10000 Mbit/s: the link is up if the speeds are equal.
 * 10GBASE-R does not negotiate (802.3, 49); pause of 1000BASE-X (802.3, 37) is not modelled.
 */
export const settleOnFibre = (speed: SerdesSpeed, partner: Partner): PhyLink => {
  if (speed === 0 || partner.fixed !== undefined) return LINK_DOWN;
  const theirs = speed === 10000 ? (partner.multigigabit ?? 0) & Partner10G.full10000 : partner.gbsr & Gbsr.full1000;
  return theirs === 0 ? LINK_DOWN : { ...LINK_DOWN, up: true, speed, fullDuplex: true };
};

/**
 * Parallel detection (28.2.3.1): the partner's signal shows its speed, and half duplex is assumed. This end must have
 * advertised the detected mode.
 */
const detected = (offer: Offer, speed: 10 | 100): PhyLink => {
  const offered = speed === 100 ? Advertise.half100 : Advertise.half10;
  return (offer.anar & offered) === 0 ? LINK_DOWN : { ...LINK_DOWN, up: true, speed };
};

/**
 * The link if this end does not negotiate: the partner must be set to the same speed or find it by parallel detection.
 * At 1000BASE-T there is no link, because it requires negotiation of the clock master (40.5.1).
 */
const forced = (offer: Offer, partner: Partner): PhyLink => {
  if ((offer.bmcr & Bmcr.speedHigh) !== 0) return LINK_DOWN;
  const speed = (offer.bmcr & Bmcr.speedLow) === 0 ? 10 : 100;
  const modes = speed === 100 ? Advertise.half100 | Advertise.full100 : Advertise.half10 | Advertise.full10;
  const matches = partner.fixed === undefined ? (partner.anlpar & modes) !== 0 : partner.fixed.speed === speed;
  return matches ? { ...LINK_DOWN, up: true, speed, fullDuplex: (offer.bmcr & Bmcr.fullDuplex) !== 0 } : LINK_DOWN;
};

/** The highest common mode, in the order of annex 28B.3. */
const highest = (offer: Offer, partner: Partner, pairs: 2 | 4): PhyLink => {
  const common = offer.anar & partner.anlpar;
  const theirs = partner.multigigabit ?? 0;
  const flow = resolvePause(offer.anar, partner.anlpar);
  const eee = offer.eee & (partner.eee ?? 0);
  const eee2 = offer.eee2 & (partner.eee2 ?? 0);
  const full = (speed: LinkSpeed, sleeps: number): PhyLink => ({
    up: true,
    speed,
    fullDuplex: true,
    ...flow,
    eee: sleeps !== 0,
    lowered: false,
  });
  const half = (speed: LinkSpeed): PhyLink => ({ ...LINK_DOWN, up: true, speed });
  if (pairs === 4) {
    const both = (ours: number, partnerBits: number): boolean =>
      (offer.multigigabit & ours) !== 0 && (theirs & partnerBits) !== 0;
    if (both(Advertise10G.full10000, Partner10G.full10000)) return full(10000, eee & Eee.full10000);
    if (both(Advertise10G.full5000, Partner10G.full5000)) return full(5000, eee2 & Eee2.full5000);
    if (both(Advertise10G.full2500, Partner10G.full2500)) return full(2500, eee2 & Eee2.full2500);
    if (offer.gbcr & Gbcr.full1000 && partner.gbsr & Gbsr.full1000) return full(1000, eee & Eee.full1000);
    if (offer.gbcr & Gbcr.half1000 && partner.gbsr & Gbsr.half1000) return half(1000);
  }
  if (common & Advertise.full100) return full(100, eee & Eee.full100);
  if (common & Advertise.half100) return half(100);
  if (common & Advertise.full10) return full(10, 0);
  return common & Advertise.half10 ? half(10) : LINK_DOWN;
};

/** The resulting pause modes (802.3, table 28B-3). */
const resolvePause = (ours: number, theirs: number): Pick<PhyLink, "receivePause" | "transmitPause"> => {
  if ((ours & theirs & pause) !== 0) return { receivePause: true, transmitPause: true };
  const asymmetric = (ours & theirs & asymmetricPause) !== 0;
  return { receivePause: asymmetric && (ours & pause) !== 0, transmitPause: asymmetric && (theirs & pause) !== 0 };
};
