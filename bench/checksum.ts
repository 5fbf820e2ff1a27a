/** The Internet checksum, alone and while copying, against C that the compiler vectorises. */
import type { Bench, BenchOptions, Report } from "./bench.ts";
import { compile } from "./c-program.ts";
import { KINDS, SIZES, type ChecksumRound } from "./checksum-rounds.ts";
import { inOwnProcesses } from "./own-process.ts";
import { summarize, type Summary } from "./statistics.ts";

const DEFAULT_PROCESSES = 4;

interface ChecksumResult {
  readonly kind: ChecksumRound["kind"];
  readonly bytes: number;
  /** Time in ns per call. */
  readonly c: Summary;
  readonly typescript: Summary;
  /** Ferrule's time divided by C's time in the same round. */
  readonly ratio: Summary;
}

const resultOf = (rounds: readonly ChecksumRound[], kind: ChecksumResult["kind"], bytes: number): ChecksumResult => {
  const own = rounds.filter((round) => round.kind === kind && round.bytes === bytes);
  return {
    kind,
    bytes,
    c: summarize(own.map((round) => round.c)),
    typescript: summarize(own.map((round) => round.typescript)),
    ratio: summarize(own.map((round) => round.typescript / round.c)),
  };
};

const run = async (options: BenchOptions): Promise<Report> => {
  const program = await compile(options.scratch, "checksum");
  const count = options.rounds ?? DEFAULT_PROCESSES;
  const rounds = (await inOwnProcesses<ChecksumRound[]>("checksum-rounds.ts", [program], count, options)).flat();
  const data = KINDS.flatMap((kind) => SIZES.map((bytes) => resultOf(rounds, kind, bytes)));
  const rows = data.map(({ kind, bytes, c, typescript, ratio }) => ({
    what: kind === "sum" ? "sum" : "copy and sum",
    bytes,
    "C ns": c.median.toFixed(1),
    "TypeScript ns": typescript.median.toFixed(1),
    "TypeScript/C": ratio.median.toFixed(2),
    "p10-p90": `${ratio.p10.toFixed(2)}-${ratio.p90.toFixed(2)}`,
  }));
  return { rows, data };
};

export const checksum: Bench = { name: "checksum", about: "the Internet checksum against a C loop, ns a call", run };
