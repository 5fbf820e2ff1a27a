import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { exitFor, printFailure } from "./failure.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";
import { WrongUsage } from "../terminal/usage.ts";

const linesOf = (error: unknown): readonly string[] => {
  const terminal = recordedTerminal();
  printFailure(terminal, error);
  return terminal.err.text.trimEnd().split("\n");
};
const coded = (message: string, code: string): Error => Object.assign(new Error(message), { code });

test("only the first of several failures is reported", () => {
  const second = new SuppressedError(new Error("a third"), new OutOfRange("the first", "Do this."));
  const both = new SuppressedError(new OutOfRange("the last"), second);
  assert.deepEqual(linesOf(both), ["ferrule: the first", "hint: Do this."]);
  assert.equal(exitFor(new SuppressedError(new Error("closing"), new WrongUsage("typed wrong", "Type."))), 2);
});

test("an error of the system that Node or V8 passes on is not reported as a bug, and has a hint", () => {
  for (const [error, hint] of [
    [coded("EMFILE: too many open files, open '/x'", "EMFILE"), /ulimit -n/],
    [coded("Worker initialization failure: EMFILE", "ERR_WORKER_INIT_FAILED"), /ulimit -n/],
    [new Error("Cannot read package config /x: too many open files."), /ulimit -n/],
    [coded("ENOSPC: no space left on device, write", "ENOSPC"), /full/],
    [coded("EACCES: permission denied, open '/x'", "EACCES"), /root/],
    [coded("EROFS: read-only file system, open '/x'", "EROFS"), /read-only/],
    [coded("Worker initialization failure: EAGAIN", "ERR_WORKER_INIT_FAILED"), /ulimit -u/],
    [new RangeError("WebAssembly.Memory(): could not allocate memory"), /ulimit -v/],
    [new RangeError("Array buffer allocation failed"), /ulimit -v/],
  ] as const) {
    const [first, second] = linesOf(error);
    assert.equal(first, `ferrule: ${error.message}`);
    assert.match(second!, hint);
    assert.doesNotMatch(second!, /bug/);
  }
  assert.match(linesOf(new TypeError("x is not a function"))[1]!, /bug in Ferrule/);
});
