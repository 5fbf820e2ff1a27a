/**
 * One process of the checksum bench. It alternates C rounds and rounds of its own, and prints all pairs as one JSON
 * array.
 */
import { copyAndSum, fold, sum } from "#wire/checksum.ts";
import { newMemory, type Memory } from "#wire/memory.ts";
import { Rounds } from "./c-program.ts";

export const SIZES = [64, 1448, 65_536] as const;
export const KINDS = ["sum", "copy"] as const;
type Kind = (typeof KINDS)[number];

/** One pair: ns per call of both sides, measured within a few milliseconds of each other. */
export interface ChecksumRound {
  readonly kind: Kind;
  readonly bytes: number;
  readonly typescript: number;
  readonly c: number;
}

const ROUNDS = 10;
const SAMPLES = 200;

/**
 * Number of calls in one sample. A sample covers at least 128 KiB, so that the time of reading the clock has no effect.
 */
const repeatsFor = (bytes: number): number => Math.ceil(131_072 / bytes);

/** The same data as in c/checksum.c. */
const filled = (bytes: number): Memory => {
  const memory = newMemory(bytes);
  for (let i = 0; i < bytes >> 2; i++) memory.words[i] = (Math.imul(i, 0x9e3779b1) + 0x12345678) | 0;
  return memory;
};

const source = filled(65_536);
const target = newMemory(65_536);

const call = (kind: Kind, bytes: number): number =>
  kind === "sum" ? sum(source, 0, bytes) : copyAndSum(source, 0, target, 0, bytes);

/** Runs one round in this process. Returns the ns per call of the median sample, and the result. */
const ownRound = (kind: Kind, bytes: number): { median: number; result: number } => {
  const repeats = repeatsFor(bytes);
  const samples = new Float64Array(SAMPLES);
  let result = 0;
  for (let s = 0; s < SAMPLES; s++) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) result = call(kind, bytes);
    samples[s] = performance.now() - start;
  }
  return { median: (samples.sort()[SAMPLES >> 1]! * 1e6) / repeats, result: fold(result) };
};

const pairedRound = async (c: Rounds, kind: Kind, bytes: number): Promise<ChecksumRound> => {
  const there = await c.round(kind, bytes, repeatsFor(bytes));
  const here = ownRound(kind, bytes);
  if (here.result !== there.result) throw new Error(`${kind} of ${bytes}: ${here.result} here, ${there.result} in C`);
  return { kind, bytes, typescript: here.median, c: there.median };
};

const main = async (program: string): Promise<void> => {
  await using c = new Rounds(program);
  for (const kind of KINDS) for (const bytes of SIZES) ownRound(kind, bytes);
  const rounds: ChecksumRound[] = [];
  for (let i = 0; i < ROUNDS; i++)
    for (const kind of KINDS) for (const bytes of SIZES) rounds.push(await pairedRound(c, kind, bytes));
  console.log(JSON.stringify(rounds));
};

if (import.meta.main) await main(process.argv[2]!);
