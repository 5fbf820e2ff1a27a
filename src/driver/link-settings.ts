/** What users set of the link, as ethtool has it, and what of it a chip refuses. */
import type { Chip } from "#chip/chips.ts";
import { FIBRE_MODES, type LinkMode, type LinkModeName, modesOf } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { Advertise, Gbcr } from "#chip/phy.ts";
import { BadLinkSetting } from "./errors.ts";

/** Bits of GBCR. A device with one port prefers to be slave, one with several to be master (802.3, 40.5.2). */
export const MASTER_SLAVE = {
  "preferred-slave": 0,
  "preferred-master": Gbcr.multiport,
  "forced-slave": Gbcr.manualMaster,
  "forced-master": Gbcr.manualMaster | Gbcr.master,
} as const;

const CROSSOVERS = ["auto", "mdi", "mdix"] as const;

export interface PauseSettings {
  /** Off: neither direction, because the MAC takes pause from the negotiation alone. */
  readonly autonegotiate: boolean;
  /** Pause frames are obeyed, and sent. */
  readonly receive: boolean;
  readonly transmit: boolean;
}

/** Each setting outlives reset, MTU change, down and up. */
export interface LinkSettings {
  readonly autonegotiate: boolean;
  /** The modes that are offered while autonegotiation is on. */
  readonly advertise: readonly LinkModeName[];
  /** Without autonegotiation: Mbit/s and duplex. */
  readonly speed: number;
  readonly fullDuplex: boolean;
  /** Clock of 1000BASE-T and faster. */
  readonly masterSlave: keyof typeof MASTER_SLAVE;
  readonly crossover: (typeof CROSSOVERS)[number];
  /** A lower speed is tried where the cable does not carry the one agreed on; undefined where it cannot be set. */
  readonly downshift: boolean | undefined;
  /** Fast retrain at the advertised speeds above 1000; undefined leaves what the chip's start values set. */
  readonly fastRetrain: boolean | undefined;
  /** Undefined until a user sets it: both directions, together or each alone, are offered. */
  readonly pause: PauseSettings | undefined;
}

/** The chip behind an SFP cage offers modules' modes. */
export const supportedModes = (chip: Chip, cage: boolean): readonly LinkMode[] => (cage ? FIBRE_MODES : modesOf(chip));

export const defaultLinkSettings = (chip: Chip, cage: boolean): LinkSettings => ({
  autonegotiate: !cage,
  // No partner is left that has half duplex at 1000 Mbit/s.
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

/** Refuses what this chip cannot do, before anything is written. @throws {BadLinkSetting} */
export const checkLinkSettings = (chip: Chip, cage: boolean, wanted: LinkSettings): LinkSettings => {
  const { autonegotiate, advertise, speed, fullDuplex } = wanted;
  const kind = phyKind(chip);
  const names = supportedModes(chip, cage).map(({ name }) => name);
  const strange = advertise.filter((name) => !names.includes(name));
  const forced = supportedModes(chip, cage).some(
    (mode) => mode.speed === speed && mode.fullDuplex === fullDuplex && (cage || speed <= 100),
  );
  const all = `Choose from ${names.join(", ")}.`;
  const fixed = kind.hidesLink === true;
  const checks: readonly Check[] = [
    [strange.length > 0, `advertising ${strange.join(", ")}`, all],
    [autonegotiate && cage, "autonegotiation through an SFP module", "Set the module's speed: 1000 or 10000."],
    [autonegotiate && advertise.length === 0, "autonegotiation that offers nothing", all],
    [!autonegotiate && fixed, "a speed without autonegotiation", "The transceiver behind this chip has one speed."],
    [
      !autonegotiate && !forced,
      `${speed} Mbit/s, ${fullDuplex ? "full" : "half"} duplex, without autonegotiation`,
      cage
        ? "Set 1000 or 10000, full duplex."
        : "Set 10 or 100, or advertise one mode: 1000BASE-T and faster negotiate.",
    ],
    [
      !Object.hasOwn(MASTER_SLAVE, wanted.masterSlave),
      "this choice of clock master",
      `Choose from ${Object.keys(MASTER_SLAVE).join(", ")}.`,
    ],
    [!CROSSOVERS.includes(wanted.crossover), "this choice of MDI or MDI-X", `Choose from ${CROSSOVERS.join(", ")}.`],
    [
      wanted.masterSlave !== "preferred-slave" && (cage || fixed || kind.estatus === 0),
      "a choice of clock master",
      "Only 1000BASE-T and faster have one.",
    ],
    [
      wanted.crossover !== "auto" && (cage || fixed || kind.crossover === undefined),
      "a choice of MDI or MDI-X",
      "Leave it to the PHY (auto): no register for it is known.",
    ],
    [
      wanted.downshift !== (kind.downshift === undefined ? undefined : (wanted.downshift ?? true)),
      "a choice of downshift",
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
      "pause frames without negotiation",
      "Turn its autonegotiation on, or both directions off: the MAC takes pause from the negotiation alone.",
    ],
    [
      receive !== transmit && chip.profile.phyAccess === "registers",
      "pause in one direction",
      "Set both directions on or off: this PHY cannot offer one alone.",
    ],
  ];
};

/** What ANAR says of pause: IEEE 802.3, table 28B-2. Receive alone cannot be said; with it goes both, as in Linux. */
export const pauseOffer = (pause: PauseSettings | undefined): number => {
  if (pause === undefined) return Advertise.pause | Advertise.asymmetricPause;
  const { receive, transmit } = pause;
  return (receive ? Advertise.pause : 0) | (receive === transmit ? 0 : Advertise.asymmetricPause);
};
