/**
 * `npm run test:guest [-- --all] [--chip NAMES] [--kernel NAMES] [--dpdk newest] [--jobs N] [--roundtrips N] [FILES]`: the conformance
 * suite, with the kernel's own r8169 driving our chips in guests, `N` guests at once (a guest and its NIC keep one processor busy). Writes what
 * came out as JSON; `npm run test:guest -- --report` makes docs/conformance.md of it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bootOf } from "../guest/initrd.ts";
import { CACHE, DPDKS, forgetParts, KERNELS } from "../guest/parts.ts";
import {
  ALL_CHIPS,
  ALL_KERNELS,
  CHIPS_VARIABLE,
  DPDK_VARIABLE,
  GRID_VARIABLE,
  KERNELS_VARIABLE,
  ROUND_TRIPS_VARIABLE,
  SOME_CHIPS,
} from "./grid.ts";
import { writeReport } from "./report.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RESULTS = join(CACHE, "results");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    chip: { type: "string" },
    dpdk: { type: "string", default: DPDKS[0] },
    jobs: { type: "string", default: "1" },
    kernel: { type: "string" },
    refresh: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
    roundtrips: { type: "string" },
  },
});

/** Run when they are named: they need a compiler. */
const BY_NAME = ["vendor.test.ts"];

/** Named ones, by the end of their path: "ping" for ping.test.ts. */
const files = (): readonly string[] => {
  const all = globSync("*.test.ts", { cwd: HERE }).sort();
  const named = all.filter((file) =>
    positionals.length === 0 ? !BY_NAME.includes(file) : positionals.includes(basename(file, ".test.ts")),
  );
  if (named.length < Math.max(1, positionals.length))
    throw new Error(`there are: ${all.map((file) => basename(file, ".test.ts")).join(", ")}`);
  return named.map((file) => relative(process.cwd(), join(HERE, file)));
};

const run = async (): Promise<number> => {
  if (values.report) {
    writeReport(RESULTS);
    return 0;
  }
  if (!/^[1-9]\d?$/.test(values.jobs)) throw new Error(`--jobs ${values.jobs}: how many guests at once, 1 to 99`);
  if (!DPDKS.some((name) => name === values.dpdk)) throw new Error(`--dpdk ${values.dpdk}: ${DPDKS.join(" or ")}`);
  if (values.refresh) forgetParts();
  const chips = values.chip ?? (values.all ? ALL_CHIPS : SOME_CHIPS).join(",");
  const kernels = values.kernel ?? (values.all ? ALL_KERNELS.join(",") : "6.12");
  for (const kernel of KERNELS) if (kernels.split(",").includes(kernel)) bootOf(kernel);
  mkdirSync(RESULTS, { recursive: true });
  const record = join(RESULTS, `${new Date().toISOString().replaceAll(":", "-")}.jsonl`);
  const args = [
    ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${values.jobs}`],
    ["--test-reporter=spec", "--test-reporter-destination=stdout"],
    [`--test-reporter=${join(HERE, "reporter.ts")}`, `--test-reporter-destination=${record}`],
    files(),
  ].flat();
  const environment = {
    FERRULE_GUEST: "1",
    [CHIPS_VARIABLE]: chips,
    [DPDK_VARIABLE]: values.dpdk,
    [KERNELS_VARIABLE]: kernels,
    ...(values.all ? { [GRID_VARIABLE]: "1" } : {}),
    ...(values.roundtrips === undefined ? {} : { [ROUND_TRIPS_VARIABLE]: values.roundtrips }),
  };
  const child = spawn(process.execPath, args, { stdio: "inherit", env: { ...process.env, ...environment } });
  // A terminal interrupts both; who ends this program alone means both.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, "exit")) as [number | null];
  console.error(`results: ${record}`);
  return code ?? 1;
};

try {
  process.exitCode = await run();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
