import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { findCapability, wake } from "./power.ts";

const config = (bytes: Uint8Array): Mmio =>
  new Mmio({
    length: bytes.length,
    read: (offset, width) => {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
      return value;
    },
    write: (offset, width, value) => {
      for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
    },
  });

test("a capability is found in its list, and the search of a circular list ends", () => {
  const bytes = new Uint8Array(256);
  assert.equal(findCapability(config(bytes), 1), undefined);
  bytes[0x06] = 1 << 4;
  bytes[0x34] = 0x40;
  bytes.set([0x05, 0x50], 0x40);
  bytes.set([0x01, 0x40], 0x50);
  assert.equal(findCapability(config(bytes), 1), 0x50);
  assert.equal(findCapability(config(bytes), 0x11), undefined);
});

test("a function without power management, or in D0, is not changed", () => {
  const bytes = new Uint8Array(256);
  wake(config(bytes), new VirtualClock(), "card");
  bytes[0x06] = 1 << 4;
  bytes[0x34] = 0x40;
  bytes[0x40] = 1;
  bytes[0x45] = 0x81;
  wake(config(bytes), new VirtualClock(), "card");
  assert.equal(bytes[0x45], 0x81);
});
