import assert from "node:assert/strict";
import { test } from "node:test";
import { Mmio, type RegisterBus } from "#kit/mmio.ts";
import { assignWindows, interruptPin } from "./pci.ts";

/** Configuration space whose base address registers store only the given bits. */
const configSpace = (masks: readonly number[], pin = 1): { config: Mmio; bars: Uint32Array } => {
  const bars = new Uint32Array(6);
  const bus: RegisterBus = {
    length: 256,
    read: (offset) => (offset === 0x3d ? pin : bars[(offset - 0x10) >> 2]!),
    write: (offset, _width, value) => {
      const bar = (offset - 0x10) >> 2;
      const mask = masks[bar] ?? 0;
      // The lowest bits are read-only and give the register's kind.
      const kind = (mask & 1) !== 0 ? 3 : 15;
      bars[bar] = (value & mask & ~kind) | (mask & kind);
    },
  };
  return { config: new Mmio(bus), bars };
};

test("I/O ports and memory get the address space that they need, and the first memory window has the registers", () => {
  const { config, bars } = configSpace([0xffff_ff01, 0xffff_ff00, 0, 0xffff_0000]);
  assert.deepEqual(assignWindows(config, "test"), { address: 0xe000_0000, bytes: 256 });
  assert.deepEqual([...bars], [0xc001, 0xe000_0000, 0, 0xe001_0000, 0, 0]);
});

test("a 64-bit address takes two base address registers, and its high half is cleared", () => {
  const { config, bars } = configSpace([0xffff_fe01, 0, 0xffff_f004, 0xffff_ffff, 0xffff_c00c, 0xffff_ffff]);
  assert.deepEqual(assignWindows(config, "test"), { address: 0xe000_0000, bytes: 4096 });
  assert.deepEqual([bars[2], bars[4]], [0xe000_0004, 0xe000_400c]);
});

test("the registers are in the requested BAR, or the function cannot be used", () => {
  const { config } = configSpace([0xffff_ff01, 0xffff_ff00, 0xffff_f004, 0xffff_ffff]);
  assert.deepEqual(assignWindows(config, "test", 2), { address: 0xe000_1000, bytes: 4096 });
  for (const bar of [0, 3, 4])
    assert.throws(() => assignWindows(config, "test", bar), {
      code: "QTEST_NO_FUNCTION",
      message: `test is not on the bus: a function without registers in memory at BAR ${bar}`,
    });
});

test("a function without registers in memory cannot be used", () => {
  const { config } = configSpace([0xffff_ff01]);
  assert.throws(() => assignWindows(config, "test"), { code: "QTEST_NO_FUNCTION" });
});

test("interrupts rotate over the four pins, slot by slot", () => {
  const pins = [1, 2, 3, 4, 5].map((slot) => interruptPin(configSpace([]).config, slot));
  assert.deepEqual(pins, [21, 22, 23, 20, 21]);
  assert.equal(interruptPin(configSpace([], 2).config, 1), 22);
  assert.equal(interruptPin(configSpace([], 0).config, 1), undefined, "none at all");
  assert.equal(interruptPin(configSpace([], 5).config, 1), undefined);
  assert.equal(interruptPin(configSpace([]).config, 25), undefined, "slot 25 depends on chipset registers");
});
