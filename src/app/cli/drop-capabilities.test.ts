import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { privileges } from "#sys/privileges.ts";
import { isAccessible, dropCapabilities } from "./drop-capabilities.ts";

const found = (path: string): readonly boolean[] =>
  (["read", "write", "make"] as const).map((use) => isAccessible({ path, use }));

test("permission bits decide what a user can access without capabilities, also for root", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    const [file, locked] = [join(folder, "file"), join(folder, "locked")];
    writeFileSync(file, "");
    mkdirSync(locked);
    writeFileSync(join(locked, "file"), "");
    assert.deepEqual(found(file), [true, true, true]);
    chmodSync(file, 0o400);
    assert.deepEqual(found(file), [true, false, false]);
    assert.deepEqual(found(join(folder, "new")), [true, true, true]);
    chmodSync(folder, 0o500);
    assert.equal(isAccessible({ path: join(folder, "new"), use: "make" }), false);
    chmodSync(folder, 0o700);
    chmodSync(locked, 0);
    assert.deepEqual(found(join(locked, "file")), [false, false, false]);
    // A missing file is regarded as accessible, because its use fails later with an error of its own.
    assert.equal(isAccessible({ path: join(folder, "none", "file"), use: "make" }), true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const ordinary = { skip: privileges().capabilities.length > 0 ? "needs an ordinary user" : false };
test("a process without capabilities continues unchanged", ordinary, () => {
  dropCapabilities({ capabilities: [], paths: [] });
});
