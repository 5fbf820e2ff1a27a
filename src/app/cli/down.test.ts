import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { FakeMachine } from "../cards/machine.test-kit.ts";
import { downSentence, hasEnded } from "./down.ts";

test("the message for an interface that is down says whether the interface still exists", () => {
  assert.equal(downSentence("fe0", 215, false, 0.664), "fe0 is down: process 215 removed it in 0.66 s.");
  assert.equal(
    downSentence("fe0", 215, true, 0.664),
    "fe0 is down: process 215 released it in 0.66 s. The prepared TAP remains for the next use.",
  );
});

test("a process has ended when it no longer exists, or only waits for its parent", () => {
  using machine = new FakeMachine();
  for (const [pid, state] of Object.entries({ 7: "S", 8: "Z" }))
    machine.write(join(machine.files.proc, pid, "stat"), `${pid} (a) b) ${state} 1 7 7\n`);
  assert.deepEqual(
    [7, 8, 9].map((pid) => hasEnded(machine.files, pid)),
    [false, true, true],
  );
});
