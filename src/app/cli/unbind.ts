/** `ferrule unbind`: gives a card back to the kernel's driver. */
import { yardHere } from "../cards/here.ts";
import { giveBack, type Moved } from "../cards/move.ts";
import { takeTurn } from "../cards/turn.ts";
import { BDF, parseBdf } from "./card-address.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { withNulls } from "./nulls.ts";

const sentence = ({ address, to, changed }: Moved): string => {
  if (to === undefined) return `${address} has no driver, as before \`ferrule bind\`.`;
  return changed ? `${address} is with ${to} again.` : `${address} is with ${to} already.`;
};

export const unbind = command({
  name: "unbind",
  summary: "give a card back to the kernel driver it had",
  about: [
    "Undoes `ferrule bind`: the card goes back to the driver it had, or to whichever takes it where nothing is known of",
    "that. Also mends what an interrupted `bind` or `unbind` left. Needs root.",
    "",
    "A card that a process has open is not taken from it without --force; with it, the kernel asks that process to let",
    "go, which `ferrule up` does.",
  ].join("\n"),
  operands: [BDF],
  options: { force: { kind: "flag", summary: "also when a process has it open" }, json: JSON_OPTION },
  examples: ["sudo npx ferrule unbind 0000:03:00.0"],
  async run({ values, operands, terminal }) {
    const address = parseBdf(operands[0]!);
    using turn = await takeTurn(address);
    const moved = await giveBack(yardHere(), address, { force: values.force });
    void turn;
    if (values.json) printJson(terminal, withNulls(moved));
    else printLines(terminal, [sentence(moved)]);
    return Exit.done;
  },
});
