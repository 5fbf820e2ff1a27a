/** `npm run test:vfio`: the driver on cards that a guest's kernel provides through VFIO. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { among, whole } from "../guest/options.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { argumentsOf } from "../program.ts";
import { packFerrule } from "../rigs/packed.ts";
import { PACKAGE_VARIABLE } from "./image.ts";

const HERE = import.meta.dirname;
const SUBJECTS = globSync("*.test.ts", { cwd: HERE })
  .map((file) => basename(file, ".test.ts"))
  .sort();

const { subjects, jobs } = argumentsOf(
  {
    name: "test:vfio",
    summary: "the driver on cards in guests, through the kernel's VFIO",
    about: [
      `SUBJECT is one or more of ${SUBJECTS.join(", ")}; default: all.`,
      "A kernel and QEMU are fetched once, about 400 MB, and nothing is installed.",
    ].join("\n"),
    operands: [{ placeholder: "[SUBJECT…]", summary: "what is tested", many: true, optional: true }],
    options: {
      jobs: { kind: "value", placeholder: "N", summary: "number of subjects tested at the same time", default: "1" },
    },
    examples: ["npm run test:vfio", "npm run test:vfio -- alone", "npm run test:vfio -- --jobs 2"],
  },
  (values, given) => ({
    subjects: given.length === 0 ? SUBJECTS : given.map((name) => among("subject", name, SUBJECTS)),
    jobs: whole("jobs", values.jobs, 1, 99),
  }),
);

const files = subjects.map((name) => join(HERE, `${name}.test.ts`));
const args = ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${jobs}`, ...files];
const scratch = scratchFolder();
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
const env = { ...process.env, [PACKAGE_VARIABLE]: packFerrule(scratch) };
const child = spawn(process.execPath, args, { stdio: "inherit", env });
// Ctrl-C reaches both processes. A signal to this process alone must end both as well.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
