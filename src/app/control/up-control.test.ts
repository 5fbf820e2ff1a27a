import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import { TookTooLong, within } from "../limit.ts";
import { BadReply, UntrustedPeer } from "./exchange.ts";
import { AlreadyUp, ask, ControlServer, type ControlHandlers, NotRunning } from "./up-control.ts";

let last = 0;
/** A name that no other test and no real interface uses. */
const freshName = (): string => `t${process.pid}.${++last}`;

const STATUS = { interface: "fe0", now: "fe0", device: "model:rtl8168h", wire: "responder", pid: 7, upSeconds: 1 };
const handlers: ControlHandlers = {
  status: () => STATUS,
  down: async () => ({ interface: "fe0", pid: 7 }),
  operate: async (operation, argument) => ({ operation, argument }),
};

test("the control socket replies to requests", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
  assert.deepEqual(await ask(name, { command: "down" }), { interface: "fe0", pid: 7 });
});

test("an operation is passed on with its argument; a name that is too long is truncated", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  const request = { command: "operate", operation: "rings", argument: { rx: 64, table: [0, 1] } } as const;
  assert.deepEqual(await ask(name, request), { operation: "rings", argument: { rx: 64, table: [0, 1] } });
  const limits: unknown[] = [];
  await using _other = await ControlServer.open(`${name}x`, {
    ...handlers,
    operate: async (_operation, _argument, limitMillis) => ({ at: limits.push(limitMillis) }),
  });
  await ask(`${name}x`, request, 1234);
  await sendRaw(`${name}x`, '{"command":"operate","operation":"x","argument":{},"limitMillis":"long"}\n');
  assert.deepEqual(limits, [1234, undefined]);
  const long = (await ask(name, { ...request, operation: "x".repeat(5000) })) as { operation: string };
  assert.equal(long.operation.length, 40);
});

test("an operation without a name or argument, or with a nested argument, is rejected", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  for (const rest of ['"operation":"x"', '"operation":1,"argument":{}', '"operation":"x","argument":{"a":{"b":1}}'])
    assert.match(await sendRaw(name, `{"command":"operate",${rest}}\n`), /"code":"BAD_REPLY"/);
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  assert.match(await sendRaw(name, `{"command":"operate","operation":"x","argument":${deep}}\n`), /"code":"BAD_REPLY"/);
});

test("the reply to `down` is sent when everything is down, and not before", async () => {
  const name = freshName();
  const closed = Promise.withResolvers<void>();
  const order: string[] = [];
  await using _control = await ControlServer.open(name, {
    ...handlers,
    down: async () => {
      await closed.promise;
      order.push("down");
      return { interface: "fe0", pid: 7 };
    },
  });
  const answer = ask(name, { command: "down" }).then(() => order.push("answered"));
  await ask(name, { command: "status" });
  assert.deepEqual(order, []);
  closed.resolve();
  await answer;
  assert.deepEqual(order, ["down", "answered"]);
});

test("the wait for `down` is limited, and the error names the process", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, { ...handlers, down: () => new Promise(() => undefined) });
  await assert.rejects(
    ask(name, { command: "down" }, 50),
    (error: unknown) => error instanceof TookTooLong && error.hint.includes(`kill ${process.pid}`),
  );
});

test("a name is held by one process at a time, and a second one gets an error that names the first", async () => {
  const name = freshName();
  for (const [now, rest] of [
    [name, ""],
    ["lan0", ", and its interface is called lan0 now"],
  ] as const) {
    await using _control = await ControlServer.open(name, { ...handlers, status: () => ({ ...STATUS, now }) });
    await assert.rejects(
      ControlServer.open(name, handlers),
      (error: unknown) =>
        error instanceof AlreadyUp && error.message === `${name} is already up: model:rtl8168h, process 7${rest}`,
    );
  }
  await using _again = await ControlServer.open(name, handlers);
});

test("if no `ferrule up` has the name, the error says so", async () =>
  assert.rejects(ask(freshName(), { command: "down" }), NotRunning));

const sendRaw = async (name: string, text: string): Promise<string> => {
  const socket = connect(`\0ferrule/${name}`, () => socket.write(text));
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) answer += chunk as string;
  return answer;
};

test("any invalid request is refused with one line", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  for (const nonsense of ["\n", "{}\n", "null\n", '{"command":"up"}\n', "[1\n", "x".repeat(100_000)])
    assert.match(await sendRaw(name, nonsense), /^\{"ok":false,"error":\{.*"message":".+".*\}\}\n$/);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
});

const pretender = async (name: string, answer: string): Promise<AsyncDisposable> => {
  const server = createServer((socket) =>
    socket
      .on("error", () => undefined)
      .resume()
      .end(answer),
  );
  await new Promise<void>((resolve) => void server.listen(`\0ferrule/${name}`, resolve));
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => void server.close(resolve));
    },
  };
};

