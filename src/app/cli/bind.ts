/** `ferrule bind`: takes a card from the kernel's driver, for `ferrule up`. */
import { machineHere, situationOf, yardHere } from "../cards/here.ts";
import { judgeCard, type Lack } from "../cards/judge.ts";
import { VFIO_PCI } from "../cards/machine.ts";
import { cardAt, type Moved, take } from "../cards/move.ts";
import { FERRULE } from "../cards/program.ts";
import { takeTurn } from "../cards/turn.ts";
import { BDF, parseBdf } from "./card-address.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { withNulls } from "./nulls.ts";

const sentence = ({ address, from, changed }: Moved): string => {
  if (!changed) return `${address} is with ${VFIO_PCI} already.`;
  return `${address} is with ${VFIO_PCI} now${from === undefined || from === VFIO_PCI ? "" : `, and was with ${from}`}.`;
};

/** What comes next: what still keeps the card from being used, or how it is used. */
const afterwards = (address: string, lacks: readonly Lack[]): readonly string[] => [
  ...(lacks.length === 0
    ? [`Bring it up with \`sudo ${FERRULE} up ${address}\`.`]
    : lacks.map(({ what, saw, fix }) => `It still lacks ${what}: ${saw}. Fix: ${fix.join("; ")}`)),
  `Give it back with \`sudo ${FERRULE} unbind ${address}\`.`,
];

export const bind = command({
  name: "bind",
  summary: "take a card from its kernel driver, for `ferrule up`",
  about: [
    "Gives the card to vfio-pci through its driver_override, and loads vfio-pci where that is needed. The card's network",
    "interface is gone until `ferrule unbind` or the next boot gives it back to the driver it had. Needs root.",
    "",
    "A card that carries a default route of any table, this SSH session, a disk or file system of another machine, or open",
    "connections is not taken without --force, also where it only may, under a tunnel; neither is one in a group that VFIO",
    "would not give away. Run it again when it was interrupted.",
  ].join("\n"),
  operands: [BDF],
  options: {
    force: { kind: "flag", summary: "take it whatever it carries, and whatever its group" },
    "unsafe-noiommu": {
      kind: "flag",
      summary: "take it without an IOMMU, where VFIO's mode for that is on: the card can then reach all memory",
    },
    json: JSON_OPTION,
  },
  examples: ["sudo npx ferrule bind 0000:03:00.0"],
  async run({ values, operands, terminal }) {
    const address = parseBdf(operands[0]!);
    using turn = await takeTurn(address);
    const { force, "unsafe-noiommu": unsafeNoIommu } = values;
    const yard = yardHere();
    const moved = await take(yard, address, { force, unsafeNoIommu });
    void turn;
    const lacks = judgeCard(situationOf(cardAt(yard.files, address), machineHere()));
    if (values.json) printJson(terminal, withNulls({ ...moved, lacks }));
    else printLines(terminal, [sentence(moved), ...afterwards(address, lacks)]);
    return Exit.done;
  },
});
