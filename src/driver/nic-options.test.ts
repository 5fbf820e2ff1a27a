/** The options with which a NIC is brought up, tested on both sides of each limit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS, type Chip, chipNamed } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { checkMtu, checkOptions, checkSlots, firmwareOf, type NicOptions, slotsOf } from "./nic-options.ts";

const chip: Chip = chipNamed("rtl8168h")!;
const options: NicOptions = { clock: new VirtualClock(), mtu: 1500, weaklyOrdered: false };

test("the MTU is a whole number of bytes, from 68 to the chip's largest", () => {
  for (const mtu of [68, 1500, 9194]) assert.equal(checkMtu(chip, mtu), mtu);
  for (const mtu of [67, 9195, 1500.5, Number.NaN]) assert.throws(() => checkMtu(chip, mtu), { code: "BAD_MTU" });
});

test("the size of a ring is a power of two from 64 (2 in the options of `probe`) to the chip's limit, and 256 by default", () => {
  for (const slots of [64, 128, 4096]) assert.equal(checkSlots(chip, slots), slots);
  for (const slots of [0, -64, 32, 65, 96, 8192, 64.5])
    assert.throws(() => checkSlots(chip, slots), { code: "BAD_RING_SIZE" });
  assert.equal(slotsOf(chip, options), 256);
  assert.equal(slotsOf(LEGACY_CHIPS[0]!, options), 64);
  assert.equal(slotsOf(chip, { ...options, slots: 2 }), 2);
  assert.throws(() => slotsOf(chip, { ...options, slots: 1 }), { code: "BAD_RING_SIZE" });
});

test("a register window that is too small for the chip, and an address that is not unicast, are rejected", () => {
  checkOptions(chip, 4096, options);
  assert.throws(() => checkOptions(chip, 4095, options), { code: "OUT_OF_WINDOW" });
  checkOptions(chip, 4096, { ...options, address: Uint8Array.of(2, 0, 0, 0, 0, 1) });
  const address = Uint8Array.of(1, 0, 0, 0, 0, 1);
  assert.throws(() => checkOptions(chip, 4096, { ...options, address }), { code: "OUT_OF_RANGE" });
});

test("numbers and sizes of receive buffers that no ring can have are rejected before anything is allocated", () => {
  for (const spareBuffers of [-1, 0.5, NaN, Infinity])
    assert.throws(() => checkOptions(chip, 4096, { ...options, spareBuffers }), { code: "OUT_OF_RANGE" });
  for (const largestBuffer of [0, 56, 100, 64.5, -64, NaN])
    assert.throws(() => checkOptions(chip, 4096, { ...options, largestBuffer }), { code: "OUT_OF_RANGE" });
  checkOptions(chip, 4096, { ...options, spareBuffers: 0, largestBuffer: 64 });
});

test("receive hashing is accepted only on chips that support it", () => {
  const receiveHash = true;
  const without = chipNamed("rtl8168g")!;
  assert.throws(() => checkOptions(without, 4096, { ...options, receiveHash }), { code: "OUT_OF_RANGE" });
  checkOptions(chip, 4096, { ...options, receiveHash });
  checkOptions(chipNamed("rtl8125b")!, 65536, { ...options, receiveHash });
});

test("no file is read for a chip without firmware, and a chip whose file is missing runs without firmware", () => {
  const asked: string[] = [];
  const firmware = (file: string): undefined => void asked.push(file);
  assert.equal(firmwareOf(chipNamed("rtl8168b")!, { ...options, firmware }), undefined);
  assert.deepEqual(asked, []);
  assert.equal(firmwareOf(chip, { ...options, firmware }), undefined);
  assert.deepEqual(asked, ["rtl_nic/rtl8168h-2.fw"]);
  assert.equal(firmwareOf(chip, options), undefined);
});
