import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { recordedStream } from "../terminal/terminal.test-kit.ts";
import { content } from "./content.ts";
import { Progress } from "./progress.ts";
import { failures } from "./report.ts";
import { runOnResponder } from "./responder-rig.ts";

const BYTES = 3_000_001;
const run = (bytes: number, stop = new AbortController().signal) =>
  runOnResponder({ chip: "rtl8168h", bytes }, "no TAP here", new Progress(recordedStream()), stop);

test("without a network stack, pings are answered and streams verified through driver and model", async () => {
  const report = await run(BYTES);
  assert.deepEqual(failures(report), []);
  assert.equal(report.rig, "responder");
  assert.equal(report.rigReason, "no TAP here");
  assert.equal(report.ping.received, 100);
  assert.deepEqual(
    report.transfers.map((each) => [each.direction, each.bytes]),
    [
      ["wire-to-host", BYTES],
      ["host-to-wire", BYTES],
    ],
  );
  assert.equal(report.offences, 0);
  assert.ok(report.interrupts > 100, "the NIC raised too few interrupts");
});

test("the digest of what the host sent is that of the generated content", async () => {
  const hash = createHash("sha256");
  for (const block of content(BYTES, 1)) hash.update(block);
  const { transfers } = await run(BYTES);
  assert.equal(transfers[1]?.sha256Sent, hash.digest("hex"));
});

test("a transfer of one byte works", async () => assert.deepEqual(failures(await run(1)), []));

test("the demo stops on request", async () =>
  assert.rejects(run(2 ** 30, AbortSignal.abort()), { name: "AbortError" }));
