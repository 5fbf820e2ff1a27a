import assert from "node:assert/strict";
import { test } from "node:test";
import { LINUX, mayLockAll, parseMemlock } from "./kernel.ts";

const line = (soft: string): string =>
  `Max processes             7823   7823   processes\nMax locked memory         ${soft}   8388608    bytes     \n`;

test("the limit on locked memory is read as the kernel writes it", () => {
  assert.equal(parseMemlock(line("8388608")), 8_388_608);
  assert.equal(parseMemlock(line("unlimited")), Infinity);
  assert.equal(parseMemlock(""), Infinity);
});

test("a process with CAP_IPC_LOCK has no limit", () => {
  assert.equal(mayLockAll("Name:\tnode\nCapEff:\t000001ffffffffff\n"), true);
  assert.equal(mayLockAll("CapEff:\t0000000000003000\n"), false);
  assert.equal(mayLockAll(""), false);
});

test("this machine's kernel reports the limit on locked memory and the number of free huge pages", () => {
  assert.ok(LINUX.memlock() >= 0);
  const { pageBytes, free } = LINUX.hugePages();
  assert.equal(pageBytes, 2 << 20);
  assert.ok(Number.isInteger(free) && free >= 0);
});
