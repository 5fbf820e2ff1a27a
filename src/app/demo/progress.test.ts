import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedStream } from "../terminal/terminal.test-kit.ts";
import { Progress, progressLine } from "./progress.ts";

test("a log gets one line per step and no bars", () => {
  const stream = recordedStream();
  const progress = new Progress(stream);
  progress.update("half");
  progress.step("ping", "100 of 100");
  progress.clear();
  assert.equal(stream.text, "ping          100 of 100\n");
});

test("on a terminal the bar is redrawn in place, and replaced by the step's line at the end", () => {
  const stream = recordedStream({ isTerminal: true });
  const progress = new Progress(stream);
  progress.update("half");
  progress.say("done");
  assert.equal(stream.text, "\rhalf\u001b[K\r\u001b[Kdone\n");
});

test("a progress bar shows the amount done, the total and the rate", () =>
  assert.equal(
    progressLine("wire to host", 512, 1024, 8000),
    "wire to host  ████████████░░░░░░░░░░░░ 512 B of 1.00 KiB, 8.00 kbit/s",
  ));
