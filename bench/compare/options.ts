/** Reads from the command line what to measure. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { whole, WrongUsage } from "../usage.ts";
import type { Task } from "./device.ts";
import { LOADS } from "./layout.ts";
import { ENTRIES, REFERENCE } from "./peers.ts";

export const USAGE = `usage: node bench/compare/main.ts [--quick] [--json FILE] [--load NAMES] [--peer NAMES] [--batch N] [--rate MBIT]
                                  [--bytes N] [--rounds N] [--against DIR]

Drivers in C, Rust and TypeScript in turns on one device: throughput, latency, cost per frame.

  --quick       measures few points in few rounds, in a minute and a half at most
  --json FILE   writes the result as one JSON object instead of tables
  --load NAMES  of forward, drop, generate, latency, same-thread
  --peer NAMES  of ${ENTRIES.map(({ peer }) => peer.key).join(", ")}; ${REFERENCE} is always measured
  --batch N     frames that a driver takes in one pass, 1 to 1024
  --rate MBIT   of the line, or "saturated"
  --bytes N     of a frame with its FCS, 64 to 1518, or "mix"
  --rounds N    rounds with each process of a driver
  --against DIR another checkout, whose TypeScript drivers take part too, as link-other and so on

--load, --peer, --batch, --rate and --bytes take several values, separated by commas. If --load, --batch, --rate or --bytes
is given, only combinations of the given values are measured; those that are not given are forward, 32, saturated and 64.

example: node bench/compare/main.ts --load forward --rate saturated,1000 --peer link,turnaround`;

export interface Plan {
  readonly tasks: readonly Task[];
  /** Frame sizes of the measurement of request and response. */
  readonly latency: readonly number[];
  /** Batch sizes of the measurement with driver and device in one thread. */
  readonly sameThread: readonly number[];
  /** Keys of the requested peers. */
  readonly peers: readonly string[];
  /**
   * Number of processes of each driver, which run one after the other. In each, the engine compiles the code slightly
   * differently.
   */
  readonly processes: number;
  /** Number of rounds with each process. */
  readonly rounds: number;
  readonly quick: boolean;
  /** Folder of another checkout, whose TypeScript drivers are measured too. */
  readonly against: string | undefined;
}

const BASE: Task = { load: "forward", rate: "saturated", bytes: 64, batch: 32 };
const SIZES = [128, 256, 512, 1024, 1518, "mix"] as const;
const BATCHES = [1, 8, 32, 256] as const;
const RATES = [1000, 2500, 5000, 10_000] as const;
const FULL: readonly Task[] = [
  BASE,
  ...SIZES.map((bytes) => ({ ...BASE, bytes })),
  ...BATCHES.filter((batch) => batch !== BASE.batch).map((batch) => ({ ...BASE, batch })),
  ...RATES.map((rate) => ({ ...BASE, rate })),
  ...(["drop", "generate"] as const).map((load) => ({ ...BASE, load })),
];
const QUICK: readonly Task[] = [
  BASE,
  { ...BASE, bytes: 1518 },
  { ...BASE, bytes: "mix" },
  { ...BASE, batch: 1 },
  { ...BASE, rate: 1000 },
  { ...BASE, rate: 10_000 },
  { ...BASE, load: "drop" },
  { ...BASE, load: "generate" },
];

const MORE_LOADS = ["latency", "same-thread"] as const;

const among =
  <const T extends string>(flag: string, words: readonly T[]) =>
  (text: string): T => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new WrongUsage(`--${flag} ${text}: expected ${words.join(", ")}`);
    return found;
  };

const listed = <T>(text: string | undefined, parse: (word: string) => T): readonly T[] | undefined =>
  text?.split(",").map(parse);

const product = (
  loads: readonly Task["load"][],
  rates: readonly Task["rate"][],
  sizes: readonly Task["bytes"][],
  batches: readonly number[],
) =>
  loads.flatMap((load) =>
    rates.flatMap((rate) => sizes.flatMap((bytes) => batches.map((batch) => ({ load, rate, bytes, batch })))),
  );

/** @throws {WrongUsage} */
export const readOptions = (
  args: readonly string[],
): { readonly plan: Plan; readonly json: string | undefined; readonly help: boolean } => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      load: { type: "string" },
      peer: { type: "string" },
      batch: { type: "string" },
      rate: { type: "string" },
      bytes: { type: "string" },
      rounds: { type: "string" },
      against: { type: "string" },
    },
  });
  const { quick } = values;
  const against = values.against === undefined ? undefined : resolve(values.against);
  if (against !== undefined && !existsSync(join(against, "bench/compare/driver.ts")))
    throw new WrongUsage(`--against ${against}: there is no checkout of Ferrule with this comparison`);
  const loads = listed(values.load, among("load", [...LOADS, ...MORE_LOADS]));
  const batches = listed(values.batch, whole("batch", 1, 1024));
  const rates = listed(values.rate, (text) => (text === "saturated" ? text : whole("rate", 1, 10_000)(text)));
  const sizes = listed(values.bytes, (text) => (text === "mix" ? text : whole("bytes", 64, 1518)(text)));
  const peers = listed(
    values.peer,
    among(
      "peer",
      ENTRIES.map(({ peer }) => peer.key),
    ),
  );
  const chosen = [loads, batches, rates, sizes].some((list) => list !== undefined);
  const throughput = (loads ?? ["forward"]).filter((load) => LOADS.some((known) => known === load)) as Task["load"][];
  const plan: Plan = {
    tasks: chosen ? product(throughput, rates ?? ["saturated"], sizes ?? [64], batches ?? [32]) : quick ? QUICK : FULL,
    latency:
      chosen && loads?.includes("latency") !== true
        ? []
        : (sizes?.filter((size) => size !== "mix") ?? (quick || chosen ? [64] : [64, 1518])),
    sameThread:
      chosen && loads?.includes("same-thread") !== true
        ? []
        : (batches?.filter((batch) => 256 % batch === 0) ?? BATCHES),
    peers: [REFERENCE, ...(peers ?? ENTRIES.map(({ peer }) => peer.key)).filter((key) => key !== REFERENCE)],
    processes: quick ? 3 : 5,
    rounds: values.rounds === undefined ? (quick ? 2 : 3) : whole("rounds", 1, 1000)(values.rounds),
    quick,
    against,
  };
  return { plan, json: values.json, help: values.help };
};
