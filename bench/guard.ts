/**
 * `npm run guard`: measures the rings' hot loops and those of the last commit before this change, in turns.
 *
 * A loop that exceeds the margin is measured once more, and the guard fails only if that loop exceeds the margin again,
 * because a single run may be disturbed. `test/steady-state.test.ts` checks that traffic allocates no memory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchOptions, CannotMeasure } from "./bench.ts";
import { earlierCommit, unpack } from "./earlier-commit.ts";
import { type Comparison, compareRings, rowOf } from "./ring-against.ts";
import { type PathKind, PATHS } from "./ring-path.ts";
import { tableOf } from "./table.ts";
import { argumentsOf } from "../test/program.ts";

const HERE = join(import.meta.dirname, "..");
/**
 * The largest permitted ratio of this checkout's time to the earlier commit's. docs/performance.md states how far equal
 * checkouts differ.
 */
export const MARGIN = 1.1;
/** Bursts of 1 show the cost of a burst, and bursts of 32 the cost of a frame. */
const PLAN = { processes: 3, rounds: 8, batches: [1, 32] } as const;

const nameOf = ({ path, batch }: Comparison): string => `${path}, bursts of ${batch}`;

const isSlower = (each: Comparison): boolean => each.ratio.median > MARGIN;

/** The loops that exceeded the margin both times. */
export const confirmed = (first: readonly Comparison[], second: readonly Comparison[]): readonly string[] => {
  const again = new Set(second.filter(isSlower).map(nameOf));
  return first
    .filter(isSlower)
    .map(nameOf)
    .filter((name) => again.has(name));
};

const measure = async (
  options: BenchOptions,
  against: string,
  paths: readonly PathKind[],
): Promise<readonly Comparison[]> => {
  const result = await compareRings(options, against, { ...PLAN, paths });
  console.log(tableOf(result.map(rowOf)));
  return result;
};

/** The loops that are slower than before. */
const slowerLoops = async (options: BenchOptions): Promise<readonly string[]> => {
  const commit = await earlierCommit(HERE);
  const against = join(options.scratch, "earlier");
  await unpack(HERE, commit, against);
  console.log(`the rings of this checkout against those of ${commit.slice(0, 12)}`);
  const first = await measure(options, against, PATHS);
  const suspects = PATHS.filter((path) => first.some((each) => each.path === path && isSlower(each)));
  if (suspects.length === 0) return [];
  console.log(`a loop takes more than ${MARGIN} times the earlier time: it is measured once more`);
  return confirmed(first, await measure(options, against, suspects));
};

const PROGRAM = {
  name: "guard",
  summary: "the rings' hot loops against those of the last commit before this change, in turns",
  about: `Exits with 1 if a loop took more than ${MARGIN} times the earlier time in two measurements. Without an earlier commit it compares nothing, and prints the reason.`,
  operands: [],
  options: {},
  examples: ["npm run guard"],
} as const;

const main = async (): Promise<void> => {
  argumentsOf(PROGRAM, () => ({}));
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort(new Error(signal)));
  using scope = new DisposableStack();
  const scratch = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-guard-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  const options = { scratch, rounds: undefined, against: undefined, seconds: 0, say: () => {}, stop: stopping.signal };
  const slower = await slowerLoops(options);
  if (slower.length > 0) process.exitCode = 1;
  console.log(slower.length > 0 ? `guard: failed: slower than before: ${slower.join("; ")}` : "guard: not slower");
};

if (import.meta.main)
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CannotMeasure)) throw error;
    console.log(`guard: hot loop not compared: ${error.message}\n  hint: ${error.hint}`);
  }
