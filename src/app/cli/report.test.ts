import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { main } from "./main.ts";
import { report } from "./report.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "ferrule-report-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

const run = async (...words: string[]): Promise<{ exit: number; out: string; err: string }> => {
  const terminal = recordedTerminal();
  const exit = await main(["report", ...words], [report], terminal);
  return { exit, out: terminal.out.text, err: terminal.err.text };
};

test("a model's report is one JSON document on stdout", async () => {
  const { exit, out, err } = await run("model:rtl8168h");
  assert.equal(exit, 0);
  assert.equal(err, "");
  const bundle = JSON.parse(out) as Record<string, unknown>;
  assert.equal(bundle["format"], "ferrule-report/1");
  assert.equal(bundle["chip"], "RTL8168h/8111h");
  for (const part of ["system", "machine", "bringUp", "phy", "counters", "registers", "config", "trace", "redacted"])
    assert.ok(part in bundle, part);
});

test("with --output the report goes to a file, which is overwritten", async () => {
  const path = join(FOLDER, "report.json");
  writeFileSync(path, "x".repeat(1 << 20));
  const { exit, out } = await run("model:rtl8168h", "--output", path);
  assert.equal(exit, 0);
  assert.match(out, /report\.json: RTL8168h\/8111h\. Read it before you send it\.\n$/);
  assert.equal((JSON.parse(readFileSync(path, "utf8")) as { xid: string }).xid, "0x0541");
});

test("a file that cannot be written is reported before any device is touched", async () => {
  const { exit, err } = await run("fffe:1f:1f.7", "--output", join(FOLDER, "none", "report.json"));
  assert.equal(exit, 1);
  assert.match(err, /there is no PCI function fffe:1f:1f\.7/);
  const model = await run("model:rtl8168h", "--output", join(FOLDER, "none", "report.json"));
  assert.equal(model.exit, 1);
  assert.match(model.err, /cannot be written \[ENOENT\]\nhint: Choose a directory/);
});

test("anything but a device of this command is refused", async () => {
  assert.equal((await run("eth0")).exit, 2);
  assert.equal((await run("model:rtl9999")).exit, 2);
  assert.equal((await run("model:rtl8168h", "--unsafe-noiommu")).exit, 2);
  assert.equal((await run()).exit, 2);
  assert.equal((await run(`vfio-user:${join(FOLDER, "nobody.sock")}`)).exit, 1);
});
