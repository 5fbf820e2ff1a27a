import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { AlreadyUp, ask, BadReply, ControlServer, type ControlHandlers, NotRunning } from "./control.ts";
import { TookTooLong, within } from "./limit.ts";

let last = 0;
/** A name no other test and no real interface has. */
const freshName = (): string => `t${process.pid}.${++last}`;

const STATUS = { interface: "fe0", device: "model:rtl8168h", wire: "responder", pid: 7, upSeconds: 1 };
const handlers: ControlHandlers = { status: () => STATUS, down: async () => ({ interface: "fe0", pid: 7 }) };

test("answers what it is asked", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  assert.deepEqual(await ask(name, { command: "status" }), STATUS);
  assert.deepEqual(await ask(name, { command: "down" }), { interface: "fe0", pid: 7 });
});

test("the answer to `down` comes when everything is down, and not before", async () => {
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

test("gives up waiting for `down`, and names the process", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, { ...handlers, down: () => new Promise(() => undefined) });
  await assert.rejects(
    ask(name, { command: "down" }, 50),
    (error: unknown) => error instanceof TookTooLong && error.hint.includes(`kill ${process.pid}`),
  );
});

test("a name is held by one process at a time, and the second learns by which", async () => {
  const name = freshName();
  {
    await using _control = await ControlServer.open(name, handlers);
    await assert.rejects(
      ControlServer.open(name, handlers),
      (error: unknown) =>
        error instanceof AlreadyUp && error.message === `${name} is already up: model:rtl8168h, process 7`,
    );
  }
  await using _again = await ControlServer.open(name, handlers);
});

test("nobody there is said to be nobody", async () =>
  assert.rejects(ask(freshName(), { command: "down" }), NotRunning));

const sayRaw = async (name: string, text: string): Promise<string> => {
  const socket = connect(`\0ferrule/${name}`, () => socket.write(text));
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) answer += chunk as string;
  return answer;
};

test("nonsense is refused with a line, whatever it is", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  for (const nonsense of ["\n", "{}\n", "null\n", '{"command":"up"}\n', "[1\n", "x".repeat(5000)])
    assert.match(await sayRaw(name, nonsense), /^\{"ok":false,"message":".+"\}\n$/);
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

test("an answer that is none is an error, not a crash", async () => {
  for (const answer of ["", "nonsense\n", "{}\n", '{"ok":false,"message":"no"}\n', "x".repeat(5000)]) {
    const name = freshName();
    await using _server = await pretender(name, answer);
    await assert.rejects(ask(name, { command: "status" }), BadReply);
  }
});

test("who has been answered and goes on talking is hung up on, and nothing of it is kept", async () => {
  const name = freshName();
  await using _control = await ControlServer.open(name, handlers);
  const socket = connect({ path: `\0ferrule/${name}`, allowHalfOpen: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? ""));
  socket.write('{"command":"status"}\n');
  const chunk = "x".repeat(1 << 16);
  const talk = setInterval(() => socket.write(chunk), 1);
  try {
    assert.match(await within(promise, "the end", 10_000), /EPIPE|ECONNRESET/);
  } finally {
    clearInterval(talk);
    socket.destroy();
  }
});
