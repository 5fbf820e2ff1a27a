import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EventFd } from "./eventfd.ts";
import { Fd, Open, openFile, truncate } from "./fd.ts";
import { libc } from "./libc.ts";
import { createMemory } from "./mapping.ts";
import { memoryFile } from "./memory-file.ts";
import { cString } from "./memory.ts";

const O_PATH = 0o10000000;
const MFD_HUGETLB = 4;

test("`memoryFile` reports memory that is sealed against shrinking as fixed, other memory as not fixed, and seals nothing", () => {
  using sealed = createMemory("sealed", 4096);
  using unsealed = createMemory("unsealed", 8192, { sealed: false });
  assert.deepEqual(memoryFile(sealed.number), { bytes: 4096, pageBytes: 4096, fixed: true });
  assert.deepEqual(memoryFile(unsealed.number), { bytes: 8192, pageBytes: 4096, fixed: false });
  truncate(unsealed.number, 4096);
});

test("files that are not in memory are recognised without asking their file system", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-memory-"));
  const path = join(folder, "file");
  writeFileSync(path, "text");
  try {
    using memory = createMemory("memory", 4096);
    using event = EventFd.create();
    using file = openFile("/proc/self/status", Open.readOnly);
    using device = openFile("/dev/zero", Open.readWrite);
    using directory = openFile(folder, Open.readOnly);
    using name = openFile(`/proc/self/fd/${memory.number}`, O_PATH);
    for (const fd of [event, file, device, directory, name]) assert.equal(memoryFile(fd.number), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("huge pages are never of fixed length: the kernel may have none left", (t) => {
  // SAFETY: the result of cString is valid until its next call.
  const number = libc.memfd_create(cString("huge"), MFD_HUGETLB);
  if (number < 0) {
    t.skip("the kernel has no huge pages");
    return;
  }
  using huge = new Fd(number, "huge pages");
  truncate(huge.number, 4 << 20);
  const file = memoryFile(huge.number)!;
  assert.ok(file.pageBytes > 4096);
  assert.equal(file.fixed, false);
});
