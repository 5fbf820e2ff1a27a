/** Layers of registers: later ones replace what they overlap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { ro16, rw16, rw32, rw8 } from "#kit/mmio.ts";
import { flatten, registerLayer } from "./layer.ts";

const RTL8168H = chipNamed("rtl8168h")!;
const names = (...layers: Parameters<typeof flatten>[0][number][]): string[] =>
  flatten(layers, RTL8168H).map(({ name, offset, width }) => `${name}@${offset}:${width}`);

const below = registerLayer(
  { First: rw16(0), Second: rw16(2), Third: rw32(4), ThirdLow: ro16(4) },
  {
    First: { width: 16, reset: 0, writable: 0 },
    Second: { width: 16, reset: 0, writable: 0 },
    Third: { width: 32, reset: 0, writable: 0 },
    ThirdLow: { width: 16, reset: 0, writable: 0, alias: true },
  },
);

test("a register of a later layer replaces all that it overlaps, even partially", () => {
  const wide = registerLayer({ Both: rw32(0) }, { Both: { width: 32, reset: 0, writable: 0 } });
  assert.deepEqual(names(below, wide), ["Both@0:32", "Third@4:32", "ThirdLow@4:16"]);
  const corner = registerLayer({ Corner: rw8(3) }, { Corner: { width: 8, reset: 0, writable: 0 } });
  assert.deepEqual(names(below, corner), ["First@0:16", "Corner@3:8", "Third@4:32", "ThirdLow@4:16"]);
});

test("when a register is replaced, its aliases are removed; an alias itself replaces no register", () => {
  const narrow = registerLayer({ Narrow: rw8(5) }, { Narrow: { width: 8, reset: 0, writable: 0 } });
  assert.deepEqual(names(below, narrow), ["First@0:16", "Second@2:16", "Narrow@5:8"]);
  const alias = registerLayer({ High: rw8(3) }, { High: { width: 8, reset: 0, writable: 0, alias: true } });
  assert.deepEqual(names(below, alias).slice(0, 3), ["First@0:16", "Second@2:16", "High@3:8"]);
});

test("rows and layers apply only to chips that have their register block, and values may depend on the chip", () => {
  const map = { Here: rw8(0), NotHere: rw8(1) };
  const rows = {
    Here: { width: 8, reset: (chip) => chip.speed / 10, writable: 1 },
    NotHere: { width: 8, reset: 0, writable: 0, on: "pci" },
  } as const satisfies Parameters<typeof registerLayer<typeof map>>[1];
  assert.deepEqual(names(registerLayer(map, rows)), ["Here@0:8"]);
  assert.equal(flatten([registerLayer(map, rows)], RTL8168H)[0]!.reset, 100);
  assert.deepEqual(names(registerLayer(map, rows, "serdes")), []);
});

test("registers of an array are numbered from 0", () => {
  const map = { Key: [rw32(0), rw32(4)] };
  assert.deepEqual(names(registerLayer(map, { Key: { width: 32, reset: 0, writable: 0 } })), [
    "Key0@0:32",
    "Key1@4:32",
  ]);
});
