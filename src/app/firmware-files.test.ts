import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { BadFirmware } from "#driver/firmware.ts";
import { firmwareFiles, NoFirmware } from "./firmware-files.ts";

const folder = () => {
  const made = mkdtempDisposableSync(join(tmpdir(), "ferrule-firmware-"));
  mkdirSync(join(made.path, "rtl_nic"));
  return made;
};
const CONTENT = Uint8Array.from({ length: 300 }, (_, i) => i);

test("a firmware file is found uncompressed, and compressed as in distributions", () => {
  using made = folder();
  const read = firmwareFiles(made.path);
  writeFileSync(join(made.path, "rtl_nic/a.fw"), CONTENT);
  writeFileSync(join(made.path, "rtl_nic/b.fw.zst"), zstdCompressSync(CONTENT));
  writeFileSync(join(made.path, "rtl_nic/c.fw.xz"), execFileSync("xz", ["-c"], { input: CONTENT }));
  for (const name of ["a", "b", "c"]) assert.deepEqual([...read(`rtl_nic/${name}.fw`)!], [...CONTENT], name);
});

test("a missing file is an error if the user named the folder, but not in the system's folders", () => {
  using made = folder();
  mkdirSync(join(made.path, "rtl_nic/d.fw"));
  execFileSync("mkfifo", [join(made.path, "rtl_nic/f.fw")]);
  for (const name of ["none", "d", "f"])
    assert.throws(() => firmwareFiles(made.path)(`rtl_nic/${name}.fw`), NoFirmware, name);
  assert.equal(firmwareFiles(undefined)("rtl_nic/no-such-chip.fw"), undefined);
});

test("a compressed file that is damaged or too large is an error that names the file", () => {
  using made = folder();
  const read = firmwareFiles(made.path);
  const large = new Uint8Array((1 << 20) + 1);
  writeFileSync(join(made.path, "rtl_nic/a.fw.zst"), CONTENT);
  writeFileSync(join(made.path, "rtl_nic/b.fw.xz"), CONTENT);
  writeFileSync(join(made.path, "rtl_nic/c.fw.zst"), zstdCompressSync(large));
  writeFileSync(join(made.path, "rtl_nic/d.fw.xz"), execFileSync("xz", ["-c"], { input: large }));
  for (const name of ["a", "b", "c", "d"])
    assert.throws(
      () => read(`rtl_nic/${name}.fw`),
      (error: unknown) => error instanceof BadFirmware && error.file.startsWith(join(made.path, `rtl_nic/${name}.fw.`)),
      name,
    );
});
