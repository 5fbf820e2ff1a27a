import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { requestServer } from "../control/serve-control.ts";
import type { ServeEvent } from "../serve/serve-messages.ts";
import type { Serving } from "../serve/open-server.ts";
import type { ServeRequest } from "../serve/requests.ts";
import { SERVE_COUNTERS, type ServeStatistics } from "../counters.ts";
import { main } from "./main.ts";
import { modelCtl } from "./model-ctl.ts";
import { modelServe, serve } from "./model-serve.ts";
import { qemuArguments, serveView } from "./serve-events.ts";
import { Stop } from "./stop.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

const statisticsOf = (given: Partial<ServeStatistics> = {}): ServeStatistics => ({
  ...(Object.fromEntries(SERVE_COUNTERS.map((name) => [name, 0])) as ServeStatistics),
  ...given,
});

class FakeServing implements Serving {
  closed = 0;
  readonly asked: ServeRequest[] = [];
  now = statisticsOf();
  tell: (event: ServeEvent) => void = () => undefined;
  statistics(): ServeStatistics {
    return this.now;
  }
  onEvent(listener: (event: ServeEvent) => void): void {
    this.tell = listener;
  }
  reply: object = {};
  async ask(request: ServeRequest): Promise<object> {
    this.asked.push(request);
    return this.reply;
  }
  async close(): Promise<void> {
    this.closed = 1;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const setUp = (
  options: { json?: boolean; isTerminal?: boolean; once?: boolean; strict?: "warn" | "error" | "off" } = {},
) => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  const socket = join(folder, "nic");
  const source = new EventEmitter();
  const serving = new FakeServing();
  const terminal = recordedTerminal(options);
  const stop = new Stop(
    source,
    () => 0,
    () => assert.fail("insisted"),
  );
  const call = {
    chip: chipNamed("rtl8168h")!,
    options: {
      chip: "rtl8168h",
      mac: "02:00:00:00:00:01",
      socket,
      wire: { kind: "responder" },
      capture: undefined,
      trace: undefined,
      strict: options.strict ?? "warn",
    },
    once: options.once ?? false,
    wire: "responder",
    json: options.json ?? false,
    level: "info" as const,
  } as const;
  const exit = serve(call, terminal, async () => serving, stop);
  /** Resolves when the server is up, which is its first output. */
  const started = async (): Promise<void> => {
    while (terminal.out.text === "") await new Promise((resolve) => void setTimeout(resolve, 5));
  };
  return {
    socket,
    source,
    serving,
    terminal,
    exit,
    started,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
};

const OFFENCE = {
  name: "locked",
  because: "it was locked",
  hardware: "It is lost.",
  where: 0x54,
  trace: ["read8  0x54 = 0x0  Config3"],
};

test("the output is QEMU's arguments, a line for each event, and totals at the end", async () => {
  using s = setUp();
  await s.started();
  s.serving.tell({ kind: "client", client: 1, connected: true });
  s.serving.tell({ kind: "offence", client: 1, offence: OFFENCE });
  s.serving.tell({ kind: "wake", client: 1 });
  s.serving.tell({ kind: "client", client: 1, connected: false, why: "half a message" });
  s.serving.now = statisticsOf({ clients: 1, sentFrames: 3, sentBytes: 180, offences: 1 });
  s.source.emit("SIGINT", "SIGINT");
  assert.equal(await s.exit, 0);
  assert.equal(s.serving.closed, 1);
  const { text } = s.terminal.out;
  assert.ok(text.includes(`-device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"${s.socket}"}}'`), text);
  assert.match(
    text,
    /^client 1 connected\noffence locked at 0x54: it was locked\. Real hardware: It is lost\.\n {4}read8/m,
  );
  assert.match(
    text,
    /\(PME\)\nclient 1 disconnected: half a message\nstopped \(SIGINT\): 1 client, guest sent 3 frames \(180 B\)/,
  );
});

test("with --json every event is an object on a line of its own", async () => {
  using s = setUp({ json: true });
  await s.started();
  s.serving.tell({ kind: "offence", client: 1, offence: OFFENCE });
  s.source.emit("SIGTERM", "SIGTERM");
  assert.equal(await s.exit, 0);
  const events = s.terminal.out.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string });
  assert.deepEqual(
    events.map(({ event }) => event),
    ["serving", "offence", "stopped"],
  );
});

test("a server replies to requests on its control socket", async () => {
  using s = setUp();
  await s.started();
  assert.deepEqual(await requestServer(s.socket, { command: "link", up: false }), {});
  assert.deepEqual(s.serving.asked, [{ command: "link", up: false }]);
  s.source.emit("SIGINT", "SIGINT");
  assert.equal(await s.exit, 0);
});

test("a server that fails is taken down, and its error is passed on", async () => {
  using s = setUp();
  await s.started();
  s.serving.tell({ kind: "failed", error: { code: "EBADFD", message: "the interface was deleted", hint: "Again." } });
  await assert.rejects(s.exit, { message: "the interface was deleted", hint: "Again." });
  assert.equal(s.serving.closed, 1);
});

test("on a terminal counters are shown below the events", async () => {
  using s = setUp({ isTerminal: true });
  await s.started();
  s.serving.tell({ kind: "client", client: 1, connected: true });
  s.source.emit("SIGINT", "SIGINT");
  await s.exit;
  assert.match(s.terminal.out.text, /no client, link down/);
  assert.match(s.terminal.out.text, /client 1 connected\n/);
});

