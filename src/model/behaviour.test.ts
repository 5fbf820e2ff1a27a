/** The behaviour table against the register map. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as chip from "#chip/registers.ts";
import { behaviour, type Behaviour, type RegisterName } from "./behaviour.ts";
import { Guest } from "./guest.test-kit.ts";
import { REGISTERS_END } from "./page.ts";

const OFFSETS: Readonly<Record<RegisterName, number>> = chip;
const rows = (Object.keys(behaviour) as RegisterName[]).map((name) => {
  const row: Behaviour = behaviour[name];
  return { name, offset: OFFSETS[name], ...row };
});

test("no two registers share a byte unless one is an alias", () => {
  const owner = new Map<number, string>();
  for (const { name, offset, width, alias } of rows)
    for (let at = offset; at < offset + (alias ? 0 : width / 8); at++) {
      assert.equal(owner.get(at), undefined, `${name} and ${owner.get(at)} at 0x${at.toString(16)}`);
      owner.set(at, name);
    }
});

test("an alias lies inside the register it is another name for", () => {
  for (const { name, offset, width, alias } of rows)
    if (alias)
      assert.ok(
        rows.some((r) => !r.alias && offset >= r.offset && offset + width / 8 <= r.offset + r.width / 8),
        name,
      );
});

test("every register is aligned to its width and lies below 0x100", () => {
  for (const { name, offset, width } of rows)
    assert.ok(offset % (width / 8) === 0 && offset + width / 8 <= REGISTERS_END, name);
});

test("reset values and writable bits fit the width", () => {
  for (const { name, width, reset, writable } of rows)
    assert.ok(reset >= 0 && reset < 2 ** width && writable >>> 0 < 2 ** width, name);
});

test("bits that are not writable stay, and those that are stick, in registers without effects", () => {
  for (const { name, offset, width, writable, onWrite, alias, reset } of rows) {
    if (onWrite !== undefined || alias || name === "TimerCount") continue;
    const guest = new Guest();
    guest.w8(chip.Cfg9346, chip.Lock.unlock);
    const bytes = (width / 8) as 1 | 2 | 4;
    guest.nic.write(2, offset, bytes, 2 ** width - 1);
    assert.equal(guest.nic.read(2, offset, bytes), (reset | writable) >>> 0, name);
    guest.nic.write(2, offset, bytes, 0);
    assert.equal(guest.nic.read(2, offset, bytes), (reset & ~writable) >>> 0, name);
  }
});
