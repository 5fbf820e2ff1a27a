/** `ferrule list`: the family's cards in this machine, and what is missing to use each. */
import type { Card } from "../cards/card.ts";
import { hasPci, listCards } from "../cards/card.ts";
import { idText } from "../cards/errors.ts";
import { Files } from "../cards/files.ts";
import { localMachine, cardState } from "../cards/local-machine.ts";
import { judgeCard, type Missing } from "../cards/judge.ts";
import { FERRULE } from "../cards/program.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { linkSpeed, table } from "../terminal/format.ts";
import { withNulls } from "./nulls.ts";
import type { Stream } from "../terminal/terminal.ts";

/** A card, with everything that is missing to use it. */
export interface Listed {
  readonly card: Card;
  readonly lacks: readonly Missing[];
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

const interfaceText = ({ interfaces }: Card): string => interfaces.map(({ name }) => name).join(" ") || "-";

const linkText = ({ interfaces }: Card): string => {
  const [first] = interfaces;
  if (first === undefined) return "-";
  if (first.carrier === undefined) return "down";
  if (!first.carrier) return "no carrier";
  return first.speed === undefined ? "carrier" : linkSpeed(first.speed);
};

const row = ({ card }: Listed): readonly string[] => [
  card.address,
  card.chip.name ?? idText(card),
  card.driver ?? "-",
  card.group?.number ?? "-",
  interfaceText(card),
  linkText(card),
];

const HEADING = ["ADDRESS", "CHIP", "DRIVER", "GROUP", "INTERFACE", "LINK"];

/** Details that do not fit in the table: the card's identity and place. */
const facts = (card: Card): readonly [string, string] => {
  const { chip, pcie, power, resets, numaNode, override } = card;
  const subsystem = `${hex(card.subsystemVendor, 4)}:${hex(card.subsystemDevice, 4)}`;
  const identity = [`${idText(card)} revision ${hex(card.revision, 2)}, subsystem ${subsystem}`];
  if (chip.name === undefined) identity.push(`chip unknown: ${chip.because}`);
  else if (chip.xid !== undefined) identity.push(`XID ${hex(chip.xid, 3)}`);
  const place: string[] = [];
  if (pcie !== undefined) place.push(`PCIe ${pcie.speed} x${pcie.width}`);
  if (numaNode !== undefined) place.push(`NUMA node ${numaNode}`);
  if (power !== undefined && power !== "unknown") place.push(power);
  place.push(`reset: ${resets.join(", ") || "by the chip itself"}`);
  if (override !== undefined) place.push(`driver_override ${override}`);
  return [identity.join(", "), place.join(", ")];
};

const neighbours = (card: Card): readonly string[][] => {
  const others = card.group?.others ?? [];
  if (others.length === 0) return [];
  const names = others.map((other) => `${other.address} ${idText(other)} (${other.driver ?? "no driver"})`);
  return names.map((name, i) => [i === 0 ? "group" : "", i === 0 ? `shared with ${name}` : name]);
};

/** The command that brings a card up, with `sudo` if only root can use the card. */
const upCommand = (address: string, asRoot: boolean): string => `${asRoot ? "sudo " : ""}${FERRULE} up ${address}`;

const details = ({ card, lacks }: Listed, stream: Pick<Stream, "paint">, asRoot: boolean): readonly string[] => {
  const missing = lacks.flatMap(({ what, saw, fix }) => [
    [stream.paint("yellow", "lacks"), `${what}: ${saw}`],
    ...fix.map((command) => ["", stream.paint("dim", `fix: ${command}`)]),
  ]);
  const ready = [stream.paint("green", "ready"), upCommand(card.address, asRoot)];
  const [identity, place] = facts(card);
  const rows = [["is", identity], ["", place], ...neighbours(card), ...(lacks.length === 0 ? [ready] : missing)];
  return ["", stream.paint("bold", card.address), ...table(rows, "ll").map((line) => `  ${line}`)];
};

export const listLines = (
  listed: readonly Listed[],
  stream: Pick<Stream, "paint">,
  asRoot = false,
): readonly string[] => [
  ...table([HEADING, ...listed.map(row)], "llllll"),
  ...listed.flatMap((each) => details(each, stream, asRoot)),
];

const nothingLines = (files: Files): readonly string[] => [
  hasPci(files)
    ? "No card of the RTL8169 family in this machine (10ec:8168, 8125, 8136, 8139 from revision 20 on, …)."
    : "This machine shows no PCI bus: is this a container without /sys?",
  "`lspci -nn | grep -i ethernet` shows all NICs. Without a card: `ferrule demo`, or `ferrule up model:rtl8168h`.",
];

export const list = command({
  name: "list",
  summary: "show this machine's cards, and what is missing to use each",
  about: [
    "Changes nothing. Shows, for each card of the family, chip, driver, IOMMU group with its other members, link, and the",
    "commands for what is missing. The chip is identified from its registers if the card is awake and the command runs as",
    "root; otherwise by its PCI identity.",
  ].join("\n"),
  operands: [],
  options: { json: JSON_OPTION },
  examples: ["sudo npx ferrule list"],
  async run({ values, terminal }) {
    const files = new Files();
    const machine = localMachine(files);
    const listed = listCards(files).map((card) => ({ card, lacks: judgeCard(cardState(card, machine, files)) }));
    if (values.json) {
      const cards = listed.map(({ card, lacks }) => ({ ...card, ready: lacks.length === 0, lacks }));
      printJson(terminal, withNulls({ machine, cards }));
    } else
      printLines(
        terminal,
        listed.length === 0 ? nothingLines(files) : listLines(listed, terminal.out, machine.user === 0),
      );
    return Exit.done;
  },
});
