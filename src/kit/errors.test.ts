import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceGone, FerruleError, Misuse, OutOfRange, OutOfWindow, Revoked, Timeout } from "./errors.ts";

const ALL = [
  new Revoked("the receive ring"),
  new OutOfWindow({ what: "BAR 2", offset: 0xfe, width: 4, length: 0x100 }),
  new OutOfRange("MTU 70000"),
  new Timeout({ what: "reset", waitedMicros: 1000 }),
  new DeviceGone("TxConfig"),
  new Misuse("a lock was released twice"),
];

test("every error has its class's name, a code of its own, and a hint of one sentence or more", () => {
  for (const error of ALL) {
    assert.ok(error instanceof FerruleError && error instanceof Error);
    assert.equal(error.name, error.constructor.name);
    assert.match(error.code, /^[A-Z][A-Z_]+$/);
    assert.match(error.hint, /^[A-Z].+\.$/);
    assert.ok(error.stack!.includes(error.message));
  }
  assert.equal(new Set(ALL.map((error) => error.code)).size, ALL.length);
});

test("a message says what was seen, with offsets in hexadecimal", () => {
  assert.deepEqual(
    ALL.map((error) => error.message),
    [
      "the receive ring can no longer be used: it was released, or its device is gone",
      "BAR 2: 4 bytes at 0xfe are outside the window of 0x100 bytes",
      "MTU 70000",
      "reset: timed out after 1000 µs",
      "TxConfig reads all ones: the device is gone",
      "a lock was released twice",
    ],
  );
});

test("a caller's own hint is kept", () => {
  assert.equal(new Timeout({ what: "link", waitedMicros: 1, hint: "Plug the cable in." }).hint, "Plug the cable in.");
  assert.equal(new OutOfRange("x", "Say 1 to 9.").hint, "Say 1 to 9.");
});
