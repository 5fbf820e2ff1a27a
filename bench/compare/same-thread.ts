/**
 * Measures drivers that share a thread with the device. The device's time is not counted, so the result is the cost of
 * the driver's own code, without cache misses.
 */
import type { SameThreadRow } from "#app/compare/result.ts";
import { Rounds } from "../c-program.ts";
import type { CompareContext } from "./compare.ts";
import type { Plan } from "./options.ts";
import { OTHER, REFERENCE, type Runner } from "./peers.ts";
import { quartilesOf } from "./rows.ts";

/** Number of passes over a full ring per round. A round takes a few milliseconds. */
const PASSES = 3000;
/** Number of uncounted rounds, after which the engine has optimised the code. */
const WARM_UPS = 3;

/**
 * For each peer, the peers with which its time is compared, if they were measured. A peer that is not listed here is
 * compared with the reference.
 */
const AGAINST: Readonly<Record<string, readonly string[]>> = {
  link: [REFERENCE, "burst-c", "dpdk"],
  turnaround: [REFERENCE, "careful-c", "rust", "dpdk"],
  checked: [REFERENCE, "link"],
  rust: [REFERENCE, "careful-c"],
  [`link${OTHER}`]: [REFERENCE, "link"],
  [`turnaround${OTHER}`]: [REFERENCE, "turnaround"],
  [`checked${OTHER}`]: [REFERENCE, "checked"],
};

/** The time per frame of each runner in ns. The runners are measured one after the other. */
type Round = readonly number[];

const roundOf = async (
  programs: readonly Rounds[],
  runners: readonly Runner[],
  batch: number,
  turn: number,
): Promise<Round> => {
  const round = runners.map(() => NaN);
  for (const i of runners.keys()) {
    const at = (i + turn) % runners.length;
    round[at] = (await programs[at]!.round(runners[at]!.sameThread.variant, batch, PASSES)).median;
  }
  return round;
};

const measureOnce = async (
  runners: readonly Runner[],
  plan: Plan,
  env: NodeJS.ProcessEnv,
  stop: AbortSignal,
): Promise<Map<number, Round[]>> => {
  await using scope = new AsyncDisposableStack();
  const programs = runners.map(
    ({
      sameThread: {
        command: [program, ...args],
      },
    }) => scope.use(new Rounds(program, args, env)),
  );
  const rounds = new Map(plan.sameThread.map((batch): [number, Round[]] => [batch, []]));
  for (let turn = -WARM_UPS; turn < plan.rounds; turn++)
    for (const [batch, done] of rounds) {
      stop.throwIfAborted();
      const round = await roundOf(programs, runners, batch, turn + WARM_UPS);
      if (turn >= 0) done.push(round);
    }
  return rounds;
};

const rowOf = (runners: readonly Runner[], place: number, batch: number, rounds: readonly Round[]): SameThreadRow => {
  const { key } = runners[place]!.peer;
  const against = (AGAINST[key] ?? [REFERENCE])
    .filter((other) => other !== key)
    .flatMap((other) => {
      const at = runners.findIndex(({ peer }) => peer.key === other);
      return at < 0 ? [] : [{ peer: other, ratio: quartilesOf(rounds.map((round) => round[place]! / round[at]!)) }];
    });
  return { peer: key, batch, ns: quartilesOf(rounds.map((round) => round[place]!)), against };
};

/**
 * Measures every peer with every batch size. There are several processes, because in each the engine compiles the code
 * slightly differently.
 */
export const sameThread = async (
  plan: Plan,
  runners: readonly Runner[],
  env: NodeJS.ProcessEnv,
  { say, stop }: CompareContext,
): Promise<SameThreadRow[]> => {
  if (plan.sameThread.length === 0) return [];
  const all = new Map(plan.sameThread.map((batch): [number, Round[]] => [batch, []]));
  // The first process fills the compile cache.
  for (let i = 0; i <= plan.processes; i++) {
    say(
      `driver and device in one thread: ${i === 0 ? "filling the compile cache" : `processes ${i} of ${plan.processes}`}`,
    );
    const rounds = await measureOnce(
      runners,
      i === 0 ? { ...plan, rounds: 1, sameThread: plan.sameThread.slice(0, 1) } : plan,
      env,
      stop,
    );
    if (i > 0) for (const [batch, done] of rounds) all.get(batch)!.push(...done);
  }
  return [...all].flatMap(([batch, rounds]) => runners.map((_, place) => rowOf(runners, place, batch, rounds)));
};
