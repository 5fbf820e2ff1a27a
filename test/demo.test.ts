/** The demo as users run it: the whole program in its own process, between two network namespaces. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually, LIMIT_MILLIS } from "./rigs/eventually.ts";
import { noTwoEnds } from "./rigs/skip.ts";

const PROGRAM = fileURLToPath(new URL("../bin/ferrule.mjs", import.meta.url));

const skip = noTwoEnds([]);

interface Report {
  rig: string;
  chip: string;
  xid: string;
  link: { up: boolean };
  ping: { sent: number; received: number };
  transfers: { direction: string; bytes: number; sha256Sent: string; sha256Received: string; bitsPerSecond: number }[];
  drops: number;
  superFrames: number;
  gcPauses: { count: number };
}

const demo = (...options: string[]) =>
  spawnSync(process.execPath, [PROGRAM, "demo", ...options], { encoding: "utf8", timeout: LIMIT_MILLIS });

const assertWell = (report: Report, bytes: number): void => {
  assert.equal(report.chip, "RTL8168h/8111h");
  assert.equal(report.xid, "541");
  assert.ok(report.link.up);
  assert.deepEqual([report.ping.sent, report.ping.received], [100, 100]);
  assert.deepEqual(
    report.transfers.map((each) => each.direction),
    ["wire-to-host", "host-to-wire"],
  );
  for (const each of report.transfers) {
    assert.equal(each.bytes, bytes);
    assert.match(each.sha256Sent, /^[0-9a-f]{64}$/);
    assert.equal(each.sha256Received, each.sha256Sent);
    assert.ok(each.bitsPerSecond > 0);
  }
  assert.equal(report.drops, 0);
  assert.ok(report.gcPauses.count >= 0);
};

test("moves verified data between two of Linux's own TCP/IP stacks", { skip }, () => {
  const { status, stdout, stderr } = demo("--bytes", "8M", "--json");
  assert.equal(status, 0, stderr + stdout);
  const report = JSON.parse(stdout) as Report;
  assert.equal(report.rig, "tap");
  assertWell(report, 8 * 2 ** 20);
  assert.ok(report.superFrames > 0, "the NIC segmented no super-frame");
});

test("puts a second NIC at the other end of a socket", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  using scope = new DisposableStack();
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { status, stdout, stderr } = demo("--bytes", "4M", "--json", "--wire", `unix:${folder}/cable`);
  assert.equal(status, 0, stderr + stdout);
  const report = JSON.parse(stdout) as Report;
  assert.equal(report.rig, "tap");
  assertWell(report, 4 * 2 ** 20);
  assert.deepEqual(readdirSync(folder), []);
});

test("uses the responder on request", () => {
  const { status, stdout, stderr } = demo("--bytes", "1M", "--json", "--wire", "responder");
  assert.equal(status, 0, stderr + stdout);
  const report = JSON.parse(stdout) as Report;
  assert.equal(report.rig, "responder");
  assertWell(report, 2 ** 20);
});

test("a wire whose far end cannot reply is rejected", () => {
  const { status, stderr } = demo("--wire", "pcap:some.pcap");
  assert.equal(status, 2);
  assert.match(stderr, /cannot reply to pings/);
});

/** The process `pid` and all its descendants. */
const family = (pid: number): number[] => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number).flatMap(family))];
};

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** The kernel's identifiers of all network namespaces that a thread of any process is in. */
const namespaces = (): Set<string> => {
  const found = new Set<string>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        found.add(readlinkSync(`/proc/${pid}/task/${thread}/ns/net`));
    } catch {
      // The process has ended meanwhile.
    }
  return found;
};

/**
 * Starts a demo; resolves when it has begun, with its processes and namespaces. The demo is ended when it is disposed.
 */
const running = async (): Promise<Disposable & { child: ChildProcess; own: string[]; pids: number[] }> => {
  using scope = new DisposableStack();
  const child = spawn(process.execPath, [PROGRAM, "demo", "--bytes", "64G"], { stdio: ["ignore", "ignore", "pipe"] });
  scope.defer(() => child.kill("SIGKILL"));
  let progress = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (progress += text));
  await eventually("the first step", () => progress.includes("ping"));
  const pids = family(child.pid!);
  const own = [
    ...new Set(
      pids.flatMap((pid) =>
        readdirSync(`/proc/${pid}/task`).map((thread) => readlinkSync(`/proc/${pid}/task/${thread}/ns/net`)),
      ),
    ),
  ].filter((space) => space !== readlinkSync("/proc/self/ns/net"));
  const owned = scope.move();
  return { child, own, pids, [Symbol.dispose]: () => owned.dispose() };
};

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const)
  test(`${signal} during a transfer leaves no process and no namespace behind`, { skip }, async () => {
    using demonstration = await running();
    const { child, own, pids } = demonstration;
    assert.equal(own.length, 2, "each end must have one namespace");
    const ended = new Promise<number | null>((resolve) => void child.once("exit", resolve));
    child.kill(signal);
    const code = await ended;
    assert.equal(code, signal === "SIGKILL" ? null : 1);
    await eventually("the end of every process", () => !pids.some(isAlive));
    await eventually("the end of its namespaces", () => {
      const left = namespaces();
      return !own.some((space) => left.has(space));
    });
  });
