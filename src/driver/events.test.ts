/** The events for which each chip raises an interrupt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { Events, handledEvents } from "./events.ts";

test("a system error is handled, except on the two chips that raise it without a reason", () => {
  const ignoring = CHIPS.filter((chip) => (handledEvents(chip) & Events.broken) === 0).map(({ key }) => key);
  assert.deepEqual(ignoring, ["rtl8117-54b", "rtl8117-54a"]);
});
