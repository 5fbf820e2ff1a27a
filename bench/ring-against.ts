/** The ring hot path of this checkout against that of another checkout. Two processes alternate, round by round. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchOptions, Report } from "./bench.ts";
import { Rounds } from "./c-program.ts";
import { type PathKind, PATHS } from "./ring-path.ts";
import { BATCHES } from "./ring-rounds.ts";
import { median, spread, summarize, type Summary } from "./statistics.ts";

const HERE = join(import.meta.dirname, "..");
/** The extent of a measurement. */
interface Plan {
  /** Number of pairs of processes. */
  readonly processes: number;
  /** Number of rounds of each pair, for each batch size. */
  readonly rounds: number;
  readonly batches: readonly number[];
  readonly paths: readonly PathKind[];
}
const THOROUGH: Plan = { processes: 8, rounds: 12, batches: BATCHES, paths: PATHS };
/** Number of uncounted rounds, after which the engine has optimised the code. */
const WARM_UPS = 3;

/** The two times per frame in ns, measured some 20 ms apart. */
interface Turn {
  readonly batch: number;
  readonly other: number;
  readonly own: number;
}

export interface Comparison {
  readonly path: PathKind;
  readonly batch: number;
  readonly other: Summary;
  readonly own: Summary;
  /** This checkout's time divided by the other's in the same round. */
  readonly ratio: Summary;
  /** The median ratio of each pair of processes. */
  readonly processes: readonly number[];
}

/**
 * The command for Node, on one processor if taskset is installed. The two sides take turns. Without pinning, each side
 * could run on another processor of a busy machine, and the ratio would reflect the difference between the processors.
 */
const onOneProcessor = (): readonly [string, ...string[]] => {
  const last = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const command = ["-c", last ?? "0", process.execPath] as const;
  const works = spawnSync("taskset", [...command, "--version"]).status === 0;
  return works ? ["taskset", ...command] : [process.execPath];
};

/** Starts a process of each checkout, and runs rounds in alternating order. */
const turnsOf = async (
  kind: PathKind,
  against: string,
  options: BenchOptions,
  { rounds, batches }: Plan,
): Promise<readonly Turn[]> => {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(options.scratch, "compile-cache") };
  const file = join(import.meta.dirname, "ring-turns.ts");
  const [program, ...pinning] = onOneProcessor();
  const start = (checkout: string): Rounds =>
    new Rounds(program, [...pinning, "--disable-warning=ExperimentalWarning", file, checkout, kind], env);
  await using other = start(against);
  await using own = start(HERE);
  const time = async (side: Rounds, batch: number): Promise<number> => (await side.round(kind, batch, 0)).median;
  for (let i = 0; i < WARM_UPS; i++)
    for (const batch of batches) for (const side of [other, own]) await time(side, batch);

  const turns: Turn[] = [];
  for (let i = 0; i < rounds; i++)
    for (const batch of batches) {
      options.stop.throwIfAborted();
      const first = i % 2 === 0 ? await time(other, batch) : await time(own, batch);
      const second = i % 2 === 0 ? await time(own, batch) : await time(other, batch);
      turns.push(i % 2 === 0 ? { batch, other: first, own: second } : { batch, other: second, own: first });
    }
  return turns;
};

const comparisonOf = (path: PathKind, processes: readonly (readonly Turn[])[], batch: number): Comparison => {
  const own = processes.map((turns) => turns.filter((turn) => turn.batch === batch));
  const ratios = own.map((turns) => turns.map((turn) => turn.own / turn.other));
  return {
    path,
    batch,
    other: summarize(own.flat().map((turn) => turn.other)),
    own: summarize(own.flat().map((turn) => turn.own)),
    ratio: summarize(ratios.flat()),
    processes: ratios.map(median),
  };
};

export const rowOf = ({ path, batch, other, own, ratio, processes }: Comparison) => ({
  path,
  batch,
  "other ns": spread(other, 2),
  "this ns": spread(own, 2),
  "this/other": ratio.median.toFixed(3),
  "p10-p90": `${ratio.p10.toFixed(3)}-${ratio.p90.toFixed(3)}`,
  "by process": `${Math.min(...processes).toFixed(3)}-${Math.max(...processes).toFixed(3)}`,
});

/** Measures every path at every batch size of the plan. @param against the other checkout's folder */
export const compareRings = async (options: BenchOptions, against: string, plan: Plan): Promise<Comparison[]> => {
  const data: Comparison[] = [];
  for (const path of plan.paths) {
    const processes: (readonly Turn[])[] = [];
    // The first pair fills the compile cache, as in own-process.ts.
    for (let i = 0; i <= plan.processes; i++) {
      options.say(`ring, ${path}: ${i === 0 ? "filling the compile cache" : `pair ${i} of ${plan.processes}`}`);
      const turns = await turnsOf(path, against, options, plan);
      if (i > 0) processes.push(turns);
    }
    for (const batch of plan.batches) data.push(comparisonOf(path, processes, batch));
  }
  return data;
};

/** @param against the other checkout's folder */
export const compare = async (options: BenchOptions, against: string): Promise<Report> => {
  const data = await compareRings(options, against, { ...THOROUGH, processes: options.rounds ?? THOROUGH.processes });
  return { rows: data.map(rowOf), data };
};