test("the live counters fit the terminal and show rates", () => {
  const watch = {
    upSeconds: 61,
    before: statisticsOf(),
    now: statisticsOf({ connected: 1, clients: 2, linkUp: 1, linkSpeed: 2500, sentBytes: 1_000_000, requests: 500 }),
    elapsedSeconds: 0.5,
  };
  const [first, second] = serveView(watch, 200);
  assert.match(first!, /^00:01:01 {2}client 2, 2\.5 Gbit\/s {2}out 16\.0 Mbit\/s/);
  assert.match(second!, /^requests 1\.00 k\/s/);
  for (const line of serveView(watch, 40)) assert.ok(line.length < 40);
});

test("a path with a quote is still one word for a shell", () => {
  assert.ok(qemuArguments("/tmp/it's")[2]!.includes(String.raw`/tmp/it'\''s`));
});

test("wrong usage ends with exit code 2, one line and a hint", async () => {
  for (const words of [
    "serve",
    "serve --socket s --chip rtl8168hh",
    "serve --socket s --wire wire",
    "serve --socket s --mac 01:00:00:00:00:00",
    "serve --socket s --mac zz",
    "serve --socket s --interrupts gpio",
    "serve --socket s --chip rtl8169s --interrupts msix",
    "serve --socket s --chip rtl8169s --interrupts msi",
    "serve --socket s --chip rtl8168b --interrupts msix",
    "serve --socket s --strict hard",
    "serve --socket s --medium glass",
    "serve --socket s --chip rtl8125b --medium fibre",
    "serve --socket s --socket-mode 888",
    "serve --socket s --socket-mode rw",
    "serve --socket s --socket-mode 066",
    "serve --socket s --trace-format json",
    "serve --socket s --trace t --trace-format xml",
    "serve --socket s --trace t --capture t",
    "ctl",
    "ctl s",
    "ctl s nonsense",
  ]) {
    const terminal = recordedTerminal();
    const exit = await main(["model", ...words.split(" ")], [modelServe, modelCtl], terminal);
    assert.equal(exit, 2, words);
    assert.match(terminal.err.text, /^ferrule: .+\nhint: .+\n$/, words);
  }
});

test("a kind of interrupt that the chip does not have is refused, with a list of those that it has", async () => {
  const terminal = recordedTerminal();
  const words = ["model", "serve", "--socket", "s", "--chip", "rtl8169sc-180", "--interrupts", "msix"];
  await main(words, [modelServe], terminal);
  assert.equal(
    terminal.err.text,
    "ferrule: RTL8169sc/8110sc has no MSI-X\nhint: Use one of: intx; or omit --interrupts.\n",
  );
});

test("if no server has the socket, ctl says so and ends with exit code 1", async () => {
  const terminal = recordedTerminal();
  assert.equal(await main(["model", "ctl", "/nowhere/nic", "show"], [modelCtl], terminal), 1);
  assert.match(terminal.err.text, /no `ferrule model serve` is running at \/nowhere\/nic/);
});

test("a frame that the NIC does not receive ends ctl with exit code 1, with --json as well", async () => {
  using s = setUp();
  await s.started();
  try {
    for (const taken of [true, false])
      for (const json of [[], ["--json"]]) {
        s.serving.reply = { taken };
        const terminal = recordedTerminal();
        const exit = await main(["model", "ctl", s.socket, "send", "magic", ...json], [modelCtl], terminal);
        assert.equal(exit, taken ? 0 : 1);
        assert.match(terminal.err.text, taken ? /^$/ : /^ferrule: the NIC did not receive the frame\nhint: .+\n$/);
        if (json.length > 0) assert.deepEqual(JSON.parse(terminal.out.text), { taken });
        else assert.equal(terminal.out.text, "");
      }
  } finally {
    s.source.emit("SIGINT", "SIGINT");
    await s.exit;
  }
});

test("`ctl stop` ends the server, and gets its reply when everything is released", async () => {
  using s = setUp();
  await s.started();
  const order: string[] = [];
  s.serving.close = async () => {
    if (s.serving.closed++ > 0) return;
    await s.started();
    order.push("closed");
  };
  const terminal = recordedTerminal();
  const asked = main(["model", "ctl", s.socket, "stop"], [modelCtl], terminal).then((exit) => {
    order.push("answered");
    return exit;
  });
  assert.equal(await s.exit, 0);
  assert.equal(await asked, 0);
  assert.deepEqual(order, ["closed", "answered"]);
  assert.equal(terminal.out.text, `stopped: ${s.socket} is no longer served\n`);
  assert.match(s.terminal.out.text, /stopped \(ferrule model ctl stop\)/);
});

test("with --once the server ends with its guest, and with an error if there were offences", async () => {
  for (const offences of [0, 2]) {
    using s = setUp({ once: true });
    await s.started();
    // A rejected client is not the guest.
    s.serving.tell({ kind: "client", client: 0, connected: false, why: "no descriptor" });
    s.serving.tell({ kind: "client", client: 1, connected: true });
    await s.started();
    assert.equal(s.serving.closed, 0);
    s.serving.now = statisticsOf({ clients: 1, offences });
    s.serving.tell({ kind: "client", client: 1, connected: false, why: "" });
    if (offences === 0) assert.equal(await s.exit, 0);
    else await assert.rejects(s.exit, { code: "OFFENCES_COMMITTED", message: /committed 2 offences/ });
    assert.match(s.terminal.out.text, /stopped \(client 1 has disconnected\)/);
  }
});

test("an offence makes the command fail at the end only with --strict error", async () => {
  for (const strict of ["warn", "error", "off"] as const) {
    using s = setUp({ strict });
    await s.started();
    s.serving.now = statisticsOf({ clients: 1, offences: 1 });
    s.source.emit("SIGINT", "SIGINT");
    if (strict === "error")
      await assert.rejects(s.exit, { code: "OFFENCES_COMMITTED", message: /committed 1 offence$/ });
    else assert.equal(await s.exit, 0);
  }
});