test("an invalid reply is an error, not a crash", async () => {
  for (const answer of ["", "nonsense\n", "{}\n", '{"ok":false,"message":"no"}\n', "x".repeat(100_000)]) {
    const name = freshName();
    await using _server = await pretender(name, answer);
    await assert.rejects(ask(name, { command: "status" }), BadReply);
  }
});

test("a client that continues to send after its reply is disconnected, and its data is discarded", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  const socket = connect({ path: `\0ferrule/${name}`, allowHalfOpen: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? ""));
  socket.write('{"command":"status"}\n');
  const chunk = "x".repeat(1 << 16);
  const timer = setInterval(() => socket.write(chunk), 1);
  try {
    assert.match(await within(promise, "the end", 10_000), /EPIPE|ECONNRESET/);
  } finally {
    clearInterval(timer);
    socket.destroy();
  }
});

// The following tests need a second user, which requires root.
const asRoot = { skip: process.getuid?.() === 0 ? false : "needs root, to act as another user" };
const NOBODY = 65_534;

/**
 * Starts a process of another user that runs `script`, and resolves when that process has printed a line. The process
 * ends when the result is disposed.
 */
const stranger = async (script: string, uid = NOBODY): Promise<AsyncDisposable & { readonly pid: number }> => {
  const code = `process.setgid(${uid}); process.setuid(${uid}); const net = require("node:net"); ${script}`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await within(once(child.stdout, "data"), "the other user's process", 20_000);
  return {
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
};

const squat = (name: string): string =>
  `net.createServer((s) => s.on("error", () => {}).end('{"ok":true,"value":{"pid":1}}\\n')).listen("\\0ferrule/${name}", () => console.log(1));`;

test("a name that another user has taken can still be used once, and taken down", asRoot, async () => {
  const name = freshName();
  await using squatter = await stranger(squat(name));
  await assert.rejects(
    ask(name, { command: "down" }),
    (error: unknown) =>
      error instanceof UntrustedPeer && error.message.includes(`process ${squatter.pid} of user 65534`),
  );
  await using _control = await ControlServer.open(name, handlers);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
  await assert.rejects(ControlServer.open(name, handlers), AlreadyUp);
});

test("the name is still held after the other user's process has ended", asRoot, async () => {
  const name = freshName();
  const squatter = await stranger(squat(name));
  await using _control = await ControlServer.open(name, handlers);
  await squatter[Symbol.asyncDispose]();
  await assert.rejects(ControlServer.open(name, handlers), AlreadyUp);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
});

test("if two processes request a name at once, one gets it", async () => {
  const name = freshName();
  const both = await Promise.allSettled([ControlServer.open(name, handlers), ControlServer.open(name, handlers)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  for (const each of both) if (each.status === "fulfilled") await each.value[Symbol.asyncDispose]();
});

test("another user's connections are closed at once, use no slot, and leave no memory behind", asRoot, async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  const rss = process.memoryUsage.rss();
  const flood = `let left = 6000, open = 0;
    const next = () => { while (open < 64 && left > 0) { open++; left--;
      const s = net.connect("\\0ferrule/${name}"); s.on("error", () => {}).resume().on("close", () => { open--; next(); }); }
      if (left === 0 && open === 0) console.log(1); };
    next();`;
  await using _stranger = await stranger(flood);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
  const grown = (process.memoryUsage.rss() - rss) / 2 ** 20;
  assert.ok(grown < 16, `${grown.toFixed(1)} MiB more than before 6,000 connections`);
});

test("one user's connections are limited, and their slots are free when they close", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  const idle = Array.from({ length: 40 }, () => connect(`\0ferrule/${name}`).on("error", () => undefined));
  const [refused, all] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let closed = 0;
  const count = (): void => {
    closed++;
    if (closed === 24) refused.resolve();
    if (closed === 40) all.resolve();
  };
  for (const socket of idle) socket.resume().on("close", count);
  await within(refused.promise, "closing those above 16", 1_500);
  for (const socket of idle) socket.destroy();
  await all.promise;
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
});

test("root takes down an ordinary user's interface, and recognises its process by the TAP", asRoot, async () => {
  const name = freshName();
  const serve = `net.createServer((s) => s.on("error", () => {}).once("data", () => s.end('{"ok":true,"value":{"interface":"x","pid":7}}\\n')))
    .listen("\\0ferrule/${name}", () => console.log(1));`;
  using namespace = NetworkNamespace.create();
  using tap = namespace.within(() => Tap.open("t0"));
  const code = `process.setgid(${NOBODY}); process.setuid(${NOBODY}); const net = require("node:net"); ${serve}`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit", tap.number] });
  try {
    await within(once(child.stdout!, "data"), "the ordinary user's process", 20_000);
    assert.deepEqual(await ask(name, { command: "down" }), { interface: "x", pid: 7 });
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
});
