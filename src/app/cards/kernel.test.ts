import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { BindInProgress, BindNotPermitted, StepRefused } from "./errors.ts";
import { linux, linuxWithin } from "./kernel.ts";
import { Records } from "./record.ts";
import { lockCard } from "./card-lock.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "ferrule-kernel-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

suite("the kernel's files", () => {
  const file = join(FOLDER, "file");

  test("`set` writes a kernel file itself, and `ask` has it written by another process", async () => {
    writeFileSync(file, "");
    linux.set(file, "vfio-pci\n");
    assert.equal(readFileSync(file, "utf8"), "vfio-pci\n");
    assert.equal(await linux.ask(file, "0000:03:00.0"), true);
    assert.match(readFileSync(file, "utf8"), /^0000:03:00\.0/);
  });

  test("a kernel file that is missing or cannot be written is reported with the error's name", async () => {
    assert.throws(() => linux.set(join(FOLDER, "none"), "x"), StepRefused);
    await assert.rejects(linux.ask(join(FOLDER, "none"), "x"), /\[ENOENT\]/);
    await assert.rejects(linux.ask(FOLDER, "x"), /\[EISDIR\]/);
    // This file is not writable, even for root.
    assert.throws(() => linux.set("/proc/sys/kernel/osrelease", "x"), BindNotPermitted);
    await assert.rejects(linux.ask("/proc/sys/kernel/osrelease", "x"), BindNotPermitted);
  });

  test("a write to a kernel file that blocks does not block this process", async () => {
    const pipe = join(FOLDER, "pipe");
    execFileSync("mkfifo", [pipe]);
    assert.equal(await linuxWithin(100).ask(pipe, "0000:03:00.0"), false);
    // The other process is still blocked. It ends now, because this read opens the pipe's other end.
    assert.equal(readFileSync(pipe, "utf8"), "0000:03:00.0");
  });
});

suite("modules", () => {
  const programs = join(FOLDER, "programs");
  const path = process.env["PATH"];
  after(() => (process.env["PATH"] = path));

  test("modules are loaded by modprobe, whose errors are reported", async () => {
    mkdirSync(programs);
    const script = join(programs, "modprobe");
    writeFileSync(script, `#!/bin/sh\n[ "$2" = vfio-pci ] && exit 0\necho "no $2" >&2\nexit 1\n`);
    chmodSync(script, 0o755);
    process.env["PATH"] = `${programs}:${path}`;
    assert.equal(await linux.load("vfio-pci"), undefined);
    assert.equal(await linux.load("--evil"), "no --evil");
  });
});

suite("the record of a card", () => {
  const CARD = "0000:03:00.0";

  test("a record is read back unchanged, and no other file remains in its folder", () => {
    const folder = join(FOLDER, "a/b");
    const records = new Records(folder);
    assert.equal(records.read(CARD), undefined);
    const origin = { driver: "r8169", module: "r8169", override: undefined };
    records.write(CARD, origin);
    records.write(CARD, { ...origin, override: "r8169" });
    assert.deepEqual(records.read(CARD), { ...origin, override: "r8169" });
    assert.deepEqual(readdirSync(folder), [`${CARD}.json`]);
    records.remove(CARD);
    records.remove(CARD);
    assert.deepEqual(readdirSync(folder), []);
  });

  test("an invalid record counts as missing, and no record contains a path", () => {
    const folder = join(FOLDER, "c");
    mkdirSync(folder);
    const records = new Records(folder);
    for (const text of ["", "{", "null", "7", '"r8169"']) {
      writeFileSync(join(folder, `${CARD}.json`), text);
      assert.equal(records.read(CARD), undefined, text);
    }
    writeFileSync(join(folder, `${CARD}.json`), '{"driver":"../../evil","module":7,"override":["x"]}');
    assert.equal(records.read(CARD), undefined);
    const none = { driver: undefined, module: undefined, override: undefined };
    writeFileSync(join(folder, `${CARD}.json`), '{"driver":null,"module":7,"override":"/"}');
    assert.deepEqual(records.read(CARD), none);
    records.write(CARD, none);
    assert.deepEqual(records.read(CARD), none);
  });

  test("a record that cannot be written is an error", () => {
    writeFileSync(join(FOLDER, "d"), "");
    assert.throws(
      () => new Records(join(FOLDER, "d")).write(CARD, { driver: "x", module: undefined, override: undefined }),
      BindNotPermitted,
    );
  });
});

test("one command at a time has a card's lock, and the next one gets it afterwards", async () => {
  const address = `ffff:ff:1f.${process.pid % 8}`;
  {
    using turn = await lockCard(address);
    await assert.rejects(lockCard(address), BindInProgress);
    void turn;
  }
  using again = await lockCard(address);
  void again;
});
