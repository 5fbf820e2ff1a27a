/** `ferrule model chips`: every chip of the family. */
import { CHIPS } from "#chip/chips.ts";
import { linuxSince } from "#chip/linux-since.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { linkSpeed, table } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";

/** Facts about a chip; the names are those of the JSON output. */
const entry = (chip: (typeof CHIPS)[number]) => ({
  key: chip.key,
  name: chip.name,
  xid: chip.xid.toString(16).padStart(3, "0"),
  generation: chip.die,
  bus: chip.bus,
  megabits: chip.speed,
  largestMtu: chip.largestMtu,
  linuxSince: linuxSince(chip.key),
});
type Entry = ReturnType<typeof entry>;

/**
 * The entries, one for each chip. If two rows of the chip table have the same key, they are one chip that is recognised
 * by two masks.
 */
const entries = (): Entry[] => [...new Map(CHIPS.map((chip) => [chip.key, entry(chip)])).values()];

export const chipLines = (rows: readonly Entry[], stream: Pick<Stream, "paint">): readonly string[] => [
  ...table(
    [
      ["CHIP", "NAME", "XID", "BUS", "SPEED", "MTU", "LINUX SINCE"].map((title) => stream.paint("bold", title)),
      ...rows.map((row) => [
        row.key,
        row.name,
        row.xid,
        row.bus,
        linkSpeed(row.megabits),
        String(row.largestMtu),
        row.linuxSince,
      ]),
    ],
    "llllrrr",
  ),
  "",
  `All ${rows.length} can be served to a guest (\`ferrule model serve\`) and driven by Ferrule (\`ferrule up\`).`,
  "LINUX SINCE is the first release whose r8169 driver supports the chip; ≤5.10 means that 5.10 supports it and older ones may.",
];

export const modelChips = command({
  name: "model chips",
  summary: "list every chip of the family",
  about: [
    "The key in the first column is what `ferrule model serve --chip`, `ferrule up model:` and `ferrule demo --chip` take. The",
    "names on chips and boards are understood as well: RTL8111HS, 8125bg.",
  ].join("\n"),
  operands: [],
  options: { json: JSON_OPTION },
  examples: ["npx ferrule model chips", "npx ferrule model chips --json | jq -r '.[].key'"],
  async run({ values, terminal }) {
    const rows = entries();
    if (values.json) printJson(terminal, rows);
    else printLines(terminal, chipLines(rows, terminal.out));
    return Exit.done;
  },
});
