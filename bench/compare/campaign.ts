/** Runs a plan several times, each time with new processes: starts the drivers, measures the rounds of each point, and ends the drivers. */
import type { Device, LatencyWindow, Task, Times, Window } from "./device.ts";
import type { Plan } from "./options.ts";
import type { Runner } from "./peers.ts";

const WINDOW_US = 25_000;
const LATENCY_US = 50_000;
/**
 * Number of measurement windows that are run to warm up: the engine compiles hot code and the caches fill. The first
 * measurement window in a process also maps the process's pages.
 */
const FIRST_WARM_UPS = 16;
const WARM_UPS = 3;
/** A round counts as quiet if at least this fraction of each of its measurement windows was undisturbed. */
const QUIET = 0.95;
/** At most this many times the requested number of rounds are run. */
const MAX_TRIES = 3;

/** The load with which every driver is warmed up first. */
const FIRST: Task = { load: "forward", rate: "saturated", bytes: 64, batch: 32 };

/** The measurement windows of one round: one for each driver that supports the load, in the order of the runners. */
export interface TaskRounds {
  readonly task: Task;
  readonly runners: readonly number[];
  readonly rounds: Window[][];
}

export interface LatencyRounds {
  readonly bytes: number;
  readonly runners: readonly number[];
  readonly rounds: LatencyWindow[][];
  /** The times of each runner: one list entry for each of its processes. */
  readonly times: Map<number, Times[]>;
}

export interface Rounds {
  readonly tasks: readonly TaskRounds[];
  readonly latency: readonly LatencyRounds[];
}

/** The time for rounds. What remains is divided evenly among the points that are still to be measured. */
export class Budget {
  readonly #end: number;
  #parts: number;

  constructor(ms: number, parts: number) {
    this.#end = performance.now() + ms;
    this.#parts = parts;
  }

  /** The time, on the clock of `performance`, at which the next part should be finished. */
  next(): number {
    const now = performance.now();
    return now + Math.max(0, this.#end - now) / Math.max(1, this.#parts--);
  }
}

export interface Rig {
  readonly device: Device;
  readonly budget: Budget;
  readonly say: (line: string) => void;
}

/** Returns the list rotated by `by` places, so that no driver is always the first. */
const rotated = <T>(list: readonly T[], by: number): readonly T[] => list.map((_, i) => list[(i + by) % list.length]!);

const inOrder = <T extends Window>(windows: readonly T[], runners: readonly number[]): T[] =>
  runners.map((runner) => windows.find(({ peer }) => peer === runner)!);

const describe = ({ load, rate, bytes, batch }: Task): string =>
  `${load}, ${rate === "saturated" ? rate : `${rate / 1000} Gbit/s`}, ${bytes === "mix" ? "mix of sizes" : `${bytes} B`}, batch ${batch}`;

/**
 * The fraction of a measurement window in which both driver and device were running on a processor, at most 1. Because
 * a driver polls, it uses all processor time that it gets.
 */
const undisturbed = ({ ns, stalled, cpu }: Window): number => (Math.min(1, cpu / (ns + stalled)) * ns) / (ns + stalled);

const quietness = (round: readonly Window[]): number => Math.min(...round.map(undisturbed));

/**
 * Returns `count` rounds during which the processors had no other load. On a busy machine these are the quietest of the
 * rounds for which there was time. The selection does not depend on how fast a driver was.
 */
const quietRounds = async <T extends Window>(
  { budget }: Rig,
  count: number,
  round: (turn: number) => Promise<T[]>,
): Promise<T[][]> => {
  const rounds: T[][] = [];
  let quiet = 0;
  const end = budget.next();
  while (rounds.length < count || (quiet < count && rounds.length < MAX_TRIES * count && performance.now() < end)) {
    const windows = await round(rounds.length);
    rounds.push(windows);
    if (quietness(windows) >= QUIET) quiet++;
  }
  return rounds.toSorted((a, b) => quietness(b) - quietness(a)).slice(0, count);
};

const measureTask = async (rig: Rig, { task, runners, rounds }: TaskRounds, count: number): Promise<void> => {
  for (let i = 0; i < WARM_UPS; i++) await rig.device.windows(task, WINDOW_US, runners);
  const round = async (turn: number): Promise<Window[]> =>
    inOrder(await rig.device.windows(task, WINDOW_US, rotated(runners, turn)), runners);
  rounds.push(...(await quietRounds(rig, count, round)));
};

const measureLatency = async (rig: Rig, into: LatencyRounds, count: number): Promise<void> => {
  const { device } = rig;
  const { bytes, runners, rounds, times } = into;
  await device.latencies(bytes, LATENCY_US, runners);
  for (const runner of runners) await device.times(runner);
  const round = async (turn: number): Promise<LatencyWindow[]> =>
    inOrder(await device.latencies(bytes, LATENCY_US, rotated(runners, turn)), runners);
  rounds.push(...(await quietRounds(rig, count, round)));
  for (const runner of runners) times.set(runner, [...(times.get(runner) ?? []), await device.times(runner)]);
};

/** Measures every point with one process of each driver. */
const measureOnce = async (
  rig: Rig,
  runners: readonly Runner[],
  results: Rounds,
  plan: Plan,
  name: string,
): Promise<void> => {
  for (const [index, { peer, process, chip }] of runners.entries())
    await rig.device.start(index, peer.key, process, chip);
  for (let i = 0; i < FIRST_WARM_UPS; i++) await rig.device.windows(FIRST, WINDOW_US, [...runners.keys()]);
  for (const rounds of results.tasks) {
    rig.say(`${name}: ${describe(rounds.task)}`);
    await measureTask(rig, rounds, plan.rounds);
  }
  for (const rounds of results.latency) {
    rig.say(`${name}: request and response, ${rounds.bytes} B`);
    await measureLatency(rig, rounds, plan.rounds);
  }
  for (const index of runners.keys()) await rig.device.end(index);
};

/**
 * Starts and ends each Ferrule driver once, so that its stripped TypeScript is in the compile cache, as with an
 * installed package.
 */
const fillCache = async ({ device, say }: Rig, runners: readonly Runner[]): Promise<void> => {
  say("filling the compile cache");
  for (const { peer, process } of runners.filter((runner) => runner.peer.language === "TypeScript")) {
    await device.start(0, peer.key, process);
    await device.end(0);
  }
};

/** @throws {ComparisonFailed} if a driver exits, hangs, or posts an address outside its memory */
export const measure = async (rig: Rig, plan: Plan, runners: readonly Runner[]): Promise<Rounds> => {
  const runnersFor = (load: Task["load"]): number[] =>
    [...runners.keys()].filter((i) => runners[i]!.loads.includes(load));
  const results: Rounds = {
    tasks: plan.tasks.map((task) => ({ task, runners: runnersFor(task.load), rounds: [] })),
    latency: plan.latency.map((bytes) => ({
      bytes,
      runners: runnersFor("forward"),
      rounds: [],
      times: new Map<number, Times[]>(),
    })),
  };
  if (results.tasks.length + results.latency.length === 0) return results;
  await fillCache(rig, runners);
  for (let i = 1; i <= plan.processes; i++)
    await measureOnce(rig, runners, results, plan, `processes ${i} of ${plan.processes}`);
  return results;
};
