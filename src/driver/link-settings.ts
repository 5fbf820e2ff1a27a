/** Link settings of users, in ethtool's terms, and checks that a chip supports them. */
import type { Chip } from "#chip/chips.ts";
import { FIBRE_MODES, type LinkMode, type LinkModeName, modesOf } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { Advertise, Gbcr } from "#chip/phy.ts";
import { BadLinkSetting } from "./errors.ts";

/**
 * Bits of GBCR. A device with one port prefers to be slave, a device with several ports to be master (802.3, 40.5.2).
 */
export const MASTER_SLAVE = {
  "preferred-slave": 0,
  "preferred-master": Gbcr.multiport,
  "forced-slave": Gbcr.manualMaster,
  "forced-master": Gbcr.manualMaster | Gbcr.master,
} as const;

const CROSSOVERS = ["auto", "mdi", "mdix"] as const;

export interface PauseSettings {
  /** If this is false, `receive` and `transmit` must be false too: the MAC uses pause only if it was negotiated. */
  readonly autonegotiate: boolean;
  /** `receive`: received pause frames stop the transmitter. `transmit`: pause frames are sent. */
  readonly receive: boolean;
  readonly transmit: boolean;
}

/** The driver keeps these settings across reset, MTU change, down and up. */
export interface LinkSettings {
  readonly autonegotiate: boolean;
  /** The modes advertised while autonegotiation is on. */
  readonly advertise: readonly LinkModeName[];
  /** Speed in Mbit/s while autonegotiation is off. */
  readonly speed: number;
  /** Duplex while autonegotiation is off. */
  readonly fullDuplex: boolean;
  /** This end's clock role at 1000BASE-T and faster. */
  readonly masterSlave: keyof typeof MASTER_SLAVE;
  readonly crossover: (typeof CROSSOVERS)[number];
  /**
   * True if the PHY tries a lower speed when the cable does not support the negotiated one; undefined on PHYs without a
   * register for it.
   */
  readonly downshift: boolean | undefined;
  /**
   * True if fast retrain is advertised for the advertised modes above 1000 Mbit/s; undefined keeps the chip's start
   * value.
   */
  readonly fastRetrain: boolean | undefined;
  /**
   * Undefined until a user sets pause. While it is undefined, both abilities are advertised: pause in both directions,
   * and pause in one direction only.
   */
  readonly pause: PauseSettings | undefined;
}

/** The modes that the chip supports; with an SFP cage, the modes of SFP modules. */
export const supportedModes = (chip: Chip, cage: boolean): readonly LinkMode[] => (cage ? FIBRE_MODES : modesOf(chip));

export const defaultLinkSettings = (chip: Chip, cage: boolean): LinkSettings => ({
  autonegotiate: !cage,
  // Half duplex at 1000 Mbit/s is not advertised by default: no partner in use supports it.
  advertise: supportedModes(chip, cage).flatMap(({ name }) => (name === "1000baseT/Half" ? [] : [name])),
  speed: cage ? 10_000 : 100,
  fullDuplex: true,
  masterSlave: "preferred-slave",
  crossover: "auto",
  downshift: phyKind(chip).downshift === undefined ? undefined : true,
  fastRetrain: undefined,
  pause: undefined,
});

type Check = readonly [refused: boolean, what: string, hint: string];

/** Rejects settings that this chip does not support. Nothing is written. @throws {BadLinkSetting} */
export const checkLinkSettings = (chip: Chip, cage: boolean, wanted: LinkSettings): LinkSettings => {
  const { autonegotiate, advertise, speed, fullDuplex } = wanted;
  const kind = phyKind(chip);
  const names = supportedModes(chip, cage).map(({ name }) => name);
  const unsupported = advertise.filter((name) => !names.includes(name));
  const forced = supportedModes(chip, cage).some(
    (mode) => mode.speed === speed && mode.fullDuplex === fullDuplex && (cage || speed <= 100),
  );
  const all = `Choose from ${names.join(", ")}.`;
  const fixed = kind.hidesLink === true;
  const checks: readonly Check[] = [
    [unsupported.length > 0, `advertising ${unsupported.join(", ")}`, all],
    [autonegotiate && cage, "autonegotiation through an SFP module", "Set the module's speed: 1000 or 10000."],
    [autonegotiate && advertise.length === 0, "autonegotiation without advertised modes", all],
    [!autonegotiate && fixed, "a speed without autonegotiation", "The transceiver of this chip has one speed."],
    [
      !autonegotiate && !forced,
      `${speed} Mbit/s, ${fullDuplex ? "full" : "half"} duplex, without autonegotiation`,
      cage
        ? "Set 1000 or 10000, full duplex."
        : "Set 10 or 100, or advertise a single mode: 1000BASE-T and faster require negotiation.",
    ],
    [
      !Object.hasOwn(MASTER_SLAVE, wanted.masterSlave),
      "this clock role",
      `Choose from ${Object.keys(MASTER_SLAVE).join(", ")}.`,
    ],
    [!CROSSOVERS.includes(wanted.crossover), "this MDI setting", `Choose from ${CROSSOVERS.join(", ")}.`],
    [
      wanted.masterSlave !== "preferred-slave" && (cage || fixed || kind.estatus === 0),
      "a clock role",
      "Only 1000BASE-T and faster have a clock role.",
    ],
    [
      wanted.crossover !== "auto" && (cage || fixed || kind.crossover === undefined),
      "a fixed MDI or MDI-X",
      "Leave it to the PHY (auto): no register for it is known.",
    ],
    [
      wanted.downshift !== (kind.downshift === undefined ? undefined : (wanted.downshift ?? true)),
      "a downshift setting",
      "No register for it is known on this PHY.",
    ],
    [
      wanted.fastRetrain !== undefined && (cage || kind.multigigabit === 0),
      "fast retrain",
      "Only 2.5GBASE-T and faster have it.",
    ],
    ...pauseChecks(chip, wanted.pause),
  ];
  for (const [refused, what, hint] of checks) if (refused) throw new BadLinkSetting(chip.name, what, hint);
  return wanted;
};

const pauseChecks = (chip: Chip, pause: PauseSettings | undefined): readonly Check[] => {
  if (pause === undefined) return [];
  const { autonegotiate, receive, transmit } = pause;
  return [
    [
      !autonegotiate && (receive || transmit),
      "pause without pause autonegotiation",
      "Turn pause autonegotiation on, or pause off in both directions: the MAC uses pause only if it was negotiated.",
    ],
    [
      receive !== transmit && chip.profile.phyAccess === "registers",
      "pause in one direction",
      "Set both directions on or both off: this PHY cannot advertise only one.",
    ],
  ];
};

/**
 * The pause bits of ANAR: IEEE 802.3, table 28B-2. The table has no code for receiving pause only; both directions are
 * advertised instead, as in Linux.
 */
export const pauseOffer = (pause: PauseSettings | undefined): number => {
  if (pause === undefined) return Advertise.pause | Advertise.asymmetricPause;
  const { receive, transmit } = pause;
  return (receive ? Advertise.pause : 0) | (receive === transmit ? 0 : Advertise.asymmetricPause);
};
