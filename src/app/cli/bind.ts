/** `ferrule bind`: binds a card to vfio-pci, for `ferrule up`. */
import { localMachine, cardState, localBindContext } from "../cards/local-machine.ts";
import { judgeCard, type Missing } from "../cards/judge.ts";
import { VFIO_PCI } from "../cards/machine.ts";
import { cardAt, type BindResult, bindToVfio } from "../cards/binding.ts";
import { FERRULE } from "../cards/program.ts";
import { lockCard } from "../cards/card-lock.ts";
import { BDF, parseBdf } from "./card-address.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { withNulls } from "./nulls.ts";

const sentence = ({ address, from, changed }: BindResult): string => {
  if (!changed) return `${address} is already bound to ${VFIO_PCI}.`;
  return `${address} is now bound to ${VFIO_PCI}${from === undefined || from === VFIO_PCI ? "" : ` instead of ${from}`}.`;
};

/** The next step: what is still missing, or the command that brings the card up. */
const afterwards = (address: string, lacks: readonly Missing[]): readonly string[] => [
  ...(lacks.length === 0
    ? [`Bring it up with \`sudo ${FERRULE} up ${address}\`.`]
    : lacks.map(({ what, saw, fix }) => `Not ready yet (${what}): ${saw}. Fix: ${fix.join("; ")}`)),
  `Undo this with \`sudo ${FERRULE} unbind ${address}\`.`,
];

export const bind = command({
  name: "bind",
  summary: "bind a card to vfio-pci, for `ferrule up`",
  about: [
    "Binds the card to vfio-pci through its driver_override, and loads vfio-pci if necessary. The card's network",
    "interface disappears until `ferrule unbind` or the next boot returns it to its former driver. Needs root.",
    "",
    "A card that carries a default route in any table, this SSH session, a remote disk or file system, or open",
    "connections is not bound without --force. Neither is a card that may carry such traffic through a tunnel, or one in an",
    "IOMMU group that VFIO would not accept. If the command is interrupted, run it again.",
  ].join("\n"),
  operands: [BDF],
  options: {
    force: { kind: "flag", summary: "bind the card even if it carries traffic, and even if its group is not viable" },
    "unsafe-noiommu": {
      kind: "flag",
      summary: "bind the card without an IOMMU, if VFIO's no-IOMMU mode is on: the card can then access all memory",
    },
    json: JSON_OPTION,
  },
  examples: ["sudo npx ferrule bind 0000:03:00.0"],
  async run({ values, operands, terminal }) {
    const address = parseBdf(operands[0]!);
    using turn = await lockCard(address);
    const { force, "unsafe-noiommu": unsafeNoIommu } = values;
    const context = localBindContext();
    const bound = await bindToVfio(context, address, { force, unsafeNoIommu });
    void turn;
    const lacks = judgeCard(cardState(cardAt(context.files, address), localMachine()));
    if (values.json) printJson(terminal, withNulls({ ...bound, lacks }));
    else printLines(terminal, [sentence(bound), ...afterwards(address, lacks)]);
    return Exit.done;
  },
});
