/** Tests the device process of bench/compare: the driver faults that it detects, and its time limits. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CannotMeasure } from "../bench/bench.ts";
import { compile } from "../bench/c-program.ts";
import { Device, type Task, type Window } from "../bench/compare/device.ts";
import { ENTRIES } from "../bench/compare/peers.ts";
import { parseMeasurement } from "#app/compare/read-comparison.ts";
import { eventually } from "./rigs/eventually.ts";
import { skipFor } from "./rigs/skip.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const skip = skipFor(!has(process.env["CC"] ?? "gcc") && "needs gcc");

const FORWARD: Task = { load: "forward", rate: "saturated", bytes: 64, batch: 32 };
const WINDOW_US = 5000;
const FRAMES = 10_000;
/** Number of frames to forward; a fault occurs once in a thousand frames. */
const ENOUGH = 20_000;
const LIMIT_MS = 20_000;

const folder = mkdtempSync(join(tmpdir(), "ferrule-device-"));
after(() => rmSync(folder, { recursive: true }));

const open = (program: string): Device => {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, "cache"), RUNTIME_DIRECTORY: folder };
  return new Device(program, env, new AbortController().signal);
};

/** Measures for `WINDOW_US` at a time until `frames` frames have been forwarded; returns the sums of the counts. */
const windows = async (device: Device, task: Task, frames: number): Promise<Window> => {
  let sum: Window | undefined;
  for (const end = performance.now() + LIMIT_MS; (sum?.frames ?? 0) < frames;) {
    assert.ok(performance.now() < end, `only ${sum?.frames ?? 0} of ${frames} frames were forwarded in ${LIMIT_MS} ms`);
    const [window] = await device.windows(task, WINDOW_US, [0]);
    assert.ok(window !== undefined);
    const before = sum;
    sum =
      before === undefined
        ? window
        : (Object.fromEntries(
            Object.entries(window).map(([key, value]) => [key, value + before[key as keyof Window]]),
          ) as unknown as Window);
  }
  return sum!;
};

const faults = ({ lost, doubled, reordered, damaged }: Window) => ({ lost, doubled, reordered, damaged });
const NONE = { lost: 0, doubled: 0, reordered: 0, damaged: 0 };

