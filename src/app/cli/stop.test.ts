import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { Stop } from "./stop.ts";

const setUp = () => {
  const source = new EventEmitter();
  const codes: number[] = [];
  const clock = { now: 1000 };
  const stop = new Stop(
    source,
    () => clock.now,
    (code) => codes.push(code),
  );
  return { source, codes, clock, stop };
};

test("the first signal requests a stop, with its name as the reason", async () => {
  const { source, codes, stop } = setUp();
  source.emit("SIGTERM", "SIGTERM");
  assert.equal(await stop.asked, "SIGTERM");
  assert.ok(stop.signal.aborted);
  assert.deepEqual(codes, []);
});

test("a Ctrl-C that arrives twice, from the terminal and from a launcher, is one request", () => {
  const { source, codes, clock } = setUp();
  source.emit("SIGINT", "SIGINT");
  clock.now += 50;
  source.emit("SIGINT", "SIGINT");
  assert.deepEqual(codes, []);
});

test("a second Ctrl-C ends the process at once, with the shell's exit code", () => {
  const { source, codes, clock } = setUp();
  source.emit("SIGINT", "SIGINT");
  clock.now += 1_000;
  source.emit("SIGINT", "SIGINT");
  assert.deepEqual(codes, [130]);
});

test("no listener remains", () => {
  const { source, stop } = setUp();
  stop[Symbol.dispose]();
  assert.equal(source.listenerCount("SIGINT") + source.listenerCount("SIGTERM") + source.listenerCount("SIGHUP"), 0);
});
