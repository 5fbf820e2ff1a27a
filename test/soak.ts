/**
 * The soak test brings NICs up and down many times, and kills `ferrule up` at random moments; afterwards nothing may be
 * left. Needs root (or `unshare --user --map-root-user --net`). Works in its own network namespace, which contains only
 * its own interfaces and sockets. Ferrule's own namespaces have no names, and exist only as long as processes,
 * descriptors or interfaces use them; these are counted. The exit code is 0 if nothing was left. Otherwise what was
 * left is printed.
 */
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openSession } from "#app/open-session.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whole } from "./guest/options.ts";
import { argumentsOf } from "./program.ts";
import { eventually, LIMIT_MILLIS } from "./rigs/eventually.ts";

const MAIN = fileURLToPath(new URL("../src/app/cli/entry.ts", import.meta.url));
/** Permitted growth of memory in a thousand cycles. If each cycle leaked one ring, memory would grow by gigabytes. */
const LARGEST_GROWTH = 96 << 20;
/** Longest time after which a process is killed; by then its first traffic has passed. */
const MAX_LIFE_MILLIS = 1500;

const { cycles, kills, seed } = argumentsOf(
  {
    name: "soak",
    summary: "bring NICs up and down many times, kill the driver at random moments, and fail if anything is left",
    about: "Needs root, or `unshare --user --map-root-user --net`. Works in its own network namespace.",
    operands: [],
    options: {
      cycles: {
        kind: "value",
        placeholder: "N",
        summary: "number of times that a NIC is brought up and down",
        default: "1000",
      },
      kills: { kind: "value", placeholder: "N", summary: "number of kills", default: "200" },
      seed: { kind: "value", placeholder: "N", summary: "seed of the random moments; default: different each time" },
    },
    examples: ["npm run soak -- --cycles 100 --kills 20 --seed 7"],
  },
  (values) => ({
    cycles: whole("cycles", values.cycles, 0, 1e9),
    kills: whole("kills", values.kills, 0, 1e9),
    seed: whole("seed", values.seed ?? String(Date.now() % 1_000_000), 0, 1e9),
  }),
);
/** State of the random generator mulberry32, which is small, has a seed, and is good enough to choose moments. */
let state = seed >>> 0;
const random = (): number => {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

/**
 * The interfaces in this thread's namespace. /proc/self would show those of the namespace in which the process was
 * started.
 */
const interfaces = (): string[] =>
  [...readFileSync("/proc/thread-self/net/dev", "utf8").matchAll(/^\s*([^\s:|]+):/gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== "lo");
const sockets = (): string[] =>
  readFileSync("/proc/thread-self/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes("@ferrule"));
const descriptors = (): number => readdirSync("/proc/self/fd").length;
const threads = (): number => readdirSync("/proc/self/task").length;
/** Set in the environment of every process started here. */
const MARK = `FERRULE_SOAK=${process.pid}`;
const processes = (): string[] =>
  readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(MARK);
      } catch {
        return false;
      }
    });

const failures: string[] = [];
const expectNothing = (what: string, left: readonly string[]): void => {
  if (left.length > 0) failures.push(`${what} left behind: ${left.join(" ")}`);
};

/**
 * Brings a NIC up in this process, waits for the carrier, and brings it down. A leak shows as additional
 * descriptors, threads or memory.
 */
const cycle = async (): Promise<void> => {
  const session = await openSession({
    device: { kind: "model", chip: "rtl8168h", wire: { kind: "tap", name: "soak0w" } },
    host: { name: "soak0" },
    mtu: 1500,
  });
  try {
    await session.carrier(LIMIT_MILLIS);
  } finally {
    await session.close();
  }
};

/** Starts `ferrule up` as a process, and kills it without warning. Returns the stage that the process had reached. */
const kill = async (index: number): Promise<string> => {
  const child = spawn(
    process.execPath,
    [MAIN, "up", "model:rtl8168h", "--name", "soak1", "--wire", "tap:soak1w", "--json"],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, FERRULE_SOAK: String(process.pid) },
    },
  );
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await setTimeout(random() * MAX_LIFE_MILLIS);
  child.kill("SIGKILL");
  await ended;
  // The kernel removes a TAP when its last descriptor is closed, a moment after the process has ended.
  await eventually("nothing left", () => interfaces().length === 0 && sockets().length === 0).catch(() => {});
  expectNothing(`kill ${index}: interfaces`, interfaces());
  expectNothing(`kill ${index}: sockets`, sockets());
  return output.includes('"carrier"') ? "running" : output === "" ? "starting" : "bringing up";
};

using namespace = NetworkNamespace.create();
namespace.enter();
console.log(`soak: ${cycles} cycles, ${kills} kills, seed ${seed}`);

for (let i = 0; i < 3; i++) await cycle();
const start = { descriptors: descriptors(), threads: threads(), memory: process.memoryUsage.rss() };
let largest = 0;
for (let i = 0; i < cycles && failures.length === 0; i++) {
  await cycle();
  largest = Math.max(largest, process.memoryUsage.rss());
  if ((i + 1) % 100 === 0)
    console.log(
      `${i + 1} cycles; ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB, ${descriptors()} descriptors`,
    );
}
expectNothing("after the cycles: interfaces", interfaces());
expectNothing("after the cycles: sockets", sockets());
if (descriptors() > start.descriptors) failures.push(`${descriptors() - start.descriptors} descriptors left behind`);
if (threads() > start.threads) failures.push(`${threads() - start.threads} threads left behind`);
const growth = process.memoryUsage.rss() - start.memory;
if (growth > LARGEST_GROWTH) failures.push(`${(growth / 2 ** 20).toFixed(0)} MiB of memory left behind`);

const moments: Record<string, number> = {};
for (let i = 0; i < kills && failures.length < 10; i++) {
  const moment = await kill(i);
  moments[moment] = (moments[moment] ?? 0) + 1;
}
expectNothing("after the kills: processes", processes());

console.log(
  JSON.stringify({
    cycles,
    kills,
    killedWhile: moments,
    memoryMiB: {
      start: Math.round(start.memory / 2 ** 20),
      largest: Math.round(largest / 2 ** 20),
      growth: Math.round(growth / 2 ** 20),
    },
    failures,
  }),
);
process.exitCode = failures.length === 0 ? 0 : 1;
