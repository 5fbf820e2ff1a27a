/** `ferrule doctor`: shows what is missing on this machine, and the command that fixes it. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { selfTest } from "#sys/selftest.ts";
import { listCards } from "../cards/card.ts";
import { Files, textOf } from "../cards/files.ts";
import { localMachine, preparedTaps, cardState } from "../cards/local-machine.ts";
import { judgeCard } from "../cards/judge.ts";
import { mayMakeNamespaces, tunDevice, userNamespaceProblem } from "../demo/permissions.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { type Check, demoVerdict, type MachineFacts, judge } from "./doctor-checks.ts";
import { table } from "../terminal/format.ts";
import { PACKAGE_MANAGERS } from "./packages.ts";
import type { Stream } from "../terminal/terminal.ts";

const found = (program: string): string | undefined => {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    try {
      accessSync(join(folder, program), constants.X_OK);
      return join(folder, program);
    } catch {
      // The program is not in this folder.
    }
  }
  return undefined;
};

/** Time limit in milliseconds for a program to print its version. */
const LIMIT_MILLIS = 5_000;

/** The version in a line such as "QEMU emulator version 10.1.2 (Debian 1:10.1.2+ds-1)". */
export const versionIn = (text: string): string | undefined => /\bversion (\d+(?:\.\d+)*)/.exec(text)?.[1];

const installedQemu = (): MachineFacts["qemu"] => {
  const path = found("qemu-system-x86_64");
  if (path === undefined) return undefined;
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: LIMIT_MILLIS, killSignal: "SIGKILL" });
  return { path, version: versionIn(stdout ?? "") };
};

/** The release from os-release(5): ID and VERSION_CODENAME. */
export const releaseIn = (text: string): string | undefined => {
  const [id, codename] = ["ID", "VERSION_CODENAME"].map(
    (key) => new RegExp(`^${key}="?([\\w.-]+)`, "m").exec(text)?.[1],
  );
  return id === undefined || codename === undefined ? undefined : `${id} ${codename}`;
};

/**
 * Collects the facts about this machine. Some, such as those about namespaces, can be determined only if the C library
 * can be called.
 */
const examine = (): MachineFacts => {
  const tests = selfTest();
  const works = tests.every((test) => test.ok);
  const files = new Files();
  const machine = localMachine(files);
  const namespaces = works && mayMakeNamespaces();
  return {
    node: process.versions.node,
    selfTest: tests,
    uid: process.getuid?.() ?? -1,
    tun: tunDevice(),
    mayMakeNamespaces: namespaces,
    userNamespaceProblem: namespaces ? undefined : userNamespaceProblem(),
    lockableBytes: machine.lockableBytes,
    processors: availableParallelism(),
    cards: listCards(files).map((card) => ({
      address: card.address,
      lacks: judgeCard(cardState(card, machine, files)),
    })),
    preparedTaps: preparedTaps(files, machine.user),
    tools: Object.fromEntries(["iperf3", "tshark"].map((tool) => [tool, found(tool)])),
    qemu: installedQemu(),
    release: releaseIn(textOf(join(files.root, "etc/os-release")) ?? ""),
    packageManager: PACKAGE_MANAGERS.find((manager) => found(manager) !== undefined),
  };
};

const MARKS = { ok: ["green", "ok"], limited: ["yellow", "limited"], missing: ["red", "missing"] } as const;

export const doctorLines = (checks: readonly Check[], stream: Pick<Stream, "paint">): readonly string[] => {
  const rows = checks.flatMap((check) => {
    const [style, word] = MARKS[check.state];
    const row = [stream.paint(style, word), check.name, check.saw];
    const fixes = check.fix?.split("\n") ?? [];
    return [row, ...fixes.map((fix) => ["", "", stream.paint("dim", `fix: ${fix}`)])];
  });
  return [
    ...table(rows, "lll"),
    "",
    demoVerdict(checks) ?? "`ferrule demo` cannot run here: see what is missing above.",
  ];
};

export const doctor = command({
  name: "doctor",
  summary: "report what is missing on this machine, and how to fix it",
  about: [
    "Changes nothing. The exit code is 0 if `ferrule demo` can run here, otherwise 1. For each card of the family it reports what is",
    "missing and the command that fixes it, for the present user. An ordinary user needs the card's group file, a TAP and",
    "permission to lock memory; the commands shown for these are for an administrator.",
  ].join("\n"),
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
