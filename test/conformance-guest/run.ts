/**
 * `npm run test:guest`: the conformance suite, with the kernel's own r8169 driving our chips in guests, several at once
 * on request (a guest and its NIC keep one processor busy). Writes the results as JSON. `npm run test:guest --
 * --report` adds them to docs/conformance.json, and generates docs/conformance.md from that file.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseChip } from "#app/cli/spec.ts";
import { bootOf } from "../guest/initrd.ts";
import { among, someOf, whole } from "../guest/options.ts";
import { CACHE, DPDKS, forgetParts, KERNELS } from "../guest/parts.ts";
import { argumentsOf, giveUp } from "../program.ts";
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
const SUBJECTS = globSync("*.test.ts", { cwd: HERE })
  .map((file) => basename(file, ".test.ts"))
  .sort();
/** Subjects that run only if they are named, because they need a compiler. */
const BY_NAME = ["vendor"];

/** @throws {WrongUsage} */
const filesOf = (subjects: readonly string[]): readonly string[] => {
  const named = subjects.length === 0 ? SUBJECTS.filter((name) => !BY_NAME.includes(name)) : subjects;
  return named.map((name) => relative(process.cwd(), join(HERE, `${among("subject", name, SUBJECTS)}.test.ts`)));
};

const wanted = argumentsOf(
  {
    name: "test:guest",
    summary: "unmodified drivers on the models, in guests under QEMU",
    about: [
      `SUBJECT is one or more of ${SUBJECTS.join(", ")};`,
      `the default is all but ${BY_NAME.join(", ")}. The first run downloads kernels and QEMU (about 400 MB); nothing is installed.`,
      "CHIPS and KERNELS are separated by commas.",
    ].join("\n"),
    operands: [{ placeholder: "[SUBJECT…]", summary: "what is tested", many: true, optional: true }],
    options: {
      chip: {
        kind: "value",
        placeholder: "CHIPS",
        summary: `see \`ferrule model chips\`; ${SOME_CHIPS.join(",")} unless given`,
      },
      kernel: { kind: "value", placeholder: "KERNELS", summary: `of ${KERNELS.join(", ")}; 6.12 unless given` },
      all: { kind: "flag", summary: "the whole grid of chips and kernels, which takes hours" },
      dpdk: { kind: "value", placeholder: "VERSION", summary: DPDKS.join(" or "), default: DPDKS[0] },
      jobs: { kind: "value", placeholder: "N", summary: "number of guests at the same time", default: "1" },
      roundtrips: { kind: "value", placeholder: "N", summary: "number of round trips in the subject interrupts" },
      refresh: { kind: "flag", summary: "fetch kernels, QEMU and programs again" },
      report: { kind: "flag", summary: "only write docs/conformance.json and .md, from the results so far" },
    },
    examples: [
      "npm run test:guest -- --chip rtl8125b ping",
      "npm run test:guest -- --chip rtl8168h,rtl8125b --kernel 6.1 vendor",
      "npm run test:guest -- --all --jobs 2",
    ],
  },
  (values, subjects) => ({
    ...values,
    files: filesOf(subjects),
    dpdk: among("DPDK", values.dpdk, DPDKS),
    jobs: whole("jobs", values.jobs, 1, 99),
    roundTrips: values.roundtrips === undefined ? undefined : whole("roundtrips", values.roundtrips, 1, 1e9),
    chips: values.chip?.split(",").map((name) => parseChip(name).key) ?? (values.all ? ALL_CHIPS : SOME_CHIPS),
    kernels:
      values.kernel === undefined
        ? values.all
          ? ALL_KERNELS
          : (["6.12"] as const)
        : someOf("kernel", values.kernel, KERNELS),
  }),
);

const run = async (): Promise<number> => {
  if (wanted.report) {
    writeReport(RESULTS);
    return 0;
  }
  if (wanted.refresh) forgetParts();
  for (const kernel of KERNELS) if (wanted.kernels.some((name) => name === kernel)) bootOf(kernel);
  mkdirSync(RESULTS, { recursive: true });
  const record = join(RESULTS, `${new Date().toISOString().replaceAll(":", "-")}.jsonl`);
  const args = [
    ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${wanted.jobs}`],
    ["--test-reporter=spec", "--test-reporter-destination=stdout"],
    [`--test-reporter=${join(HERE, "reporter.ts")}`, `--test-reporter-destination=${record}`],
    wanted.files,
  ].flat();
  const environment = {
    FERRULE_GUEST: "1",
    [CHIPS_VARIABLE]: wanted.chips.join(),
    [DPDK_VARIABLE]: wanted.dpdk,
    [KERNELS_VARIABLE]: wanted.kernels.join(),
    ...(wanted.all ? { [GRID_VARIABLE]: "1" } : {}),
    ...(wanted.roundTrips === undefined ? {} : { [ROUND_TRIPS_VARIABLE]: String(wanted.roundTrips) }),
  };
  const child = spawn(process.execPath, args, { stdio: "inherit", env: { ...process.env, ...environment } });
  // Ctrl-C in a terminal interrupts both programs; a signal to this program alone is passed on.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, "exit")) as [number | null];
  console.error(`results: ${record}`);
  return code ?? 1;
};

try {
  process.exitCode = await run();
} catch (error) {
  giveUp(error);
}
