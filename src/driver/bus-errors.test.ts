/** Bus errors in the PCI status register. Bits and their meaning: PCI 3.0, 6.2.3, figure 6-3. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mmio } from "#kit/mmio.ts";
import { takeBusErrors } from "./bus-errors.ts";

const ERRORS = [
  [0x0100, "data parity error"],
  [0x0800, "target abort signalled"],
  [0x1000, "target abort received"],
  [0x2000, "master abort received"],
  [0x4000, "system error signalled"],
  [0x8000, "parity error detected"],
] as const;

const configOf = (status: number) => {
  const writes: (readonly number[])[] = [];
  const write = (...access: readonly number[]): void => void writes.push(access);
  return { config: new Mmio({ length: 256, read: (offset) => (offset === 6 ? status : 0), write }), writes };
};

test("each error bit of the PCI status has its name, and is cleared by writing it back", () => {
  // The bits for capabilities, fast back-to-back and DEVSEL timing do not report errors.
  for (const [bit, name] of ERRORS) {
    const { config, writes } = configOf(bit | 0x0290);
    assert.deepEqual(takeBusErrors(config), [name]);
    assert.deepEqual(writes, [[6, 2, bit]]);
  }
  const { config, writes } = configOf(0xf900);
  assert.deepEqual(
    takeBusErrors(config),
    ERRORS.map(([, name]) => name),
  );
  assert.deepEqual(writes, [[6, 2, 0xf900]]);
});

test("nothing is written if the status shows no error or the card has left the bus", () => {
  for (const status of [0, 0x0290, 0xffff]) {
    const { config, writes } = configOf(status);
    assert.deepEqual(takeBusErrors(config), []);
    assert.deepEqual(writes, []);
  }
});
