/** The ring hot path: Ferrule's receive and transmit rings against C, in paired rounds, over several processes. */
import type { Bench, BenchOptions, Report } from "./bench.ts";
import { compile } from "./c-program.ts";
import { compare } from "./ring-against.ts";
import { inOwnProcesses } from "./own-process.ts";
import { type PathKind, PATHS } from "./ring-path.ts";
import { BATCHES, type VARIANTS, type RingRound } from "./ring-rounds.ts";
import { median, summarize, type Summary } from "./statistics.ts";

const DEFAULT_PROCESSES = 8;
const ROUNDS_PER_PROCESS = 12;

/**
 * The C programs with which a path is compared. They do the same work as the path; `bursts` does it through the
 * same interface as `link`.
 */
const AGAINST: Record<PathKind, readonly (typeof VARIANTS)[number][]> = {
  turnaround: ["minimal", "careful"],
  link: ["minimal", "bursts"],
};

interface RingResult {
  readonly path: PathKind;
  readonly batch: number;
  readonly variant: (typeof VARIANTS)[number];
  /** Time in ns per frame, over all rounds. */
  readonly c: Summary;
  readonly typescript: Summary;
  /** Ferrule's time divided by C's time in the same round. */
  readonly ratio: Summary;
  /** The median ratio of each process. */
  readonly processes: readonly number[];
}

const resultOf = (
  path: PathKind,
  processes: readonly (readonly RingRound[])[],
  batch: number,
  variant: RingResult["variant"],
): RingResult => {
  const perProcess = processes.map((rounds) => rounds.filter((round) => round.batch === batch));
  const ratios = perProcess.map((rounds) => rounds.map((round) => round.typescript / round.c[variant]));
  const all = perProcess.flat();
  return {
    path,
    batch,
    variant,
    c: summarize(all.map((round) => round.c[variant])),
    typescript: summarize(all.map((round) => round.typescript)),
    ratio: summarize(ratios.flat()),
    processes: ratios.map(median),
  };
};

const rowOf = ({ path, batch, variant, c, typescript, ratio, processes }: RingResult) => ({
  path,
  batch,
  "C program": variant,
  "C ns": c.median.toFixed(2),
  "TypeScript ns": typescript.median.toFixed(2),
  "TypeScript/C": ratio.median.toFixed(2),
  "p10-p90": `${ratio.p10.toFixed(2)}-${ratio.p90.toFixed(2)}`,
  "by process": `${Math.min(...processes).toFixed(2)}-${Math.max(...processes).toFixed(2)}`,
});

const run = async (options: BenchOptions): Promise<Report> => {
  if (options.against !== undefined) return compare(options, options.against);
  const program = await compile(options.scratch, "ring");
  const count = options.rounds ?? DEFAULT_PROCESSES;
  const data: RingResult[] = [];
  for (const path of PATHS) {
    const args = [program, String(ROUNDS_PER_PROCESS), path];
    const processes = await inOwnProcesses<RingRound[]>("ring-rounds.ts", args, count, options);
    for (const batch of BATCHES)
      for (const variant of AGAINST[path]) data.push(resultOf(path, processes, batch, variant));
  }
  return { rows: data.map(rowOf), data };
};

export const ring: Bench = {
  name: "ring",
  about: "read, swap MACs, send and refill on the driver's rings, 64 bytes, ns per frame",
  run,
};
