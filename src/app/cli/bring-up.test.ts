import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { ask, NotRunning } from "../control/up-control.ts";
import { Stop } from "./stop.ts";
import { FakeSession, recordedTerminal, statisticsOf } from "../terminal/terminal.test-kit.ts";
import { bringUp } from "./bring-up.ts";

let last = 0;

const setUp = (options: { json?: boolean; isTerminal?: boolean } = {}) => {
  const interfaceName = `u${process.pid}.${++last}`;
  const source = new EventEmitter();
  const session = new FakeSession();
  const opened = Promise.withResolvers<void>();
  const terminal = recordedTerminal(options);
  const stop = new Stop(
    source,
    () => 0,
    () => assert.fail("insisted"),
  );
  const open = async (): Promise<FakeSession> => {
    opened.resolve();
    return session;
  };
  const request = {
    session: {
      device: { kind: "model", chip: "rtl8168h", wire: { kind: "responder" } },
      host: { name: interfaceName },
      mtu: 1500,
    },
    interfaceName,
    device: "model:rtl8168h",
    wire: "responder",
    json: options.json ?? false,
    level: "info",
  } as const;
  return { interfaceName, source, session, opened: opened.promise, terminal, stop, open, request };
};

/** Lets everything run that is due now. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("a session stays up until a signal, and the command then ends with exit code 0", async () => {
  const { source, session, opened, terminal, stop, open, request, interfaceName } = setUp();
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  await turn();
  session.tell({ kind: "carrier", up: true, speed: 1000, fullDuplex: true });
  session.now = statisticsOf({ sentFrames: 3, sentBytes: 180 });
  source.emit("SIGINT", "SIGINT");
  assert.equal(await exit, 0);
  assert.equal(session.closed, 1);
  const lines = terminal.out.text.trimEnd().split("\n");
  assert.match(
    lines[0]!,
    /: up: RTL8168h\/8111h \(XID 541\), 02:00:00:00:00:01, wire responder; offloads: tx-checksum, tso4$/,
  );
  assert.equal(lines[1], `${interfaceName}: carrier up, 1 Gbit/s, full duplex`);
  assert.equal(lines[2], `${interfaceName}: down (SIGINT): sent 3 frames (180 B), received 0 (0 B); errors: none`);
});

test("SIGTERM, which every process gets when the machine is powered off, leaves wake-up armed; Ctrl-C does not", async () => {
  for (const [signal, wakes] of [
    ["SIGTERM", true],
    ["SIGINT", false],
  ] as const) {
    const { source, session, opened, terminal, stop, open, request } = setUp();
    const exit = bringUp(request, terminal, open, stop);
    await opened;
    await turn();
    source.emit(signal, signal);
    assert.equal(await exit, 0);
    assert.deepEqual([session.closed, session.wakes], [1, wakes], signal);
  }
});

test("the counters that are printed at the end were read after the NIC was taken down", async () => {
  const { source, session, opened, terminal, stop, open, request } = setUp();
  session.close = async () => {
    session.now = statisticsOf({ sentFrames: 4, sentBytes: 240 });
  };
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  await turn();
  session.now = statisticsOf({ sentFrames: 3, sentBytes: 180 });
  source.emit("SIGINT", "SIGINT");
  await exit;
  assert.match(terminal.out.text, /: down \(SIGINT\): sent 4 frames \(240 B\)/);
});

test("a link is reported when it comes up, changes speed or duplex, and goes down, but not twice", async () => {
  const { source, session, opened, terminal, stop, open, request } = setUp();
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  await turn();
  const carrier = { kind: "carrier", speed: 1000, fullDuplex: true } as const;
  for (const change of [
    { up: false },
    { up: true },
    { up: true },
    { up: true, speed: 100 },
    { up: true, speed: 100, fullDuplex: false },
    { up: false },
    { up: false, speed: 10 },
  ])
    session.tell({ ...carrier, ...change });
  source.emit("SIGINT", "SIGINT");
  await exit;
  const carriers = terminal.out.text.match(/(?<=: carrier ).*/g);
  assert.deepEqual(carriers, [
    "up, 1 Gbit/s, full duplex",
    "up, 100 Mbit/s, full duplex",
    "up, 100 Mbit/s, half duplex",
    "down",
  ]);
});

