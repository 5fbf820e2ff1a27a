import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { OutOfRange } from "#kit/errors.ts";
import { checkFilter, multicastHash } from "./receive-filter.ts";

/** IPv4's all-hosts group is bit 31 of the hash, IPv6's all-nodes group bit 62. */
const ALL_HOSTS = Uint8Array.of(0x01, 0, 0x5e, 0, 0, 0x01);
const ALL_NODES = Uint8Array.of(0x33, 0x33, 0, 0, 0, 0x01);

test("the eight bytes of the hash filter are in reverse order on PCI Express chips", () => {
  const groups = [ALL_HOSTS, ALL_NODES];
  assert.deepEqual(multicastHash(chipNamed("rtl8169s")!, groups), { mar0: 0x8000_0000, mar4: 0x4000_0000 });
  assert.deepEqual(multicastHash(chipNamed("rtl8168h")!, groups), { mar0: 0x40, mar4: 0x80 });
});

test("a chip with a broken hash filter accepts every group once one is joined", () => {
  const chip = chipNamed("rtl8168f-480")!;
  assert.deepEqual(multicastHash(chip, [ALL_NODES]), { mar0: 0xffff_ffff, mar4: 0xffff_ffff });
  assert.deepEqual(multicastHash(chip, []), { mar0: 0, mar4: 0 });
});

test("an address that is not a group address is rejected", () => {
  for (const address of [Uint8Array.of(2, 0, 0, 0, 0, 1), ALL_NODES.subarray(1), new Uint8Array(0)])
    assert.throws(() => checkFilter({ promiscuous: false, groups: [address] }), OutOfRange);
});
