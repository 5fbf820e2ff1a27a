/** A chip served by one process, our driver on it in another, and the kernel's stack at both ends. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { requestServer } from "#app/control/serve-control.ts";
import type { ServeState } from "#app/serve/requests.ts";
import { Cmd } from "#chip/registers.ts";
import type { ModelState } from "#model/observation/state.ts";
import { eventually } from "../rigs/eventually.ts";
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

  const bringUp = async (): Promise<void> => {
    driver = scope.use(ferrule("up", `vfio-user:${socket}`, "--name", HOST));
    await driver.waitFor(/"carrier","interface":"[^"]+","up":true/);
    await near.take(HOST, "10.78.0.1/24");
  };
  /** Whether transmitter and receiver are both enabled (`runs`), and whether bus mastering is enabled (`masters`). */
  const state = async (): Promise<{ readonly runs: boolean; readonly masters: boolean }> => {
    const { registers, config } = (await requestServer(socket, { command: "state" })) as ModelState;
    const enables = Cmd.transmitEnable | Cmd.receiveEnable;
    const command = registers["ChipCmd"] ?? 0;
    return { runs: (command & enables) === enables, masters: ((config["0x4"] ?? 0) & 4) !== 0 };
  };

  before(async () => {
    scope.defer(() => rmSync(folder, { recursive: true }));
    near = scope.use(await NamedNamespace.create(`fv-a-${process.pid}`));
    far = scope.use(await NamedNamespace.create(`fv-b-${process.pid}`));
    server = scope.use(
      ferrule("model", "serve", "--chip", "rtl8168h", "--socket", socket, "--wire", `tap:${WIRE}`, "--keep-state"),
    );
    await server.waitFor(/\n/);
    await bringUp();
    await far.take(WIRE, `${TARGET}/24`);
  });

  after(() => scope.disposeAsync());

  test("carries pings and TCP both ways without a drop", async () => {
    await pings(near, `-c 100 ${TARGET}`);
    await using streams = far.start("iperf3", "-s", "--forceflush");
    await streams.waitFor(/listening/i);
    for (const direction of [[], ["-R"]]) await near.run("iperf3", "-c", TARGET, "-n", "50M", ...direction);
  });

  test("works again after it was killed under traffic, on the chip as it was left", async () => {
    assert.deepEqual(await state(), { runs: true, masters: true });
    {
      await using _flood = near.start("ping", "-q", "-f", TARGET);
      await driver.stop("KILL");
    }
    await eventually(
      "no client",
      async () => ((await requestServer(socket, { command: "show" })) as ServeState).client === 0,
    );
    assert.deepEqual(await state(), { runs: true, masters: false });
    await bringUp();
    await pings(near, `-c 100 ${TARGET}`);
    const { clients, offences } = (await requestServer(socket, { command: "show" })) as ServeState;
    assert.deepEqual({ clients, offences }, { clients: 2, offences: {} });
  });

  test("reports the end of the server and ends", async () => {
    await server.stop("KILL");
    assert.equal(await driver.ended(), 1);
    assert.match(driver.output, /DEVICE_GONE.*the server closed the connection/);
  });
});

test("a socket without a server is an error with a hint", { skip }, async () => {
  await using driver = ferrule("up", "vfio-user:/nowhere/nic.sock", "--name", `${HOST}x`);
  assert.equal(await driver.ended(), 1);
  assert.match(driver.output, /nowhere/);
});
