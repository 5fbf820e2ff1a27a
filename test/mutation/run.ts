/**
 * `npm run test:mutation`: makes single changes in the driver and chip rooms, and lists those that no check detects.
 */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { WrongUsage } from "#app/terminal/usage.ts";
import { argumentsOf } from "../program.ts";
import { Judge } from "./checks.ts";
import { type Mutant, mutantsOf, randomFrom, sampleOf } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../..");

const number = (text: string, name: string, max: number): number => {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw new WrongUsage(`--${name} takes a number up to ${max}, not "${text}"`, "Write digits.");
  return value;
};

/**
 * The default seed, which depends only on the commit, so that a run can be repeated. Without a repository, it is the
 * time.
 */
const seedOfCommit = (): number => {
  try {
    return Number.parseInt(
      execFileSync("git", ["rev-parse", "--short=7", "HEAD"], { cwd: ROOT, encoding: "utf8" }),
      16,
    );
  } catch {
    return Date.now() % 2 ** 31;
  }
};

const options = argumentsOf(
  {
    name: "test:mutation",
    summary: "make single changes in the driver and chip rooms, and list those that no check detects",
    about: [
      "Each mutant (a comparison inverted, a bit shifted, a call omitted) is checked by the unit tests of both rooms, the",
      "recorded register writes, and conformance of one chip of each generation. A mutant that survives shows a missing",
      "test, needless code, or a change without effect. No file is changed. Exit code 1 if too few mutants are detected, or if a check fails on unchanged code.",
    ].join("\n"),
    operands: [],
    options: {
      sample: { kind: "value", placeholder: "N", summary: "mutants to try", default: "12" },
      seed: {
        kind: "value",
        placeholder: "N",
        summary: "seed of the choice of mutants; default: derived from the commit",
      },
      only: { kind: "value", placeholder: "GLOB", summary: "files", default: "src/{driver,chip}/**/*.ts" },
      least: { kind: "value", placeholder: "PERCENT", summary: "percentage that must be detected", default: "75" },
      limit: {
        kind: "value",
        placeholder: "SECONDS",
        summary: "no new mutant is tried after this time",
        default: "170",
      },
    },
    examples: [
      "npm run test:mutation -- --sample 12",
      "npm run test:mutation -- --only src/driver/rings.ts --sample 1000",
    ],
  },
  (values) => ({
    sample: number(values.sample, "sample", 100_000),
    seed: values.seed === undefined ? seedOfCommit() : number(values.seed, "seed", 2 ** 32),
    only: values.only,
    least: number(values.least, "least", 100),
    limit: number(values.limit, "limit", 100_000),
  }),
);

const allMutants = (): readonly Mutant[] =>
  globSync(options.only, { cwd: ROOT })
    .filter((file) => !/\.(test|test-kit|types)\.ts$/.test(file))
    .toSorted()
    .flatMap((file) => mutantsOf(file, stripTypeScriptTypes(readFileSync(join(ROOT, file), "utf8"))));

const seconds = (): number => Math.round(performance.now() / 1000);

/** Throws if a check fails on unchanged code, because such a check would appear to detect every mutant. */
const checkTheChecks = async (judge: Judge): Promise<void> => {
  const found = await judge.noticedBy(undefined);
  if (found !== undefined)
    throw new Error(`the check "${found.check}" fails on unchanged code: ${found.failed}. \`npm test\` shows more.`);
};

const run = async (): Promise<boolean> => {
  const all = allMutants();
  const random = randomFrom(options.seed);
  // Chooses as many mutants of the driver as of the chip tables, although the tables are longer.
  const rooms = [...Map.groupBy(all, ({ file }) => file.split("/")[1]).values()];
  const chosen = rooms.flatMap((each) => sampleOf(each, Math.ceil(options.sample / rooms.length), random));
  // The mutants of both rooms are mixed, so that each room gets the same share of the time.
  const waiting = [...sampleOf(chosen, chosen.length, random)];
  const wanted = waiting.length;
  if (wanted === 0)
    throw new WrongUsage(`${options.only} contains nothing to change`, "Name files of the driver or chip room.");
  console.log(`${wanted} of ${all.length} mutants, seed ${options.seed}`);
  await using scope = new AsyncDisposableStack();
  const judges = Array.from({ length: Math.min(2, availableParallelism()) }, () => scope.use(new Judge()));
  await checkTheChecks(judges[0]!);
  console.log(`the checks pass on unchanged code (${seconds()} s)`);
  let [tried, noticed] = [0, 0];
  const work = async (judge: Judge): Promise<void> => {
    while (seconds() < options.limit) {
      const mutant = waiting.shift();
      if (mutant === undefined) return;
      const found = await judge.noticedBy(mutant);
      tried++;
      if (found !== undefined) noticed++;
      const what = `${mutant.file}:${mutant.line}: ${mutant.before.trim()} → ${mutant.after.trim()}`;
      console.log(
        found === undefined ? `SURVIVED ${what}` : `noticed  ${what}\n         ${found.check}: ${found.failed}`,
      );
    }
  };
  await Promise.all(judges.map(work));
  const share = (100 * noticed) / tried;
  console.log(
    `${noticed} of ${tried} mutants detected (${Math.floor(share)} %), ${wanted - tried} not tried, in ${seconds()} s`,
  );
  if (tried * 2 < wanted) console.log("too few mutants were tried within the time limit: raise --limit");
  return share >= options.least && tried * 2 >= wanted;
};

if (!(await run())) process.exitCode = 1;
