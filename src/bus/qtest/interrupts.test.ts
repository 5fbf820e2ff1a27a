import assert from "node:assert/strict";
import { test } from "node:test";
import { PinInterrupt } from "./interrupts.ts";

test("an interrupt is pending as long as the device requests it", () => {
  const pin = new PinInterrupt({ poll: () => {} });
  using line = pin.request(0);
  line.unmask();
  assert.equal(line.take(), false);
  pin.change(true);
  assert.ok(pin.pending);
  assert.ok(line.take());
  assert.ok(line.take(), "the request was not withdrawn");
  pin.change(false);
  assert.equal(line.take(), false);
  assert.equal(pin.raised, 1);
});

test("an interrupt that the device withdraws before `take` is still reported once", () => {
  const pin = new PinInterrupt({ poll: () => {} });
  using line = pin.request(0);
  line.unmask();
  pin.change(true);
  pin.change(false);
  assert.ok(line.take());
  assert.equal(line.take(), false);
});

test("a masked line reports nothing; after unmasking, it reports an interrupt that is still pending", () => {
  const pin = new PinInterrupt({ poll: () => {} });
  using line = pin.request(0);
  pin.change(true);
  pin.change(false);
  assert.equal(line.take(), false);
  line.unmask();
  assert.equal(line.take(), false, "a request that was withdrawn while the line was masked is not reported");
  line.mask();
  pin.change(true);
  assert.equal(line.take(), false);
  line.unmask();
  assert.ok(line.take());
});

test("a line reads new messages before it reports that there is no event", () => {
  const pin: PinInterrupt = new PinInterrupt({ poll: () => pin.change(true) });
  using line = pin.request(0);
  line.unmask();
  assert.ok(line.take());
});

test("there is one vector, with one owner at a time", () => {
  const pin = new PinInterrupt({ poll: () => {} });
  assert.throws(() => pin.request(1), { code: "OUT_OF_RANGE" });
  const line = pin.request(0);
  assert.throws(() => pin.request(0), { code: "OUT_OF_RANGE" });
  line[Symbol.dispose]();
  assert.throws(() => line.take(), { code: "REVOKED" });
  pin.request(0)[Symbol.dispose]();
});
