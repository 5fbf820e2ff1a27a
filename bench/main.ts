/** `npm run bench`: lists the benches, or runs them and prints tables or, with --json, one object on stdout. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { CannotMeasure, type Bench, type BenchOptions, type Report } from "./bench.ts";
import { checksum } from "./checksum.ts";
import { compare } from "./compare.ts";
import { guest } from "./guest.ts";
import { machineFacts, type Machine } from "./machine.ts";
import { memory } from "./memory.ts";
import { reset } from "./reset.ts";
import { ring } from "./ring.ts";
import { tableOf } from "./table.ts";
import { tcp } from "./tcp.ts";
import { up } from "./up.ts";
import { upCard } from "./up-card.ts";
import { isWrongUsage, whole, WrongUsage } from "./usage.ts";
import { vfio } from "./vfio.ts";

const BENCHES: readonly Bench[] = [ring, compare, checksum, tcp, up, upCard, reset, guest, vfio, memory];

const USAGE = `usage: npm run bench -- [NAME...] [--rounds N] [--seconds N] [--against DIR] [--json] [--list]

${BENCHES.map((bench) => `  ${bench.name.padEnd(10)} ${bench.about}`).join("\n")}

  --rounds N     number of repetitions of the comparison; each bench has its own default
  --seconds N    length of one iperf3 run (default 10)
  --against DIR  another checkout: ring is compared with it, in turns, instead of with C; compare and tcp measure it too
  --json         prints one JSON object on stdout, with the machine and every figure
  --list         only list the benches

example: npm run bench -- ring --json > ring.json`;

type Outcome =
  | { readonly report: Report }
  | { readonly skipped: string; readonly hint: string }
  | { readonly failed: string };

const positive = (name: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : whole(name, 1, 100_000)(text);

const readArguments = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      against: { type: "string" },
    },
  });
  const unknown = positionals.find((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown !== undefined) throw new WrongUsage(`there is no bench "${unknown}"`);
  const { against } = values;
  if (against !== undefined && !["ring", "compare", "tcp"].includes(positionals.join()))
    throw new WrongUsage(
      "--against needs exactly one bench, ring, compare or tcp: npm run bench -- ring --against DIR",
    );
  if (against !== undefined && !existsSync(join(against, "bench/ring-path.ts")))
    throw new WrongUsage(`--against ${against}: there is no checkout of Ferrule with benches`);
  return {
    against: against === undefined ? undefined : resolve(against),
    benches: BENCHES.filter((bench) => positionals.length === 0 || positionals.includes(bench.name)),
    json: values.json,
    list: values.list || values.help,
    rounds: positive("rounds", values.rounds),
    seconds: positive("seconds", values.seconds) ?? 10,
  };
};

const measure = async (bench: Bench, options: BenchOptions): Promise<Outcome> => {
  try {
    return { report: await bench.run(options) };
  } catch (error) {
    if (options.stop.aborted) throw error;
    if (error instanceof CannotMeasure) return { skipped: error.message, hint: error.hint };
    process.exitCode = 1;
    return { failed: error instanceof Error ? error.message : String(error) };
  }
};

const describe = (bench: Bench, outcome: Outcome): string => {
  if ("skipped" in outcome) return `${bench.name}: not measured: ${outcome.skipped}\n  hint: ${outcome.hint}`;
  if ("failed" in outcome) return `${bench.name}: failed: ${outcome.failed}`;
  return `${bench.name}: ${bench.about}\n${tableOf(outcome.report.rows)}`;
};

const describeMachine = (m: Machine): string =>
  `${m.cpu}, ${m.cores} ${m.virtual === true ? "virtual " : ""}cores, Linux ${m.kernel}, Node ${m.node}, ${m.compiler}, load ${m.load.toFixed(2)}\n`;

const say = (line: string): void => console.error(line);

const main = async (): Promise<void> => {
  const { against, benches, json, list, rounds, seconds } = readArguments();
  if (list) {
    console.log(USAGE);
    return;
  }
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort(new Error(signal)));

  using scope = new DisposableStack();
  const scratch = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-bench-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const machine = await machineFacts();
  if (!json) console.log(describeMachine(machine));

  const results: Record<string, unknown> = {};
  for (const bench of benches) {
    const outcome = await measure(bench, { scratch, against, rounds, seconds, say, stop: stopping.signal });
    results[bench.name] = "report" in outcome ? outcome.report.data : outcome;
    if (!json) console.log(`${describe(bench, outcome)}\n`);
  }
  if (json) console.log(JSON.stringify({ machine, results }, undefined, 2));
};

try {
  await main();
} catch (error) {
  const wrong = isWrongUsage(error);
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  if (wrong) console.error("hint: see npm run bench -- --help");
  process.exitCode = wrong ? 2 : 1;
}
