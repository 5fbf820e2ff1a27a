/**
 * One process of the ring bench. It alternates C rounds and rounds of its own, and prints all of them as one JSON
 * array.
 */
import { Rounds } from "./c-program.ts";
import { createRingPath, type PathKind, PATHS, SLOTS, type RingPath } from "./ring-path.ts";

export const BATCHES = [1, 8, 32, 256] as const;
export const VARIANTS = ["minimal", "careful", "bursts"] as const;

/** The times per frame of one round in ns, Ferrule's and each C variant's. All are measured within some 20 ms. */
export interface RingRound {
  readonly path: PathKind;
  readonly batch: number;
  readonly typescript: number;
  readonly c: Readonly<Record<(typeof VARIANTS)[number], number>>;
}

/** Number of passes over a full ring per round. A round takes a few milliseconds. */
const PASSES = 3000;

/** Runs one round in this process, and returns the ns per frame of the median pass. */
export const ownRound = (path: RingPath, batch: number): number => {
  const passes = new Float64Array(PASSES);
  for (let pass = 0; pass < PASSES; pass++) {
    path.device();
    let frames = 0;
    const start = performance.now();
    for (let i = 0; i < SLOTS; i += batch) frames += path.forward(batch);
    passes[pass] = performance.now() - start;
    if (frames !== SLOTS) throw new Error(`batch ${batch}: ${frames} of ${SLOTS} frames came through`);
  }
  if (!path.intact()) throw new Error(`batch ${batch}: a frame was damaged or dropped`);
  return (passes.sort()[PASSES >> 1]! * 1e6) / SLOTS;
};

const pairedRound = async (
  kind: PathKind,
  path: RingPath,
  c: Rounds,
  batch: number,
  ownFirst: boolean,
): Promise<RingRound> => {
  const before = ownFirst ? ownRound(path, batch) : NaN;
  const minimal = (await c.round("minimal", batch, PASSES)).median;
  const typescript = ownFirst ? before : ownRound(path, batch);
  const careful = (await c.round("careful", batch, PASSES)).median;
  const bursts = (await c.round("bursts", batch, PASSES)).median;
  return { path: kind, batch, typescript, c: { minimal, careful, bursts } };
};

const main = async (program: string, rounds: number, kind: PathKind): Promise<void> => {
  using scope = new DisposableStack();
  const path = createRingPath(scope, kind);
  await using c = new Rounds(program);
  for (let i = 0; i < 3; i++) for (const batch of BATCHES) ownRound(path, batch);
  const pairs: RingRound[] = [];
  for (let i = 0; i < rounds; i++)
    for (const batch of BATCHES) pairs.push(await pairedRound(kind, path, c, batch, i % 2 === 1));
  console.log(JSON.stringify(pairs));
};

if (import.meta.main) {
  const kind = PATHS.find((path) => path === process.argv[4]);
  if (kind === undefined) throw new Error(`unknown path ${process.argv[4]}`);
  await main(process.argv[2]!, Number(process.argv[3]), kind);
}
