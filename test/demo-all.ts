/**
 * `npm run demo:all`: the demo on every chip of the family. Each demo brings up the model of its chip with our driver,
 * between two network stacks of the kernel if the machine allows it, and transfers data both ways. Exits with code 1
 * when a demo fails: the link is down or has another speed, a ping is lost, received data differs, a frame was dropped
 * or damaged, or the model reports an offence.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseBytes, parseChip } from "#app/cli/spec.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { argumentsOf } from "./program.ts";

const { bytes, chips } = argumentsOf(
  {
    name: "demo:all",
    summary: "the demo on every chip of the family",
    about: "Ends with 1 when data, a counter or the link of a chip is wrong, or when its model reports an offence.",
    operands: [],
    options: {
      bytes: { kind: "value", placeholder: "SIZE", summary: "how much is transferred each way", default: "16M" },
      chip: { kind: "value", placeholder: "CHIPS", summary: "separated by commas; all unless given" },
    },
    examples: ["npm run demo:all -- --bytes 1M --chip rtl8168h,rtl8125b"],
  },
  (values) => ({
    bytes: String(parseBytes(values.bytes)),
    chips: (values.chip?.split(",").map((name) => parseChip(name)) ?? CHIPS) as readonly Chip[],
  }),
);
const PROGRAM = join(import.meta.dirname, "../bin/ferrule.mjs");
const LIMIT_MILLIS = 120_000;

interface Demo {
  readonly rig: string;
  readonly link: { readonly up: boolean; readonly megabits: number };
  readonly ping: { readonly sent: number; readonly received: number; readonly medianMicros: number | null };
  readonly transfers: readonly {
    readonly sha256Sent: string;
    readonly sha256Received: string;
    readonly bitsPerSecond: number;
  }[];
  readonly drops: number;
  readonly errors: number;
  readonly offences: number;
}

/** Errors of a demo. */
const faultsOf = (demo: Demo, { speed }: Chip): readonly string[] => [
  ...(demo.link.up && demo.link.megabits === speed ? [] : [`link ${demo.link.up ? demo.link.megabits : "down"}`]),
  ...(demo.ping.received === demo.ping.sent ? [] : [`${demo.ping.sent - demo.ping.received} pings unanswered`]),
  ...(demo.transfers.length === 2 ? [] : [`${demo.transfers.length} transfers`]),
  ...(demo.transfers.every((transfer) => transfer.sha256Sent === transfer.sha256Received) ? [] : ["digests differ"]),
  ...(["drops", "errors", "offences"] as const).flatMap((what) => (demo[what] === 0 ? [] : [`${demo[what]} ${what}`])),
];

const run = (chip: Chip): readonly string[] => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [PROGRAM, "demo", "--chip", chip.key, "--bytes", bytes, "--json"],
    { encoding: "utf8", timeout: LIMIT_MILLIS },
  );
  const at = stdout.indexOf("{");
  if (at < 0) return [`exit ${status}: ${stderr.trim().split("\n")[0]}`];
  const demo = JSON.parse(stdout.slice(at)) as Demo;
  const faults = [...(status === 0 ? [] : [`exit ${status}`]), ...faultsOf(demo, chip)];
  const rates = demo.transfers.map(({ bitsPerSecond }) => `${(bitsPerSecond / 1e6).toFixed(0)} Mbit/s`);
  console.log([chip.key, demo.rig, `ping ${demo.ping.medianMicros} µs`, ...rates, ...faults].join(", "));
  return faults;
};

const failed = chips.filter((chip) => run(chip).length > 0);
console.log(`${chips.length - failed.length} of ${chips.length} chips`);
for (const { key } of failed) console.error(`failed: ${key}`);
process.exitCode = chips.length > 0 && failed.length === 0 ? 0 : 1;
