import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { NoJournal, openLog } from "./background-log.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "ferrule-log-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("events are appended to a file that not every user may read", async () => {
  const path = join(folder, "log");
  writeFileSync(path, "before\n");
  using log = await openLog(path);
  writeSync(log.output as number, "after\n");
  assert.equal(readFileSync(path, "utf8"), "before\nafter\n");
  assert.equal(log.reader, path);
});

test("the journal gets seven header lines before the first event", async () => {
  const path = join(folder, "journal");
  const read = Promise.withResolvers<string>();
  const server = createServer((socket) => {
    let text = "";
    socket
      .setEncoding("utf8")
      .on("data", (chunk: string) => (text += chunk))
      .on("end", () => read.resolve(text));
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  try {
    using log = await openLog(undefined, path);
    (log.output as Socket).end("fe0: up\n");
    assert.equal(await read.promise, "ferrule\n\n6\n0\n0\n0\n0\nfe0: up\n");
    assert.equal(log.reader, "journalctl -t ferrule");
  } finally {
    await new Promise((resolve) => void server.close(resolve));
  }
});

test("without a journal the error asks for a file; a missing folder is the system's error", async () => {
  await assert.rejects(openLog(undefined, join(folder, "none")), NoJournal);
  await assert.rejects(openLog(join(folder, "none", "log")), { code: "ENOENT" });
});
