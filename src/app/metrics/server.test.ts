import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isLoopback, parseMetricsAddress } from "./address.ts";
import { MetricsServer, NoMetrics } from "./server.ts";

const ANYWHERE_HERE = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
const TEXT = "# HELP a A.\n# TYPE a gauge\na 1\n";

interface Got {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

const get = async (options: object, method = "GET"): Promise<Got> => {
  const asked = request({ ...options, method, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk as string;
  return { status: response.statusCode ?? 0, type: response.headers["content-type"], body };
};
const at = ({ port }: MetricsServer, path = "/metrics") => ({ host: "127.0.0.1", port, path });

test("a scrape gets the text, with the format's version; HEAD gets no body", async () => {
  await using server = await MetricsServer.open(ANYWHERE_HERE, () => TEXT);
  const type = "text/plain; version=0.0.4; charset=utf-8";
  assert.deepEqual(await get(at(server)), { status: 200, type, body: TEXT });
  assert.deepEqual(await get(at(server), "HEAD"), { status: 200, type, body: "" });
});

test("other paths and methods are rejected, and a NIC that is not up yet has no metrics", async () => {
  const texts = [undefined, TEXT];
  await using server = await MetricsServer.open(ANYWHERE_HERE, () => texts.shift());
  assert.equal((await get(at(server))).status, 503);
  assert.equal((await get(at(server))).status, 200);
  assert.equal((await get(at(server, "/"))).status, 404);
  assert.equal((await get(at(server), "POST")).status, 405);
});

test("a request for another host name is rejected: a web page cannot read metrics by DNS rebinding", async () => {
  await using server = await MetricsServer.open(ANYWHERE_HERE, () => TEXT);
  const { port } = server;
  const status = async (host: string): Promise<number> => (await get({ ...at(server), headers: { host } })).status;
  for (const host of [`localhost:${port}`, `LocalHost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
    assert.equal(await status(host), 200, host);
  for (const name of [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "",
    "[::1",
    "::1",
  ])
    assert.equal(await status(`${name}:${port}`), 421, name);
  for (const host of [
    "localhost",
    "127.0.0.1",
    `localhost:${port}:${port}`,
    `localhost:${port + 1}`,
    `x@localhost:${port}`,
  ])
    assert.equal(await status(host), 421, host);
});

test("at an address that other machines can reach, any host name is accepted", async () => {
  await using server = await MetricsServer.open({ kind: "tcp", host: "0.0.0.0", port: 0 }, () => TEXT);
  assert.equal((await get({ ...at(server), headers: { host: "monitored.example:9101" } })).status, 200);
});

test("a Unix socket is accessible only to its owner, and is removed at the end", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-metrics-"));
  try {
    const path = join(folder, "metrics");
    const server = await MetricsServer.open({ kind: "unix", path }, () => TEXT);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal((await get({ socketPath: path, path: "/metrics" })).body, TEXT);
    await assert.rejects(
      MetricsServer.open({ kind: "unix", path }, () => TEXT),
      { code: "SOCKET_PATH_TAKEN" },
    );
    await server[Symbol.asyncDispose]();
    assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a port in use, and an address that this machine does not have, are errors with a hint", async () => {
  await using server = await MetricsServer.open(ANYWHERE_HERE, () => TEXT);
  const { port } = server;
  await assert.rejects(
    MetricsServer.open({ ...ANYWHERE_HERE, port }, () => TEXT),
    (error: unknown) =>
      error instanceof NoMetrics && error.message.includes(`port ${port}`) && /choose/.test(error.hint),
  );
  const elsewhere = { kind: "tcp", host: "192.0.2.1", port } as const;
  await assert.rejects(
    MetricsServer.open(elsewhere, () => TEXT),
    NoMetrics,
  );
});

test("the number of connections is limited to 16: further ones are closed, until one ends", async () => {
  await using server = await MetricsServer.open(ANYWHERE_HERE, () => TEXT);
  const open: Socket[] = [];
  for (let i = 0; i < 16; i++) {
    const socket = connect(server.port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    open.push(socket);
  }
  await assert.rejects(get(at(server)));
  const gone = once(open[0]!.resume(), "close");
  open[0]!.destroy();
  await gone;
  // The server may notice only some time later that the first connection has ended.
  for (;;) if ((await get(at(server)).catch(() => undefined))?.status === 200) break;
  for (const socket of open) socket.destroy();
});

test("closing the server closes open connections in any state", async () => {
  const server = await MetricsServer.open(ANYWHERE_HERE, () => TEXT);
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET /metrics HTTP/1.1\r\n");
  const closed = new Promise((resolve) =>
    socket
      .on("error", () => undefined)
      .resume()
      .once("close", resolve),
  );
  await server[Symbol.asyncDispose]();
  await closed;
});

test("only local addresses are accepted, unless others are allowed", () => {
  assert.deepEqual(parseMetricsAddress("127.0.0.1:9101"), { kind: "tcp", host: "127.0.0.1", port: 9101 });
  assert.deepEqual(parseMetricsAddress("[::1]:9101"), { kind: "tcp", host: "::1", port: 9101 });
  assert.deepEqual(parseMetricsAddress("unix:m.sock"), { kind: "unix", path: "m.sock" });
  for (const host of ["0.0.0.0", "10.0.0.1", "[::]", "[fe80::1]"]) {
    assert.throws(() => parseMetricsAddress(`${host}:9101`), { code: "WRONG_USAGE", message: /other machines/ });
    assert.equal(parseMetricsAddress(`${host}:9101`, true).kind, "tcp");
  }
  assert.ok(isLoopback("127.1.2.3") && isLoopback("::1") && !isLoopback("128.0.0.1") && !isLoopback("::2"));
  // The loopback address of IPv4 in IPv6 notation is a loopback address too.
  assert.ok(isLoopback("::ffff:127.0.0.1") && !isLoopback("::ffff:10.0.0.1"));
});

test("an invalid address is rejected", () => {
  for (const wrong of [
    "9101",
    ":9101",
    "localhost:9101",
    "127.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "1.2.3:80",
    "::1:80",
    "[127.0.0.1]:80",
    "unix:",
  ])
    assert.throws(() => parseMetricsAddress(wrong, true), { code: "WRONG_USAGE" }, wrong);
});
