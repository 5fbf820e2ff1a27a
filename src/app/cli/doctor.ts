/** `ferrule doctor`: what is missing on this machine, and the command that fixes it. */
import { accessSync, constants, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { selfTest } from "#sys/selftest.ts";
import { mayMakeNamespaces, tunDevice, userNamespaceProblem } from "../demo/permissions.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { type Check, demoVerdict, type Findings, judge } from "./doctor-checks.ts";
import { table } from "./format.ts";
import type { Stream } from "./terminal.ts";

/** The soft limit of proc_pid_limits(5), which is what the kernel holds this process to. */
const lockableBytes = (): number => {
  const line = /^Max locked memory\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return line?.[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line?.[1] ?? 0);
};

const found = (program: string): string | undefined => {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    try {
      accessSync(join(folder, program), constants.X_OK);
      return join(folder, program);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
};

/** Looks at this machine. Namespaces and the like can only be asked for once the C library answers. */
const examine = (): Findings => {
  const tests = selfTest();
  const works = tests.every((test) => test.ok);
  const namespaces = works && mayMakeNamespaces();
  return {
    node: process.versions.node,
    selfTest: tests,
    uid: process.getuid?.() ?? -1,
    tun: tunDevice(),
    mayMakeNamespaces: namespaces,
    userNamespaceProblem: namespaces ? undefined : userNamespaceProblem(),
    lockableBytes: lockableBytes(),
    processors: availableParallelism(),
    tools: Object.fromEntries(["iperf3", "tshark", "qemu-system-x86_64"].map((tool) => [tool, found(tool)])),
  };
};

const MARKS = { ok: ["green", "ok"], limited: ["yellow", "limited"], missing: ["red", "missing"] } as const;

export const doctorLines = (checks: readonly Check[], stream: Pick<Stream, "paint">): readonly string[] => {
  const rows = checks.flatMap((check) => {
    const [style, word] = MARKS[check.state];
    const row = [stream.paint(style, word), check.name, check.saw];
    return check.fix === undefined ? [row] : [row, ["", "", stream.paint("dim", `fix: ${check.fix}`)]];
  });
  return [
    ...table(rows, "lll"),
    "",
    demoVerdict(checks) ?? "`ferrule demo` cannot run here: see what is missing above.",
  ];
};

export const doctor = command({
  name: "doctor",
  summary: "say what is missing on this machine, and what fixes it",
  about: "Changes nothing. Exit code 0 unless even `ferrule demo` cannot run.",
  operands: [],
  options: { json: JSON_OPTION },
  examples: ["npx ferrule doctor"],
  async run({ values, terminal }) {
    const checks = judge(examine());
    const verdict = demoVerdict(checks);
    if (values.json) printJson(terminal, { demo: verdict !== undefined, verdict: verdict ?? null, checks });
    else printLines(terminal, doctorLines(checks, terminal.out));
    return verdict === undefined ? Exit.failed : Exit.done;
  },
});
