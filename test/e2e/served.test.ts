/** A chip served by one process, our driver on it in another, and the kernel's stack at both ends. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { HostBackground } from "../rigs/background.ts";
import { NamedNamespace, pings, start } from "../rigs/netns.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
const HOST = `fv${process.pid % 10_000}`;
const WIRE = `${HOST}w`;
const TARGET = "10.78.0.2";

const skip = noTwoEnds(["ip", "ping", "iperf3", "setpriv"]);

const ferrule = (...words: string[]): HostBackground => start(process.execPath, BIN, ...words, "--json");

describe("our driver on a chip that another process serves", { skip }, () => {
  const scope = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "ferrule-served-"));
  const socket = join(folder, "nic.sock");
  let near: NamedNamespace;
  let far: NamedNamespace;
  let server: HostBackground;
  let driver: HostBackground;

  before(async () => {
    scope.defer(() => rmSync(folder, { recursive: true }));
    near = scope.use(await NamedNamespace.create(`fv-a-${process.pid}`));
    far = scope.use(await NamedNamespace.create(`fv-b-${process.pid}`));
    server = scope.use(ferrule("model", "serve", "--chip", "rtl8168h", "--socket", socket, "--wire", `tap:${WIRE}`));
    await server.says(/\n/);
    driver = scope.use(ferrule("up", `vfio-user:${socket}`, "--name", HOST));
    await driver.says(/"carrier","interface":"[^"]+","up":true/);
    await near.take(HOST, "10.78.0.1/24");
    await far.take(WIRE, `${TARGET}/24`);
  });

  after(() => scope.disposeAsync());

  test("carries pings and TCP both ways without a drop", async () => {
    await pings(near, `-c 100 ${TARGET}`);
    await using streams = far.start("iperf3", "-s", "--forceflush");
    await streams.says(/listening/i);
    for (const direction of [[], ["-R"]]) await near.run("iperf3", "-c", TARGET, "-n", "50M", ...direction);
  });

  test("reports the end of the server and ends", async () => {
    await server.stop("KILL");
    assert.equal(await driver.ended(), 1);
    assert.match(driver.said, /DEVICE_GONE.*the server closed the connection/);
  });
});

test("a socket without a server is an error with a hint", { skip }, async () => {
  await using driver = ferrule("up", "vfio-user:/nowhere/nic.sock", "--name", `${HOST}x`);
  assert.equal(await driver.ended(), 1);
  assert.match(driver.said, /nowhere/);
});
