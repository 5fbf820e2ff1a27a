import assert from "node:assert/strict";
import { test } from "node:test";
import { abstractListeners, connectAbstract } from "./abstract-socket.ts";
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";
import { newSocket } from "./unix-path.ts";

const AF_UNIX = 1;

/** Returns a socket that listens at the abstract name with the bytes `name`. */
const listenAt = (name: Uint8Array): Disposable => {
  const address = new Struct(3 + name.length);
  address.view.setUint16(0, AF_UNIX, true);
  address.bytes.set(name, 3);
  const socket = newSocket("listener");
  // SAFETY: the structure has the stated length, and is kept alive until the call has returned.
  check(libc.bind(socket.number, address.address, address.bytes.length), "bind");
  keepAlive(address);
  // SAFETY: no argument is an address.
  check(libc.listen(socket.number, 1), "listen");
  return socket;
};

test("listeners whose names are not text are omitted: any user can create one, and only a text can be used to connect", () => {
  const prefix = `ferrule-test/${process.pid}`;
  using _text = listenAt(Buffer.from(`${prefix}/a`));
  using _bytes = listenAt(Buffer.concat([Buffer.from(`${prefix}/`), new Uint8Array(80).fill(0xff)]));
  const names = abstractListeners(prefix);
  assert.deepEqual(names, [`${prefix}/a`]);
  using connection = connectAbstract(names[0]!, 100);
  assert.notEqual(connection, undefined);
});
