/** Three terminals: a chip served in one, our driver on it in another, and the kernel's stack at both ends. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { noTwoEnds } from "../rigs/skip.ts";

const run = promisify(execFile);
const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
const NEAR = `fv-a-${process.pid}`;
const FAR = `fv-b-${process.pid}`;
const HOST = `fv${process.pid % 10_000}`;
const WIRE = `${HOST}w`;
const LIMIT_MILLIS = 20_000;

const skip = noTwoEnds(["ip", "ping", "iperf3"]);

const on = async (namespace: string, ...command: string[]): Promise<string> =>
  (await run("ip", ["netns", "exec", namespace, ...command], { timeout: LIMIT_MILLIS })).stdout;

/** A `ferrule` of ours, and all it has said. */
class Running {
  said = "";
  readonly #child: ChildProcess;
  readonly gone: Promise<number | null>;

  constructor(...words: string[]) {
    this.#child = spawn(process.execPath, [BIN, ...words, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    this.gone = new Promise((resolve) => this.#child.once("close", resolve));
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.said += chunk.toString()));
  }

  async says(pattern: RegExp): Promise<void> {
    const end = performance.now() + LIMIT_MILLIS;
    while (!pattern.test(this.said)) {
      assert.ok(performance.now() < end && this.#child.exitCode === null, `never said ${pattern}: ${this.said}`);
      await setTimeout(20);
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return await Promise.race([
      this.gone,
      setTimeout(LIMIT_MILLIS, -1, { ref: false }).then((late) => {
        this.#child.kill("SIGKILL");
        return late;
      }),
    ]);
  }
}

describe("our driver on a chip that another process serves", { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-served-"));
  const socket = join(folder, "nic.sock");
  let server: Running;
  let driver: Running;

  before(async () => {
    for (const namespace of [NEAR, FAR]) await run("ip", ["netns", "add", namespace]);
    server = new Running("model", "serve", "--chip", "rtl8168h", "--socket", socket, "--wire", `tap:${WIRE}`);
    await server.says(/\n/);
    driver = new Running("up", `vfio-user:${socket}`, "--name", HOST);
    await driver.says(/"carrier","interface":"[^"]+","up":true/);
    for (const [name, namespace, address] of [
      [HOST, NEAR, "10.78.0.1"],
      [WIRE, FAR, "10.78.0.2"],
    ] as const) {
      await run("ip", ["link", "set", name, "netns", namespace]);
      await run("ip", ["-n", namespace, "address", "add", `${address}/24`, "dev", name]);
      await run("ip", ["-n", namespace, "link", "set", name, "up"]);
    }
  });

  after(async () => {
    await driver.end("SIGKILL");
    await server.end("SIGKILL");
    for (const namespace of [NEAR, FAR]) await run("ip", ["netns", "del", namespace]);
    rmSync(folder, { recursive: true });
  });

  test("carries pings and TCP both ways without a drop", async () => {
    assert.match(await on(NEAR, "ping", "-q", "-c", "100", "-i", "0.01", "-W", "1", "10.78.0.2"), / 0% packet loss/);
    for (const direction of [[], ["-R"]]) {
      const listening = on(FAR, "iperf3", "-s", "-1");
      await setTimeout(300);
      await on(NEAR, "iperf3", "-c", "10.78.0.2", "-n", "50M", ...direction);
      await listening;
    }
  });

  test("says so and ends when the server dies", async () => {
    await server.end("SIGKILL");
    assert.equal(await Promise.race([driver.gone, setTimeout(LIMIT_MILLIS, -1, { ref: false })]), 1);
    assert.match(driver.said, /DEVICE_GONE/);
  });
});

test("a socket that nobody serves is an error with a hint", { skip }, async () => {
  const driver = new Running("up", "vfio-user:/nowhere/nic.sock", "--name", `${HOST}x`);
  assert.equal(await driver.gone, 1);
  assert.match(driver.said, /nowhere/);
});
