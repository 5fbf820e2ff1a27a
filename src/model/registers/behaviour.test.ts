/** The register tables of each chip, checked against themselves and against accesses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chip, CHIPS } from "#chip/chips.ts";
import { Cfg9346, Lock } from "#chip/registers.ts";
import { Guest } from "../guest.test-kit.ts";
import { registersOf } from "./register-set.ts";

const chips: readonly Chip[] = CHIPS;

for (const chip of chips) {
  const rows = registersOf(chip);
  const real = rows.filter((row) => !row.alias);

  test(`${chip.key}: no two registers share a byte, each is aligned and lies in the window, each alias in a register`, () => {
    const owner = new Map<number, string>();
    for (const { name, offset, width } of real) {
      assert.ok(offset % (width / 8) === 0 && offset + width / 8 <= chip.profile.function.windowBytes, name);
      for (let at = offset; at < offset + width / 8; at++) {
        assert.equal(owner.get(at), undefined, `${name} and ${owner.get(at)} at 0x${at.toString(16)}`);
        owner.set(at, name);
      }
    }
    for (const { name, offset, width, alias } of rows)
      if (alias) for (let at = offset; at < offset + width / 8; at++) assert.ok(owner.has(at), name);
  });

  test(`${chip.key}: reset values and writable bits fit the width`, () => {
    for (const { name, width, reset, writable } of real)
      assert.ok(reset >>> 0 < 2 ** width && writable >>> 0 < 2 ** width, name);
  });

  test(`${chip.key}: in registers without side effects, only writable bits change`, () => {
    const guest = new Guest({ chip });
    const bar = chip.profile.function.registersBar;
    guest.nic.write(bar, Cfg9346, 1, Lock.unlock);
    for (const { name, offset, width, writable, onWrite, onRead, reset } of real) {
      if (onWrite !== undefined || onRead !== undefined || name === "Cfg9346") continue;
      const bytes = (width / 8) as 1 | 2 | 4;
      const before = guest.nic.read(bar, offset, bytes);
      guest.nic.write(bar, offset, bytes, 2 ** width - 1);
      assert.equal(guest.nic.read(bar, offset, bytes), (before | writable) >>> 0, name);
      guest.nic.write(bar, offset, bytes, 0);
      assert.equal(guest.nic.read(bar, offset, bytes), (before & ~writable) >>> 0, name);
      guest.nic.write(bar, offset, bytes, reset);
    }
    assert.equal(guest.nic.offences.unknown, 0);
  });
}
