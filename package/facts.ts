/**
 * The figures about sources and pages that `ferrule compare` shows. They are counted in a checkout and packed with
 * `dist`. This program prints them as JSON.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "#app/manifest.ts";
import type { Facts, FaultClass, FeatureCount } from "#app/compare/result.ts";
import { FEATURES } from "../test/features.ts";
import { FIXED, type Hazard, type Kept } from "../test/safety.ts";
import { driverSize, LINUX_LINES } from "../test/lines.ts";

const ROOT = join(import.meta.dirname, "..");

/** The columns of docs/features.md. A cell is "yes", "no", or a remark on how far the support goes. */
const DRIVERS = [
  ["Linux r8169", "linux"],
  ["Realtek for Linux", "vendor"],
  ["DPDK net_r8169", "dpdk"],
  ["FreeBSD re, rge", "freebsd"],
] as const;
const NO = /^(no\b|off$|refused$|–)/;

/** Counts the cells of a column; an undefined cell is a missing feature. */
const counted = (driver: string, cells: readonly (string | undefined)[]): FeatureCount => {
  const yes = cells.filter((cell) => cell === "yes").length;
  const no = cells.filter((cell) => cell === undefined || NO.test(cell)).length;
  return { driver, yes, remarked: cells.length - yes - no, no };
};

const features = (): readonly FeatureCount[] => [
  counted(
    "Ferrule",
    FEATURES.map(({ ours }) => ("missing" in ours ? undefined : (ours.note ?? "yes"))),
  ),
  ...DRIVERS.map(([driver, column]) =>
    counted(
      driver,
      FEATURES.map((row) => row[column]),
    ),
  ),
];

const countOf = (hazards: readonly Hazard[], kept: Kept): number => hazards.filter((each) => each.kept === kept).length;

const faults = (): readonly FaultClass[] =>
  [...Map.groupBy(FIXED, (each) => each.class)].map(([name, hazards]) => ({
    class: name,
    impossible: countOf(hazards, "impossible"),
    checked: countOf(hazards, "checked"),
    tested: countOf(hazards, "tested"),
  }));

/** The number of `SAFETY:` lines in `src/sys`, counted as in docs/soundness.md. */
export const safetySites = (): number =>
  globSync("src/sys/*.ts", { cwd: ROOT })
    .filter((path) => !path.includes(".test"))
    .flatMap((path) => readFileSync(join(ROOT, path), "utf8").match(/SAFETY:/g) ?? []).length;

export const facts = (): Facts => ({
  ferrule: version(),
  features: features(),
  sizes: [
    { driver: "Linux r8169, as published", lines: LINUX_LINES },
    { driver: "Ferrule's driver and its facts about chips", ...driverSize() },
  ],
  safetySites: safetySites(),
  faults: faults(),
});

if (import.meta.main) console.log(JSON.stringify(facts(), undefined, 2));
