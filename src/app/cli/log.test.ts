import assert from "node:assert/strict";
import { test } from "node:test";
import { isLogged, LEVELS, logJson, type LoggedEvent, parseLevel } from "./log.ts";
import { recordedStream } from "../terminal/terminal.test-kit.ts";
import { Reporter } from "./reporter.ts";
import { WrongUsage } from "../terminal/usage.ts";

const EVENTS = [
  { kind: "failed", error: { code: "X", message: "the NIC has gone", hint: "" } },
  { kind: "warning", message: "a frame was dropped", hint: "" },
  { kind: "carrier", up: true, speed: 1000, fullDuplex: true },
  { kind: "note", message: "the MTU is 9000 now" },
] as const satisfies readonly LoggedEvent[];

test("each level reports its own events and those of the levels before it", () => {
  for (const [i, level] of LEVELS.entries())
    assert.deepEqual(
      EVENTS.map((event) => isLogged(event, level)),
      EVENTS.map((_, j) => j <= i),
      level,
    );
});

test("a JSON line has the event, its subject, and its level", () => {
  assert.deepEqual(JSON.parse(logJson(EVENTS[1], { interface: "fe0" })), {
    event: "warning",
    interface: "fe0",
    message: "a frame was dropped",
    hint: "",
    level: "warning",
  });
});

test("a log level has one of four names", () => {
  for (const level of LEVELS) assert.equal(parseLevel(level), level);
  for (const wrong of ["", "warn", "INFO", "3"]) assert.throws(() => parseLevel(wrong), WrongUsage, wrong);
});

test("events below the level are not printed, as a line or as JSON", () => {
  for (const json of [false, true]) {
    const out = recordedStream();
    using reporter = new Reporter<LoggedEvent>(out, { level: "warning", json, lines: ({ kind }) => [kind] });
    for (const event of EVENTS) reporter.report(event);
    const lines = out.text.trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => (json ? (JSON.parse(line) as { event: string }).event : line)),
      ["failed", "warning"],
    );
  }
});
