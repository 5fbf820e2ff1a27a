/** `-s`, `-r`, `-a` and `-A`: settings of the link, of pause frames and of wake-up. */
import type { LinkModeName } from "#chip/link-modes.ts";
import { LINK_MODES } from "#chip/link-modes.ts";
import { type LinkSettings, type PauseSettings, checkLinkSettings } from "#driver/link-settings.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Argument } from "../argument.ts";
import { formsOf } from "../wake-letters.ts";
import { BadLine, flag, type Group, onOff } from "./flag.ts";
import { isMask, modesIn } from "./mode-names.ts";
import { pairs, taking } from "./words.ts";

const TAKES = {
  speed: "number",
  duplex: "text",
  autoneg: "switch",
  advertise: "text",
  wol: "text",
  mdix: "text",
  "master-slave": "text",
} as const;
const READ = pairs(TAKES);
const TAKES_PAUSE = { autoneg: "switch", rx: "switch", tx: "switch" } as const;

/** Parses the words of `-s`, and checks those that take a text. */
const changeOf = (words: readonly string[]): Argument => {
  const read = READ(words);
  const { duplex, advertise, wol, mdix } = read;
  if (words.length === 0 || (duplex !== undefined && duplex !== "half" && duplex !== "full")) throw new BadLine();
  if (mdix !== undefined && !["auto", "on", "off"].includes(String(mdix))) throw new BadLine();
  if (advertise !== undefined && !isMask(String(advertise))) throw new BadLine();
  const unknown = Array.from(String(wol ?? "")).find((letter) => !/[pumbgasfd]/.test(letter));
  if (unknown !== undefined)
    throw new BadLine(`ethtool (-s): invalid char '${unknown}' in '${String(wol)}' for parameter 'wol'`);
  return read;
};

/**
 * The link modes to advertise: those of a mask, or those with a given speed and duplex, or all. Without a mask,
 * 1000baseT/Half is never advertised.
 */
const offered = (
  { speed, duplex, advertise }: Argument,
  supported: readonly LinkModeName[],
): readonly LinkModeName[] => {
  if (advertise !== undefined) return modesIn(String(advertise)).filter((name) => supported.includes(name));
  const wanted = LINK_MODES.filter(
    (mode) =>
      (speed === undefined || mode.speed === speed) &&
      (duplex === undefined || mode.fullDuplex === (duplex === "full")) &&
      mode.name !== "1000baseT/Half",
  );
  const names = wanted.map(({ name }) => name).filter((name) => supported.includes(name));
  if (names.length === 0)
    throw new OutOfRange(
      ["no link mode has", speed === undefined ? "" : `${Number(speed)} Mbit/s`, String(duplex ?? "")].join(" ").trim(),
      `Choose from ${supported.join(", ")}.`,
    );
  return names;
};

const CROSSOVER = { auto: "auto", on: "mdix", off: "mdi" } as const;

/** The requested change of the link's settings; empty if the words are only about other settings. */
const linkChange = (
  argument: Argument,
  { autonegotiate }: LinkSettings,
  supported: readonly LinkModeName[],
): Partial<LinkSettings> => {
  const { speed, duplex, autoneg, advertise, mdix, "master-slave": clock } = argument;
  const negotiates = typeof autoneg === "boolean" ? autoneg : advertise !== undefined || autonegotiate;
  if (duplex !== undefined && duplex !== "half" && duplex !== "full")
    throw new OutOfRange(`"${String(duplex).slice(0, 32)}" is not a duplex mode`, "Use half or full.");
  const about = [speed, duplex, autoneg, advertise].some((word) => word !== undefined);
  return {
    ...(about && { autonegotiate: negotiates }),
    ...(about && negotiates && { advertise: offered(argument, supported) }),
    ...(about && !negotiates && typeof speed === "number" && { speed }),
    ...(about && !negotiates && duplex !== undefined && { fullDuplex: duplex === "full" }),
    ...(mdix !== undefined && { crossover: CROSSOVER[mdix as keyof typeof CROSSOVER] }),
    ...(clock !== undefined && { masterSlave: clock as LinkSettings["masterSlave"] }),
  };
};

interface PauseValue extends PauseSettings {
  readonly negotiated: { readonly receive: boolean; readonly transmit: boolean };
}

export const linkChanges: Group = {
  operations: {
    setLink: taking(TAKES, ({ nic }, argument) => {
      const { phy, wake, chip } = nic;
      const change = linkChange(argument, phy.settings, phy.report().supported);
      const { wol } = argument;
      // The link's settings and the wake-up events are checked before any of them is written.
      checkLinkSettings(chip, phy.cage, { ...phy.settings, ...change });
      if (wol !== undefined) wake.armed = formsOf(String(wol));
      if (Object.keys(change).length > 0) phy.set(change);
      return {};
    }),
    restart: ({ nic }) => {
      nic.phy.restart();
      return {};
    },
    pause: ({ nic }): PauseValue => {
      const { pause = { autonegotiate: true, receive: nic.mtu <= 1500, transmit: nic.mtu <= 1500 } } = nic.phy.settings;
      return { ...pause, negotiated: nic.link.pause };
    },
    setPause: taking(TAKES_PAUSE, ({ nic }, { autoneg, rx, tx }) => {
      nic.phy.setPause({
        ...(typeof autoneg === "boolean" && { autonegotiate: autoneg }),
        ...(typeof rx === "boolean" && { receive: rx }),
        ...(typeof tx === "boolean" && { transmit: tx }),
      });
      return {};
    }),
  },
  flags: [
    flag({
      names: ["-s", "--change"],
      words:
        "[speed N] [duplex half|full] [autoneg on|off] [advertise MASK] [mdix auto|on|off] [master-slave CHOICE] [wol pumbg|d]",
      summary: "set the link and wake-up events",
      operation: "setLink",
      exit: 75,
      argument: changeOf,
      lines: () => [],
    }),
    flag({
      names: ["-r", "--negotiate"],
      words: "",
      summary: "restart autonegotiation",
      operation: "restart",
      failure: ["Cannot restart autonegotiation: %"],
      exit: 74,
      lines: () => [],
    }),
    flag<PauseValue>({
      names: ["-a", "--show-pause"],
      words: "",
      summary: "show pause frames",
      operation: "pause",
      exit: 1,
      lines: ({ autonegotiate, receive, transmit, negotiated }, name) => [
        `Pause parameters for ${name}:`,
        `Autonegotiate:\t${onOff(autonegotiate)}`,
        `RX:\t\t${onOff(receive)}`,
        `TX:\t\t${onOff(transmit)}`,
        ...(autonegotiate
          ? [`RX negotiated: ${onOff(negotiated.receive)}`, `TX negotiated: ${onOff(negotiated.transmit)}`]
          : []),
        "",
      ],
      json: ({ autonegotiate, receive, transmit, negotiated }) => ({
        autonegotiate,
        rx: receive,
        tx: transmit,
        negotiated: { rx: negotiated.receive, tx: negotiated.transmit },
      }),
    }),
    flag({
      names: ["-A", "--pause"],
      words: "[autoneg on|off] [rx on|off] [tx on|off]",
      summary: "set pause frames",
      operation: "setPause",
      exit: 79,
      argument: pairs(TAKES_PAUSE),
      lines: () => [],
    }),
  ],
};
