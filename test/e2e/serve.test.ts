/** Tests a whole server: its thread and sockets, a client, and the control commands. The tests need no root. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { MACOCP } from "#chip/registers.ts";
import { ro32, wo8 } from "#kit/mmio.ts";
import type { ModelState } from "#model/observation/state.ts";
import { registerLines, stateLines } from "#app/cli/model-ctl.ts";
import { noticeLines } from "#app/cli/serve-events.ts";
import { plain } from "#app/terminal/terminal.ts";
import { requestServer, ControlSocket, controlPath, NotServed } from "#app/control/serve-control.ts";
import type { ServeEvent } from "#app/serve/serve-messages.ts";
import { ThreadFailure } from "#app/worker-thread.ts";
import { openServer, type ServeOptions, type Serving } from "#app/serve/open-server.ts";
import type { ServeState } from "#app/serve/requests.ts";

const MAC = "02:00:5e:10:00:01";

class Station implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  readonly socket = join(this.folder, "nic");
  readonly events: ServeEvent[] = [];
  readonly #scope = new AsyncDisposableStack();

  async open(options: Partial<ServeOptions> = {}): Promise<Serving> {
    const serving = this.#scope.use(
      await openServer({
        chip: "rtl8168h",
        mac: MAC,
        socket: this.socket,
        wire: { kind: "responder" },
        capture: undefined,
        trace: undefined,
        strict: "warn",
        ...options,
      }),
    );
    serving.onEvent((event) => this.events.push(event));
    return serving;
  }

  /** Waits until `times` events of this kind have occurred; returns the last of these. */
  async happened(kind: ServeEvent["kind"], times = 1): Promise<ServeEvent> {
    for (let i = 0; i < 30_000; i++) {
      const found = this.events.filter((event) => event.kind === kind);
      if (found.length >= times) return found[times - 1]!;
      await sleep(10);
    }
    return assert.fail(`no event "${kind}": ${JSON.stringify(this.events)}`);
  }

  connect(): VfioUserDevice {
    return VfioUserDevice.connect({ path: this.socket, dmaBytes: 4096 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
    rmSync(this.folder, { recursive: true });
  }
}

const state = async (serving: Serving): Promise<ServeState> => (await serving.ask({ command: "show" })) as ServeState;

test("clients connect one after the other, and nothing leaks", async () => {
  await using station = new Station();
  const serving = await station.open();
  for (const client of [1, 2]) {
    using device = station.connect();
    assert.equal(device.id.vendor, 0x10ec);
    await station.happened("client", 2 * client - 1);
    assert.equal((await state(serving)).client, client);
    device[Symbol.dispose]();
    await station.happened("client", 2 * client);
  }
  assert.deepEqual(
    station.events.flatMap((event) => (event.kind === "client" ? [[event.client, event.connected]] : [])),
    [
      [1, true],
      [1, false],
      [2, true],
      [2, false],
    ],
  );
  await serving.close();
  assert.equal(existsSync(station.socket), false);
});

test("`state` reports the present value of every register, also behind windows", async () => {
  await using station = new Station();
  const serving = await station.open();
  using device = station.connect();
  device.registers.write32(MACOCP, 0x8000_0000 + (0xd400 << 15) + 5);
  // A write is posted; the read flushes it.
  assert.equal(device.registers.read32(MACOCP), (0xd400 << 15) + 5);
  const registers = (await serving.ask({ command: "state" })) as ModelState;
  assert.equal(registers.macOcp["0xd400"], 5);
  assert.ok(registerLines(registers).includes("macOcp 0xd400 0005"));
  await serving.close();
});

test("traces every access by name, as text and as JSON", async () => {
  await using station = new Station();
  for (const format of ["text", "json"] as const) {
    const path = join(station.folder, format);
    const serving = await station.open({ trace: { path, format } });
    using device = station.connect();
    device[Symbol.dispose]();
    await serving.close();
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const connected = lines.findIndex((line) => line.includes("connect"));
    const early = lines.slice(0, connected).filter((line) => /read|write/.test(line));
    assert.deepEqual(early, [], "no access may be traced before a client connects");
    assert.ok(connected >= 0 && lines.slice(connected).some((line) => line.includes("VendorId")), lines.join("\n"));
    if (format === "json") for (const line of lines) JSON.parse(line);
  }
});

test("the cable can be unplugged, the partner changed, and faults armed and cleared", async () => {
  await using station = new Station();
  const serving = await station.open();
  await station.happened("link");
  assert.deepEqual((await state(serving)).link.speed, 1000);
  await serving.ask({ command: "partner", abilities: { speeds: [100], duplex: "half" } });
  await station.happened("link", 3);
  const { link } = await state(serving);
  assert.deepEqual([link.up, link.speed, link.fullDuplex], [true, 100, false]);
  await serving.ask({ command: "link", up: false });
  assert.equal((await state(serving)).link.up, false);
  await serving.ask({ command: "wire", name: "loss", directions: ["in"], probability: 0.5 });
  await serving.ask({ command: "fault", name: "stuck-reset", count: 2 });
  await serving.ask({ command: "fault", name: "silent-eri" });
  const armed = await state(serving);
  assert.deepEqual(Object.keys(armed.wire.in.armed), ["loss"]);
  assert.deepEqual(armed.wire.out.armed, {});
  assert.deepEqual(
    armed.faults.map(({ name, left }) => [name, left]),
    [
      ["stuck-reset", 2],
      ["silent-eri", null],
    ],
  );
  await serving.ask({ command: "clearFault" });
  await serving.ask({ command: "clearWire", directions: ["in"] });
  const clear = await state(serving);
  assert.deepEqual([clear.faults, clear.wire.in.armed], [[], {}]);
  await assert.rejects(serving.ask({ command: "fault", name: "no-such" }), /unknown fault "no-such"/);
  await assert.rejects(serving.ask({ command: "send", frame: "00" }), /not a valid frame/);
  assert.deepEqual(await serving.ask({ command: "magic" }), { taken: false });
});

test("unplug and disconnect fail without a client, and unplug if the client does not support it", async () => {
  await using station = new Station();
  const serving = await station.open();
  for (const command of ["unplug", "disconnect"] as const)
    await assert.rejects(serving.ask({ command }), { code: "NO_CLIENT", message: "no client is connected" });
  using device = station.connect();
  await station.happened("client");
  await assert.rejects(serving.ask({ command: "unplug" }), { code: "UNPLUG_IGNORED", message: /^client 1 does not/ });
  assert.deepEqual(await serving.ask({ command: "disconnect" }), {});
  await station.happened("client", 2);
  void device;
});

test("a fault of a bus that the chip does not have is rejected, with a list of its buses", async () => {
  await using station = new Station();
  const serving = await station.open({ chip: "rtl8169s" });
  await assert.rejects(serving.ask({ command: "fault", name: "silent-eri" }), (error: unknown) => {
    assert.ok(error instanceof ThreadFailure);
    assert.match(error.message, /silent-eri has no effect on RTL8169s/);
    assert.match(error.hint, /stuck-reset/);
    assert.doesNotMatch(error.hint, /silent-e/);
    return true;
  });
  assert.deepEqual((await state(serving)).faults, []);
});

test("a wire to a file that is not a socket is rejected at the start", async () => {
  await using station = new Station();
  const path = join(station.folder, "file");
  writeFileSync(path, "");
  await assert.rejects(station.open({ wire: { kind: "stream", path, listen: false } }), /exists but is not a socket/);
});

test("two servers share a cable: one listens, the other connects, and reconnects", async () => {
  await using station = new Station();
  const path = join(station.folder, "wire");
  const serving = await station.open({ wire: { kind: "stream", path, listen: false } });
  assert.deepEqual(await station.happened("wire"), {
    kind: "wire",
    plugged: false,
    why: `nobody listens at ${path} yet`,
  });
  const server = createServer();
  server.listen(path);
  const [first] = (await once(server, "connection")) as [ReturnType<typeof createConnection>];
  await station.happened("link");
  first.destroy();
  await station.happened("link", 2);
  assert.equal((await state(serving)).plugged, false);
  const [second] = (await once(server, "connection")) as [ReturnType<typeof createConnection>];
  await station.happened("link", 3);
  assert.equal((await state(serving)).link.up, true);
  second.destroy();
  server.close();
});

test("the control socket belongs to its owner, replies to requests, and replaces a stale one", async () => {
  await using station = new Station();
  await station.open();
  const path = controlPath(station.socket);
  await assert.rejects(requestServer(station.socket, { command: "show" }), NotServed);
  for (let i = 0; i < 2; i++) {
    await using control = await ControlSocket.open(station.socket, async ({ command }) => ({ command }));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(await requestServer(station.socket, { command: "show" }), { command: "show" });
    await assert.rejects(
      ControlSocket.open(station.socket, async () => ({})),
      /a program already listens at/,
    );
    for (const nonsense of ["nonsense\n", '{"command":"nonsense"}\n', `${"x".repeat(70_000)}\n`]) {
      const socket = createConnection(path);
      socket.write(nonsense);
      const [answer] = (await once(socket, "data")) as [Buffer];
      assert.equal((JSON.parse(answer.toString()) as { ok: boolean }).ok, false);
      socket.destroy();
    }
    void control;
  }
  assert.equal(existsSync(path), false);
  writeFileSync(path, "a file");
  await assert.rejects(
    ControlSocket.open(station.socket, async () => ({})),
    /is not a socket/,
  );
  rmSync(path);
});

test("a control socket that another server created at the same path is not removed", async () => {
  await using station = new Station();
  const path = controlPath(station.socket);
  const first = await ControlSocket.open(station.socket, async () => ({ who: 1 }));
  rmSync(path);
  await using second = await ControlSocket.open(station.socket, async () => ({ who: 2 }));
  await first[Symbol.asyncDispose]();
  assert.deepEqual(await requestServer(station.socket, { command: "show" }), { who: 2 });
  void second;
});

test("files that cannot be opened are reported before the device is served, and nothing leaks", async () => {
  await using station = new Station();
  const nowhere = join(station.folder, "nowhere", "file");
  for (const [options, message] of [
    [{ trace: { path: nowhere, format: "text" } }, /trace to .* stopped: ENOENT/],
    [{ capture: nowhere }, /capture to .* stopped: ENOENT/],
    [{ socket: nowhere }, /No such file or directory/],
    [{ socket: station.folder }, /is not a socket/],
    [{ socket: `/${"a".repeat(120)}` }, /has 121 bytes/],
    [{ wire: { kind: "pcap", file: nowhere, record: undefined, rate: undefined, loop: false } }, /cannot be replayed/],
    [{ wire: { kind: "stream", path: nowhere, listen: true } }, /No such file or directory/],
    [{ wire: { kind: "stream", path: `/${"a".repeat(120)}`, listen: false } }, /has 121 bytes/],
    [{ wire: { kind: "datagram", path: join(station.folder, "d"), peer: `/${"a".repeat(120)}` } }, /has 121 bytes/],
  ] as const)
    await assert.rejects(station.open(options), message);
  assert.equal(existsSync(station.socket), false);
});

test("a NIC that leaves the bus after an offence is reported, shows no link, and returns after a reset", async () => {
  await using station = new Station();
  const serving = await station.open({ strict: "error" });
  await station.happened("link");
  using device = station.connect();
  // Writes Config3, which is locked.
  device.registers.write8(wo8(0x54), 0);
  assert.equal(device.registers.read32(ro32(0x40)), 0xffff_ffff);
  assert.deepEqual(await station.happened("bus"), { kind: "bus", client: 1, answers: false });
  const fallen = await state(serving);
  assert.deepEqual([fallen.answers, fallen.link.up, Object.keys(fallen.offences)], [false, false, ["locked"]]);
  assert.match(stateLines(fallen).join("\n"), /link +down: the NIC is off the bus/);
  assert.match(noticeLines(await station.happened("bus"), { paint: plain })[0]!, /left the bus/);
  await serving.ask({ command: "reset" });
  assert.deepEqual(await station.happened("bus", 2), { kind: "bus", client: 1, answers: true });
  // The reset has cleared memory decoding in the NIC's Command register; this call sets it again.
  device.setBusMaster(false);
  assert.notEqual(device.registers.read32(ro32(0x40)), 0xffff_ffff);
});
