/** The events for which each chip raises an interrupt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chip, CHIPS, LEGACY_CHIPS } from "#chip/chips.ts";
import { Intr } from "#chip/registers.ts";
import { Events, handledEvents } from "./events.ts";

test("a system error is handled, except on the two chips that raise it without a reason", () => {
  const ignoring = CHIPS.filter((chip) => (handledEvents(chip) & Events.broken) === 0).map(({ key }) => key);
  assert.deepEqual(ignoring, ["rtl8117-54b", "rtl8117-54a"]);
});

test("a full receive FIFO raises an interrupt only on the gigabit PCI chips", () => {
  const handling = ([...CHIPS, ...LEGACY_CHIPS] as readonly Chip[]).filter(
    (chip) => (handledEvents(chip) & Intr.receiveFifoOverflow) !== 0,
  );
  const keys = CHIPS.map(({ key }) => key).filter((key) => /^rtl8(169|110)s/.test(key));
  assert.deepEqual(
    handling.map(({ key }) => key),
    keys,
  );
});
