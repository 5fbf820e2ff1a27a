/** Tests that `ferrule up --detach` returns when the interface exists, and leaves nothing behind if the start fails. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Status } from "#app/control/status.ts";
import { eventually } from "../rigs/eventually.ts";
import { NamedNamespace, run } from "../rigs/netns.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
let made = 0;

const setUp = async (scope: AsyncDisposableStack) => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-detached-"));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const namespace = scope.use(await NamedNamespace.create(`fe-d-${process.pid}-${made++}`));
  const log = join(folder, "log");
  const ferrule = (...words: readonly string[]) => scope.use(namespace.start(process.execPath, BIN, ...words));
  /** Number of processes that run in the namespace. */
  const left = async (): Promise<number> => (await run("ip", "netns", "pids", namespace.name)).split("\n").length - 1;
  return { folder, namespace, log, ferrule, left, up: ["--name", "fe0", "--detach", "--log", log] };
};

describe("ferrule up --detach", { skip: noTwoEnds(["ip", "setpriv"]) }, () => {
  test("returns when the interface exists; `status` then describes the interface, and `down` removes it", async () => {
    await using scope = new AsyncDisposableStack();
    const { namespace, log, ferrule, left, up } = await setUp(scope);
    const started = ferrule("up", "model:rtl8168h", ...up);
    assert.equal(await started.ended(), 0, started.output);
    const pid = Number(/process (\d+) runs in the background/.exec(started.output)?.[1]);
    await namespace.run("ip", "link", "show", "fe0");
    const [status] = JSON.parse(await namespace.run(process.execPath, BIN, "status", "--json")) as Status[];
    assert.deepEqual([status?.now, status?.pid, status?.facts?.chip], ["fe0", pid, "RTL8168h/8111h"]);
    assert.match(await namespace.run(process.execPath, BIN, "status", "fe0"), /^chip +RTL8168h\/8111h \(XID 541\)$/m);
    assert.match(await namespace.run(process.execPath, BIN, "down", "fe0"), new RegExp(`process ${pid} removed it`));
    await eventually("the end of the process", async () => (await left()) === 0);
    assert.match(readFileSync(log, "utf8"), /^fe0: up: [^]*^fe0: down \(ferrule down\)/m);
  });

  test("fails with the error of the start, after the process in the background has ended", async () => {
    await using scope = new AsyncDisposableStack();
    const { log, ferrule, left } = await setUp(scope);
    const started = ferrule("up", "model:rtl8168h", "--name", "lo", "--detach", "--log", log);
    assert.equal(await started.ended(), 1);
    assert.match(started.output, /^ferrule: an interface lo already exists\nhint: .+\n$/);
    assert.equal(await left(), 0);
  });

  for (const signal of ["KILL", "INT"] as const)
    test(`a start that SIG${signal} interrupts leaves no process behind`, async () => {
      await using scope = new AsyncDisposableStack();
      const { folder, ferrule, left, up } = await setUp(scope);
      // A server that accepts the connection but never answers, so that the start waits for it.
      const server = createServer((socket) => socket.resume());
      scope.defer(async () => void (await new Promise((resolve) => server.close(resolve))));
      const socket = join(folder, "nic");
      server.listen(socket);
      const connected = once(server, "connection");
      const started = ferrule("up", `vfio-user:${socket}`, ...up);
      await connected;
      const output = await started.stop(signal);
      if (signal === "INT") assert.match(output, /^ferrule: .+ was stopped while it was starting\nhint: /);
      await eventually("the end of the process in the background", async () => (await left()) === 0);
    });
});
