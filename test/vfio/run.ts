/** `npm run test:vfio`: the driver on cards that a guest's kernel provides through VFIO. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { among } from "../guest/options.ts";
import { argumentsOf } from "../program.ts";

const HERE = import.meta.dirname;
const SUBJECTS = globSync("*.test.ts", { cwd: HERE })
  .map((file) => basename(file, ".test.ts"))
  .sort();

const subjects = argumentsOf(
  {
    name: "test:vfio",
    summary: "the driver on cards in guests, through the kernel's VFIO",
    about: [
      `SUBJECT is one or more of ${SUBJECTS.join(", ")}; default: all.`,
      "A kernel and QEMU are fetched once, about 400 MB, and nothing is installed.",
    ].join("\n"),
    operands: [{ placeholder: "[SUBJECT…]", summary: "what is tested", many: true, optional: true }],
    options: {},
    examples: ["npm run test:vfio", "npm run test:vfio -- alone"],
  },
  (_, given) => (given.length === 0 ? SUBJECTS : given.map((name) => among("subject", name, SUBJECTS))),
);

const files = subjects.map((name) => join(HERE, `${name}.test.ts`));
const args = ["--disable-warning=ExperimentalWarning", "--test", "--test-concurrency=1", ...files];
const child = spawn(process.execPath, args, { stdio: "inherit" });
// Ctrl-C reaches both processes; a signal to this one alone must end both too.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
