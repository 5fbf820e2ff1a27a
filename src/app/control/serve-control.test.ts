/** Access to a server's control socket. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { within } from "../limit.ts";
import { requestServer, ControlSocket, controlPath } from "./serve-control.ts";
import { openServer } from "../serve/open-server.ts";

// The following tests need a second user, which requires root.
const asRoot = { skip: process.getuid?.() === 0 ? false : "needs root, to act as another user" };
const NOBODY = 65_534;
const AS_NOBODY = `process.setgid(${NOBODY}); process.setuid(${NOBODY}); const net = require("node:net");`;

class Place implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  readonly socket = join(this.folder, "nic");
  constructor() {
    chmodSync(this.folder, 0o777);
  }
  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

test("root may control the server of an ordinary user", asRoot, async () => {
  using place = new Place();
  const code = `${AS_NOBODY} net.createServer((s) => s.on("error", () => {}).once("data", () => s.end('{"ok":true,"value":{"theirs":1}}\\n')))
    .listen(${JSON.stringify(controlPath(place.socket))}, () => console.log(1));`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await within(once(child.stdout, "data"), "the ordinary user's process", 20_000);
    assert.deepEqual(await requestServer(place.socket, { command: "show" }), { theirs: 1 });
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
});

test("with any umask, only the control socket's owner and root can connect", asRoot, async () => {
  using place = new Place();
  const umask = process.umask(0);
  try {
    await using _control = await ControlSocket.open(place.socket, async () => ({}));
    const path = controlPath(place.socket);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const code = `${AS_NOBODY} net.connect(${JSON.stringify(path)}).on("error", ({ code }) => console.log(code));`;
    assert.equal(spawnSync(process.execPath, ["-e", code], { encoding: "utf8" }).stdout, "EACCES\n");
  } finally {
    process.umask(umask);
  }
});

test("the sockets of the device and of the wire have the requested permissions; by default only the owner has any", async () => {
  using place = new Place();
  const wire = join(place.folder, "wire");
  const umask = process.umask(0);
  try {
    for (const [socketMode, expected] of [
      [undefined, 0o600],
      [0o660, 0o660],
    ] as const)
      for (const spec of [
        { kind: "stream", path: wire, listen: true },
        { kind: "datagram", path: wire, peer: `${wire}.peer` },
      ] as const) {
        await using _serving = await openServer({
          chip: "rtl8168h",
          mac: "02:00:5e:10:00:01",
          socket: place.socket,
          socketMode,
          wire: spec,
          capture: undefined,
          trace: undefined,
          strict: "warn",
        });
        assert.deepEqual([statSync(place.socket).mode & 0o777, statSync(wire).mode & 0o777], [expected, expected]);
      }
  } finally {
    process.umask(umask);
  }
});
