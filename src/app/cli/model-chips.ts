/** `ferrule model chips`: every chip of the family, and which of them this version can drive. */
import { CHIPS, type Chip } from "#chip/chips.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { linkSpeed, table } from "./format.ts";
import { isDrivable } from "./spec.ts";
import type { Stream } from "./terminal.ts";

/** What is told about a chip; the names are those of the JSON output. */
const entry = (chip: Chip) => ({
  key: chip.key,
  name: chip.name,
  xid: chip.xid.toString(16).padStart(3, "0"),
  generation: chip.die,
  bus: chip.bus,
  megabits: chip.speed,
  largestMtu: chip.largestMtu,
  drivable: isDrivable(chip),
});
type Entry = ReturnType<typeof entry>;

/** One key may stand for several rows of the table: the same chip, recognised by two masks. */
const entries = (): Entry[] => [...new Map(CHIPS.map((chip) => [chip.key, entry(chip)])).values()];

export const chipLines = (rows: readonly Entry[], stream: Pick<Stream, "paint">): readonly string[] => [
  ...table(
    [
      ["CHIP", "NAME", "XID", "BUS", "SPEED", "MTU", "NOW"].map((title) => stream.paint("bold", title)),
      ...rows.map((row) => [
        row.key,
        row.name,
        row.xid,
        row.bus,
        linkSpeed(row.megabits),
        String(row.largestMtu),
        row.drivable ? stream.paint("green", "drivable") : stream.paint("dim", "not yet"),
      ]),
    ],
    "llllrrl",
  ),
  "",
  `${rows.filter((row) => row.drivable).length} of ${rows.length} chips can be driven in this version; every one can be served to a guest: \`ferrule model serve\`.`,
];

export const modelChips = command({
  name: "model chips",
  summary: "list every chip of the family, and which can be driven now",
  about:
    "The key in the first column is what `ferrule model serve --chip KEY` takes, and `ferrule up model:KEY` and\n`ferrule demo --chip KEY` where it is drivable.",
  operands: [],
  options: { json: JSON_OPTION },
  examples: ["ferrule model chips", "ferrule model chips --json | jq -r '.[] | select(.drivable).key'"],
  async run({ values, terminal }) {
    const rows = entries();
    if (values.json) printJson(terminal, rows);
    else printLines(terminal, chipLines(rows, terminal.out));
    return Exit.done;
  },
});