test("with --json every event is an object on a line of its own", async () => {
  const { source, opened, terminal, stop, open, request, interfaceName } = setUp({ json: true });
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  source.emit("SIGTERM", "SIGTERM");
  assert.equal(await exit, 0);
  const events = terminal.out.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    events.map((event) => event["event"]),
    ["up", "down"],
  );
  assert.equal(events[0]?.["interface"], interfaceName);
});

test("on a terminal the live view is shown; events, the last view and a line remain", async () => {
  const { source, session, opened, terminal, stop, open, request } = setUp({ isTerminal: true });
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  await turn();
  session.tell({ kind: "carrier", up: true, speed: 1000, fullDuplex: true });
  source.emit("SIGINT", "SIGINT");
  assert.equal(await exit, 0);
  assert.match(terminal.out.text, /interrupts/);
  assert.match(terminal.out.text, /carrier up, 1 Gbit\/s, full duplex\n/);
  assert.match(terminal.out.text, /down \(SIGINT\).*\n$/);
});

test("`down` takes the session down, gets its reply after that, and frees the name", async () => {
  const { session, opened, terminal, stop, open, request, interfaceName } = setUp();
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  assert.deepEqual(await ask(interfaceName, { command: "down" }), { interface: interfaceName, pid: process.pid });
  assert.equal(session.closed, 1);
  assert.equal(await exit, 0);
  await assert.rejects(ask(interfaceName, { command: "status" }), NotRunning);
});

test("a session that fails is closed, and its error is passed on", async () => {
  const { session, opened, terminal, stop, open, request } = setUp();
  const exit = bringUp(request, terminal, open, stop);
  await opened;
  await turn();
  session.tell({ kind: "failed", error: { code: "EBADFD", message: "the interface was deleted", hint: "Again." } });
  await assert.rejects(exit, { code: "EBADFD", message: "the interface was deleted", hint: "Again." });
  assert.equal(session.closed, 1);
});

test("a session that cannot be opened leaves the name free", async () => {
  const { terminal, stop, request, interfaceName } = setUp();
  await assert.rejects(
    bringUp(request, terminal, () => Promise.reject(new OutOfRange("no")), stop),
    OutOfRange,
  );
  await assert.rejects(ask(interfaceName, { command: "status" }), NotRunning);
  assert.equal(terminal.out.text, "");
});

test("the session's metrics are served while it is up", async () => {
  const { session, source, opened, terminal, stop, open, request } = setUp();
  const folder = mkdtempSync(join(tmpdir(), "ferrule-up-"));
  try {
    const path = join(folder, "metrics");
    const exit = bringUp({ ...request, metrics: { kind: "unix", path } }, terminal, open, stop);
    await opened;
    await turn();
    session.now = statisticsOf({ sentFrames: 3 });
    const [response] = (await once(get({ socketPath: path, path: "/metrics" }), "response")) as [IncomingMessage];
    const text = (await response.setEncoding("utf8").toArray()).join("");
    assert.match(text, /^node_network_transmit_packets_total\{device="fe0"\} 3$/m);
    source.emit("SIGINT", "SIGINT");
    assert.equal(await exit, 0);
    assert.ok(!existsSync(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const neverOpened = (): Promise<FakeSession> => assert.fail("the NIC was opened");

test("if metrics cannot be served, the command fails before the NIC is opened", async () => {
  const { terminal, stop, request, interfaceName } = setUp();
  // TEST-NET-1 of RFC 5737: no machine has such an address.
  const metrics = { kind: "tcp", host: "192.0.2.1", port: 9101 } as const;
  await assert.rejects(bringUp({ ...request, metrics }, terminal, neverOpened, stop), { code: "NO_METRICS" });
  await assert.rejects(ask(interfaceName, { command: "status" }), NotRunning);
});
