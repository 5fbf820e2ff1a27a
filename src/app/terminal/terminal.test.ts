import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { Progress } from "../demo/progress.ts";
import { LiveLines } from "../cli/live-view.ts";
import { streamOn } from "./terminal.ts";

/** Writes to a terminal or another stream in this environment, and returns the output. */
const written = (isTTY: boolean, environment: Readonly<Record<string, string>>): string => {
  let text = "";
  const sink = new Writable({
    write: (chunk, _, done) => {
      text += String(chunk);
      done();
    },
  });
  const stream = Object.assign(sink, { isTTY, columns: 80, rows: 24 });
  const out = streamOn(stream as unknown as NodeJS.WriteStream, environment);
  out.write(out.paint("red", "red"));
  const progress = new Progress(out);
  progress.update("half");
  progress.say("done");
  progress.clear();
  if (out.isTerminal) new LiveLines(out).draw(["line"]);
  return text;
};

const ESCAPE = "\u001b";

test("a terminal gets colours and lines that are redrawn", () => {
  const text = written(true, { TERM: "xterm" });
  assert.ok(text.includes(`${ESCAPE}[31m`) && text.includes(`${ESCAPE}[K`), JSON.stringify(text));
});

test("NO_COLOR disables colours and nothing else", () => {
  const text = written(true, { TERM: "xterm", NO_COLOR: "1" });
  assert.ok(!text.includes("[31m") && text.includes(`${ESCAPE}[K`), JSON.stringify(text));
  assert.ok(written(true, { TERM: "xterm", NO_COLOR: "" }).includes("[31m"), "an empty NO_COLOR counts as not set");
});

test("no control codes are written to files, dumb terminals and CI logs", () => {
  for (const [isTTY, environment] of [
    [false, { TERM: "xterm" }],
    [true, { TERM: "dumb" }],
    [true, { TERM: "" }],
    [true, {}],
    [true, { TERM: "xterm", CI: "true" }],
  ] as const) {
    const text = written(isTTY, environment);
    assert.equal(text, "reddone\n", JSON.stringify({ isTTY, ...environment }));
  }
});
