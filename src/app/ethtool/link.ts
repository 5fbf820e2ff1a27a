/** `ethtool NAME`: the link modes of both ends, the negotiated mode, and wake-up events. */
import type { LinkReport, PauseOffer } from "#driver/link-report.ts";
import type { LinkSettings } from "#driver/link-settings.ts";
import type { WakeForm } from "#driver/wake.ts";
import { lettersOf } from "../wake-letters.ts";
import { flag, type Group, type Json, onOff, yesNo } from "./flag.ts";
import { modeLines, ordered } from "./mode-names.ts";

interface LinkValue {
  readonly report: LinkReport;
  readonly settings: Pick<LinkSettings, "autonegotiate" | "masterSlave" | "crossover">;
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
  readonly gigabit: boolean;
  readonly wakes: readonly WakeForm[];
  readonly armed: readonly WakeForm[];
}

const pauseText = ({ symmetric, asymmetric }: PauseOffer): string => {
  if (symmetric) return asymmetric ? "Symmetric Receive-only" : "Symmetric";
  return asymmetric ? "Transmit-only" : "No";
};
const SUPPORTED_PAUSE: PauseOffer = { symmetric: true, asymmetric: true };

const words = (text: string): string => text.replace("-", " ");

/** The value of ethtool's MDI-X line: whether the pairs are crossed, and whether that was set or detected. */
const crossover = ({ report, settings }: LinkValue): string => {
  const forced = settings.crossover === "auto" ? "" : " (forced)";
  const now = forced === "" ? report.crossover : settings.crossover;
  if (now === undefined) return "Unknown";
  return `${now === "mdix" ? "on" : "off"}${forced === "" ? " (auto)" : forced}`;
};

const clock = ({ report, up, gigabit }: LinkValue): string | undefined => {
  if (!gigabit) return undefined;
  if (!up) return "unknown";
  return report.clock === "fault" ? "resolution error" : report.clock;
};

const shown = (value: LinkValue, name: string): readonly string[] => {
  const { report, settings, up } = value;
  const copper = report.port === "copper";
  const status = clock(value);
  return [
    `Settings for ${name}:`,
    `\tSupported ports: [ ${copper ? "TP\t MII" : "FIBRE"} ]`,
    ...modeLines("Supported link modes:   ", report.supported),
    `\tSupported pause frame use: ${pauseText(SUPPORTED_PAUSE)}`,
    `\tSupports auto-negotiation: ${copper ? "Yes" : "No"}`,
    "\tSupported FEC modes: Not reported",
    ...modeLines("Advertised link modes:  ", report.advertised),
    `\tAdvertised pause frame use: ${pauseText(report.advertisedPause)}`,
    `\tAdvertised auto-negotiation: ${settings.autonegotiate ? "Yes" : "No"}`,
    "\tAdvertised FEC modes: Not reported",
    ...(report.partner.length === 0
      ? []
      : [
          ...modeLines("Link partner advertised link modes:  ", report.partner),
          `\tLink partner advertised pause frame use: ${pauseText(report.partnerPause)}`,
          "\tLink partner advertised auto-negotiation: Yes",
          "\tLink partner advertised FEC modes: Not reported",
        ]),
    `\tSpeed: ${up ? `${value.speed}Mb/s` : "Unknown!"}`,
    `\tDuplex: ${up ? (value.fullDuplex ? "Full" : "Half") : "Unknown! (255)"}`,
    `\tAuto-negotiation: ${onOff(settings.autonegotiate)}`,
    ...(value.gigabit ? [`\tmaster-slave cfg: ${words(settings.masterSlave)}`] : []),
    ...(status === undefined ? [] : [`\tmaster-slave status: ${status}`]),
    `\tPort: ${copper ? "Twisted Pair" : "FIBRE"}`,
    "\tPHYAD: 0",
    "\tTransceiver: internal",
    ...(copper ? [`\tMDI-X: ${crossover(value)}`] : []),
    `\tSupports Wake-on: ${lettersOf(value.wakes)}`,
    `\tWake-on: ${lettersOf(value.armed)}`,
    `\tLink detected: ${yesNo(up)}`,
  ];
};

const json = (value: LinkValue): { readonly [key: string]: Json } => {
  const { report, settings, up } = value;
  const copper = report.port === "copper";
  const status = clock(value);
  return {
    "supported-ports": copper ? ["TP", "MII"] : ["FIBRE"],
    "supported-link-modes": ordered(report.supported),
    "supported-pause-frame-use": pauseText(SUPPORTED_PAUSE),
    "supports-auto-negotiation": copper,
    "supported-fec-modes": [],
    "advertised-link-modes": ordered(report.advertised),
    "advertised-pause-frame-use": pauseText(report.advertisedPause),
    "advertised-auto-negotiation": settings.autonegotiate,
    "advertised-fec-modes": [],
    ...(report.partner.length === 0
      ? {}
      : {
          "link-partner-advertised-link-modes": ordered(report.partner),
          "link-partner-advertised-pause-frame-use": pauseText(report.partnerPause),
          "link-partner-advertised-auto-negotiation": true,
          "link-partner-advertised-fec-modes": [],
        }),
    ...(up ? { speed: value.speed, duplex: value.fullDuplex ? "Full" : "Half" } : {}),
    "auto-negotiation": settings.autonegotiate,
    ...(value.gigabit ? { "master-slave-cfg": words(settings.masterSlave) } : {}),
    ...(status === undefined ? {} : { "master-slave-status": status }),
    port: copper ? "Twisted Pair" : "FIBRE",
    phyad: 0,
    transceiver: "internal",
    "supports-wake-on": lettersOf(value.wakes),
    "wake-on": lettersOf(value.armed),
    "link-detected": up,
  };
};

export const link: Group = {
  operations: {
    link: ({ nic }): LinkValue => {
      const { autonegotiate, masterSlave, crossover: crossed } = nic.phy.settings;
      const { up, speed, fullDuplex } = nic.link;
      return {
        report: nic.phy.report(),
        settings: { autonegotiate, masterSlave, crossover: crossed },
        up,
        speed,
        fullDuplex,
        gigabit: nic.chip.speed >= 1000 && !nic.phy.cage,
        wakes: nic.wake.supported,
        armed: nic.wake.armed,
      };
    },
  },
  flags: [
    flag<LinkValue>({
      names: [],
      words: "",
      summary: "show link settings",
      operation: "link",
      exit: 75,
      lines: shown,
      json,
    }),
  ],
};
