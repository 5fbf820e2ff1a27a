import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fd, read, write } from "#sys/fd.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { socketPair } from "#sys/unix-socket.ts";
import { QtestConnection } from "./connection.ts";

const options = { skip: ffiProblem()?.message ?? false };

interface Fixture extends Disposable {
  readonly connection: QtestConnection;
  /** QEMU's end of the socket. */
  readonly other: Fd;
  /** Sends text as QEMU would; the text has arrived when this returns. */
  say(text: string): void;
  readonly pins: (readonly [number, boolean])[];
}

const open = (limitMillis = 50): Fixture => {
  const [ours, other] = socketPair();
  const pins: (readonly [number, boolean])[] = [];
  const onPin = (pin: number, raised: boolean): void => void pins.push([pin, raised]);
  const connection = new QtestConnection({ name: "test", socket: ours, onPin, limitMillis });
  return {
    connection,
    other,
    pins,
    say: (text) => void write(other.number, new TextEncoder().encode(text)),
    [Symbol.dispose]() {
      connection[Symbol.dispose]();
      other[Symbol.dispose]();
    },
  };
};

test("a request is one line; the next line that does not report an interrupt is its reply", options, () => {
  using qemu = open();
  qemu.say("IRQ raise 21\nIRQ lower 3\nOK 0x12\n");
  assert.equal(qemu.connection.askNumber("readb 0x40", 1), 0x12);
  const asked = new Uint8Array(64);
  assert.equal(new TextDecoder().decode(asked.subarray(0, read(qemu.other.number, asked))), "readb 0x40\n");
  assert.deepEqual(qemu.pins, [
    [21, true],
    [3, false],
  ]);
});

test("a message about an interrupt is processed without a request", options, () => {
  using qemu = open();
  qemu.connection.listen(0);
  assert.deepEqual(qemu.pins, []);
  qemu.say("IRQ raise 22\n");
  qemu.connection.listen(1000);
  assert.deepEqual(qemu.pins, [[22, true]]);
});

test("a rejected request is named in the error, and the connection remains usable", options, () => {
  using qemu = open();
  qemu.say("FAIL Unknown device\nOK\n");
  assert.throws(() => qemu.connection.ask("irq_intercept_in nothing"), {
    code: "QTEST_REFUSED",
    message: "test refused `irq_intercept_in nothing`: Unknown device",
  });
  assert.equal(qemu.connection.ask("endianness"), "");
  assert.equal(qemu.connection.gone, undefined);
});

for (const [what, reply, code] of [
  ["an invalid line", "HTTP/1.1 400 Bad Request\n", "QTEST_PROTOCOL"],
  ["an invalid number", "OK none\n", "QTEST_PROTOCOL"],
  ["a number too large for its register", "OK 0x100\n", "QTEST_PROTOCOL"],
  ["half a reply", "OK 0x", "TIMEOUT"],
  ["no answer", "", "TIMEOUT"],
  ["a line that is too long", "A".repeat(10_000), "QTEST_PROTOCOL"],
] as const)
  test(`${what} ends the connection: a later reply would be mistaken for another request's`, options, () => {
    using qemu = open();
    if (reply !== "") qemu.say(reply);
    assert.throws(() => qemu.connection.askNumber("readb 0x40", 1), { code });
    assert.ok(qemu.connection.gone !== undefined);
    qemu.say("OK 0x1\n");
    assert.throws(() => qemu.connection.askNumber("readb 0x40", 1), { code });
  });

test("a reply without a request ends the connection too", options, () => {
  using qemu = open();
  qemu.say("OK\n");
  assert.throws(() => qemu.connection.listen(0), { code: "QTEST_PROTOCOL" });
});

test("a QEMU that has ended is distinguished from a slow one", options, () => {
  using qemu = open();
  qemu.other[Symbol.dispose]();
  assert.throws(() => qemu.connection.ask("endianness"), { code: "QTEST_ENDED" });
  assert.throws(() => qemu.connection.listen(0), { code: "QTEST_ENDED" });
  using hung = open(20);
  assert.throws(() => hung.connection.ask("endianness"), { code: "TIMEOUT", waitedMicros: 20_000 });
});

test("no request is sent once the connection is closed", options, () => {
  using qemu = open();
  qemu.connection[Symbol.dispose]();
  assert.throws(() => qemu.connection.ask("endianness"), { code: "QTEST_ENDED" });
});
