/** `ferrule ethtool`: the counterpart of ethtool for a NIC of `ferrule up`. */
import { ask } from "../control/up-control.ts";
import { findUp } from "../control/find-up.ts";
import { type Call, carryOut, parseCall, refusedLine } from "../ethtool/call.ts";
import { FLAGS } from "../ethtool/groups.ts";
import type { Argument } from "../argument.ts";
import { command } from "./command.ts";
import { table } from "../terminal/format.ts";
import { parseInterfaceName } from "../terminal/usage.ts";
import { visible } from "../terminal/visible.ts";

/** Time limit in milliseconds for a reply. It is longer than the limits in the `ferrule up` that replies. */
const LIMIT_MILLIS = 30_000;

const askUp = async (name: string, operation: string, argument: Argument): Promise<object> => {
  const { interface: first } = await findUp(parseInterfaceName(name));
  return await ask(first, { command: "operate", operation, argument }, LIMIT_MILLIS);
};

export const ethtool = command({
  name: "ethtool",
  summary: "show and change the settings of a NIC, with ethtool's own flags and output",
  about: [
    "NAME is the interface of a running `ferrule up`. Flags, words and output are those of ethtool(8):",
    "",
    ...table(
      FLAGS.map(({ names, words, summary }) => [`  ${[names.join(", "), "NAME", words].join(" ").trim()}`, summary]),
      "ll",
    ),
    "",
    "With --json before the flag, the output is JSON.",
  ].join("\n"),
  operands: [
    { placeholder: "FLAG", summary: "one of the flags above; default: show link settings", optional: true },
    { placeholder: "NAME", summary: "the interface's name" },
    { placeholder: "WORD…", summary: "arguments of the flag", many: true, optional: true },
  ],
  options: {},
  ownWords: true,
  examples: ["npx ferrule ethtool -S fe0", "npx ferrule ethtool -G fe0 rx 1024", "npx ferrule ethtool --json -k fe0"],
  async run({ operands, terminal }) {
    let call: Call;
    try {
      call = parseCall(operands);
    } catch (error) {
      const { exit, err } = refusedLine(error);
      for (const line of err) terminal.err.line(line);
      return exit;
    }
    const { exit, out, err } = await carryOut(call, askUp);
    for (const line of out) terminal.out.write(`${line.split("\t").map(visible).join("\t")}\n`);
    for (const line of err) terminal.err.line(line);
    return exit;
  },
});