suite("the device process of the comparison", { skip }, () => {
  let [program, faulty] = ["", ""];
  before(async () => {
    program = await compile(folder, "device");
    faulty = await compile(folder, "faulty");
  });

  const withFault = async (fault: string, use: (device: Device, pid: number) => Promise<void>): Promise<void> => {
    await using device = open(program);
    await use(device, await device.start(0, "the driver", [faulty, fault]));
  };

  test("finds nothing in a driver without a fault", () =>
    withFault("none", async (device) => {
      assert.deepEqual(faults(await windows(device, FORWARD, ENOUGH)), NONE);
    }));

  for (const [fault, kinds] of [
    ["lost", ["lost"]],
    ["doubled", ["doubled"]],
    ["reordered", ["reordered"]],
    // A damaged frame also counts as lost, because the device does not count it as returned.
    ["changed", ["lost", "damaged"]],
    ["shortened", ["lost", "damaged"]],
  ] as const)
    test(`detects and counts the frames that a driver has ${fault}`, () =>
      withFault(fault, async (device) => {
        const found = await windows(device, FORWARD, ENOUGH);
        for (const [kind, count] of Object.entries(faults(found))) {
          // Faults before and after the measurement are counted too, but fewer frames pass then than during it.
          const expected = kinds.some((each) => each === kind) ? found.frames / 1000 : 0;
          assert.ok(
            count >= Math.floor(expected) && count <= 4 * expected,
            `${count} ${kind} of ${found.frames} frames`,
          );
        }
      }));

  for (const [fault, does, complaint] of [
    ["silent", "no longer rings the doorbell", /the driver does not take or send a single frame/],
    ["mute", "forwards nothing", /the driver does not take or send a single frame/],
    ["stuck", "does not stop", /the driver does not stop/],
    ["ends", "ends", /the driver ended with exit code 3/],
    ["outside", "points the device outside its memory", /the driver points the device outside its memory/],
  ] as const)
    test(`fails within seconds, with the reason, when a driver ${does}`, () =>
      withFault(fault, async (device) => {
        await assert.rejects(windows(device, FORWARD, 1e9), complaint);
      }));

  test("reports that a driver was killed", () =>
    withFault("none", async (device, pid) => {
      await windows(device, FORWARD, 1);
      process.kill(pid, "SIGKILL");
      await assert.rejects(windows(device, FORWARD, 1e9), /the driver was ended by signal 9/);
    }));

  for (const { peer, loads, chip, prepare } of ENTRIES)
    test(`${peer.name} forwards ${FRAMES} frames exactly, and has no loss under any load`, async (t) => {
      const commands = await prepare({ scratch: folder, say: console.error }).catch((error: unknown) => {
        if (!(error instanceof CannotMeasure)) throw error;
        skipFor(error.message);
        return t.skip(error.message);
      });
      if (commands === undefined) return;
      await using device = open(program);
      await device.start(0, peer.key, commands.process, chip);
      for (const load of loads)
        for (const bytes of [64, load === "generate" ? 1518 : "mix"] as const)
          for (const batch of [1, 32]) {
            const task = { ...FORWARD, load, bytes, batch };
            assert.deepEqual(faults(await windows(device, task, FRAMES)), NONE, `${load}, ${bytes}, ${batch}`);
          }
      const [latency] = await device.latencies(64, WINDOW_US, [0]);
      assert.ok(latency !== undefined && latency.frames > 0 && latency.p50 > 0);
      assert.deepEqual(faults(latency), NONE);
    });

  test("a driver that cannot be built is reported with the command that installs what it needs, and the others run", () => {
    const file = join(folder, "measured.json");
    const main = join(import.meta.dirname, "../bench/compare/main.ts");
    const args = ["--peer", "rust,burst-c", "--load", "same-thread", "--batch", "256", "--rounds", "1", "--json", file];
    const env = { ...process.env, RUSTC: join(folder, "no-rustc") };
    const { status, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      env,
    });
    assert.equal(status, 0, String(stderr));
    assert.match(String(stderr), /safe Rust: not measured: .*; install it with: sudo apt-get install rustc/);
    const { peers, sameThread } = parseMeasurement(readFileSync(file, "utf8"), file);
    assert.equal(peers.find(({ key }) => key === "rust")?.missing?.install, "sudo apt-get install rustc");
    assert.deepEqual(
      sameThread.map(({ peer }) => peer),
      ["minimal-c", "burst-c"],
    );
  });

  const descendants = (pid: number): number[] =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]);
          return parent === pid ? [Number(name), ...descendants(Number(name))] : [];
        } catch {
          return [];
        }
      });

  const endless = ["--load", "forward", "--peer", "link", "--rounds", "1000"];
  for (const [program, file, options, signals] of [
    ["the measuring program", "../bench/compare/main.ts", endless, ["SIGINT", "SIGTERM", "SIGKILL"]],
    ["`ferrule compare`", "../src/app/cli/entry.ts", ["compare"], ["SIGINT", "SIGKILL"]],
  ] as const)
    for (const signal of signals)
      test(`leaves no process behind when ${program} is ended by ${signal}`, async () => {
        const args = ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, file), ...options];
        const scratch = mkdtempSync(join(folder, "tmp-"));
        const child = spawn(process.execPath, args, {
          env: { ...process.env, TMPDIR: scratch },
          stdio: ["ignore", "ignore", "pipe"],
        });
        const { promise: running, resolve } = Promise.withResolvers<void>();
        child.stderr.on("data", (chunk) => {
          if (String(chunk).includes("processes 1")) resolve();
        });
        await Promise.race([running, once(child, "exit")]);
        // The line is printed before the device and its driver are started.
        const started = await eventually("the device and its driver are started", () => {
          const found = descendants(child.pid!);
          return found.length > 2 ? found : undefined;
        });
        child.kill(signal);
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
        assert.notEqual(child.exitCode, 0);
        await eventually("all processes have ended", () => !started.some((pid) => existsSync(`/proc/${pid}`)));
        if (signal !== "SIGKILL") assert.deepEqual(readdirSync(scratch), []);
      });
});
