import assert from "node:assert/strict";
import { test } from "node:test";
import { terminalFor, outputPath } from "./output.ts";
import type { Stream } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

const stream = (isTerminal: boolean): Stream => ({
  isTerminal,
  write: () => {},
  line: () => {},
  columns: () => 80,
  rows: () => 24,
  paint: (_style, text) => text,
});
const piped = { out: stream(false), err: stream(true), debug: false };

test("standard output has one canonical name; a file named - is ./-", () => {
  for (const name of ["-", "/dev/stdout", "/proc/self/fd/1"]) assert.equal(outputPath(name), "-");
  assert.equal(outputPath("./-"), `${process.cwd()}/-`);
});

test("messages go to standard error if a capture uses standard output", () => {
  assert.equal(terminalFor(piped, ["wire.pcapng", undefined]), piped);
  assert.equal(terminalFor(piped, ["-", "wire.pcapng"]).out, piped.err);
});

test("two outputs must be different files, and not a terminal", () => {
  for (const same of [
    ["a", "./a"],
    ["-", "/dev/stdout"],
  ])
    assert.throws(() => terminalFor(piped, same), { constructor: WrongUsage, message: /^two outputs go to / });
  assert.throws(
    () => terminalFor({ out: stream(true), err: stream(true), debug: false }, ["-"]),
    /standard output is a terminal/,
  );
});
