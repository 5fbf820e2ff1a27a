/** `ferrule unbind`: returns a card to the kernel's driver. */
import { localBindContext } from "../cards/local-machine.ts";
import { restoreDriver, type BindResult } from "../cards/binding.ts";
import { lockCard } from "../cards/card-lock.ts";
import { BDF, parseBdf } from "./card-address.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { withNulls } from "./nulls.ts";

const sentence = ({ address, to, changed }: BindResult): string => {
  if (to === undefined) return `${address} has no driver now, as before \`ferrule bind\`.`;
  return changed ? `${address} is bound to ${to} again.` : `${address} is already bound to ${to}.`;
};

export const unbind = command({
  name: "unbind",
  summary: "return a card to its kernel driver",
  about: [
    "Undoes `ferrule bind`: the card is bound to its former driver, or, if that is unknown, to the driver",
    "that the kernel chooses. Also completes an interrupted `bind` or `unbind`. Needs root.",
    "",
    "A card that a process has open is not unbound without --force. With --force, the kernel asks that process to release",
    "the card, which `ferrule up` does.",
  ].join("\n"),
  operands: [BDF],
  options: { force: { kind: "flag", summary: "unbind the card even if a process has it open" }, json: JSON_OPTION },
  examples: ["sudo npx ferrule unbind 0000:03:00.0"],
  async run({ values, operands, terminal }) {
    const address = parseBdf(operands[0]!);
    using turn = await lockCard(address);
    const bound = await restoreDriver(localBindContext(), address, { force: values.force });
    void turn;
    if (values.json) printJson(terminal, withNulls(bound));
    else printLines(terminal, [sentence(bound)]);
    return Exit.done;
  },
});
