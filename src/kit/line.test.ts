import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutOfRange, Revoked } from "./errors.ts";
import { SoftInterrupts } from "./line.ts";

test("events of all vectors that share a line are delivered to the line, until it is released", () => {
  const interrupts = new SoftInterrupts(4);
  const line = interrupts.request([0, 3]);
  line.unmask();
  for (const vector of [0, 3]) {
    interrupts.raise(vector);
    assert.equal(line.take(), true);
  }
  interrupts.raise(1);
  assert.equal(line.take(), false);
  assert.throws(() => interrupts.request([1, 3]), OutOfRange);
  line[Symbol.dispose]();
  interrupts.request([1, 3])[Symbol.dispose]();
});

test("an event can be taken once, and several events before `take` become one", () => {
  const interrupts = new SoftInterrupts(1);
  const line = interrupts.request(0);
  assert.equal(line.fd, undefined);
  assert.equal(line.take(), false, "no event was raised");
  interrupts.raise(0);
  interrupts.raise(0);
  assert.equal(line.take(), true);
  assert.equal(line.take(), false);
});

test("events that arrive while the line is masked are held until `unmask`, and delivered as one", () => {
  const interrupts = new SoftInterrupts(1);
  const line = interrupts.request(0);
  line.mask();
  interrupts.raise(0);
  interrupts.raise(0);
  assert.equal(line.take(), false);
  line.unmask();
  assert.equal(line.take(), true);
  line.mask();
  line.unmask();
  assert.equal(line.take(), false);
});

test("a handler is called for each event at once, and at `unmask` once for all events since `mask`", () => {
  const interrupts = new SoftInterrupts(2);
  let calls = 0;
  const line = interrupts.request(1, () => calls++);
  interrupts.raise(1);
  assert.equal(calls, 1);
  assert.equal(line.take(), false, "the call has already delivered the event");
  line.mask();
  line.mask();
  interrupts.raise(1);
  interrupts.raise(1);
  assert.equal(calls, 1);
  line.unmask();
  line.unmask();
  assert.equal(calls, 2);
});

test("a handler is not called while it runs; an event that arrives meanwhile is delivered after it returns", () => {
  const interrupts = new SoftInterrupts(1);
  let depth = 0;
  let calls = 0;
  interrupts.request(0, () => {
    assert.equal(++depth, 1);
    if (++calls < 3) interrupts.raise(0);
    depth--;
  });
  interrupts.raise(0);
  assert.equal(calls, 3);
});

test("a handler that masks its line is not called again until the line is unmasked", () => {
  const interrupts = new SoftInterrupts(1);
  let calls = 0;
  const line = interrupts.request(0, () => {
    calls++;
    interrupts.raise(0);
    line.mask();
    interrupts.raise(0);
  });
  interrupts.raise(0);
  assert.equal(calls, 1);
  line.unmask();
  assert.equal(calls, 2);
});

test("a device that raises its interrupt whenever the handler runs does not hang the driver", () => {
  const interrupts = new SoftInterrupts(1);
  let calls = 0;
  let raging = true;
  const line = interrupts.request(0, () => {
    calls++;
    if (raging) interrupts.raise(0);
  });
  interrupts.raise(0);
  assert.ok(calls > 1 && calls < 10_000);
  raging = false;
  const before = calls;
  line.unmask();
  assert.equal(calls, before + 1, "the held event is not lost");
});

test("an error that a handler throws is passed on to the caller of `raise`, and the line works afterwards", () => {
  const interrupts = new SoftInterrupts(1);
  let broken = true;
  let calls = 0;
  interrupts.request(0, () => {
    calls++;
    if (broken) throw new RangeError("in the handler");
  });
  assert.throws(() => interrupts.raise(0), RangeError);
  broken = false;
  interrupts.raise(0);
  assert.equal(calls, 2);
});

test("a request is rejected for a vector that the device does not have or that is already requested", () => {
  const interrupts = new SoftInterrupts(2);
  interrupts.request(1);
  for (const vector of [1, 2, -1, 0.5, NaN]) assert.throws(() => interrupts.request(vector), OutOfRange);
  for (const vectors of [0, -1, 2049, 1.5, NaN]) assert.throws(() => new SoftInterrupts(vectors), OutOfRange);
});

test("an event for a vector that was not requested, or does not exist, is counted and dropped", () => {
  const interrupts = new SoftInterrupts(2);
  for (const vector of [0, 1, 2, -1, NaN]) interrupts.raise(vector);
  assert.equal(interrupts.stray, 5);
  assert.equal(interrupts.request(0).take(), false);
});

test("a released line delivers nothing and cannot be used, and its vector can be requested again", () => {
  const interrupts = new SoftInterrupts(1);
  let calls = 0;
  const line = interrupts.request(0, () => calls++);
  line.mask();
  interrupts.raise(0);
  line[Symbol.dispose]();
  interrupts.raise(0);
  assert.equal(calls, 0);
  for (const use of [() => line.take(), () => line.mask(), () => line.unmask()]) assert.throws(use, Revoked);
  const next = interrupts.request(0);
  assert.equal(next.take(), false, "an event of the previous owner is not pending");
  line[Symbol.dispose]();
  interrupts.raise(0);
  assert.equal(next.take(), true, "releasing twice does not take the line from its next owner");
});

test("a handler may release its own line", () => {
  const interrupts = new SoftInterrupts(1);
  let calls = 0;
  const line = interrupts.request(0, () => {
    calls++;
    interrupts.raise(0);
    line[Symbol.dispose]();
  });
  interrupts.raise(0);
  assert.equal(calls, 1);
});

test("after any sequence of raising and masking, an unmasked line has delivered everything that was raised", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("raise", "mask", "unmask", "take")), (steps) => {
      const interrupts = new SoftInterrupts(1);
      const line = interrupts.request(0);
      let masked = false;
      let held = false;
      let pending = false;
      for (const step of steps)
        if (step === "raise") {
          interrupts.raise(0);
          if (masked) held = true;
          else pending = true;
        } else if (step === "take") {
          assert.equal(line.take(), pending);
          pending = false;
        } else {
          line[step]();
          masked = step === "mask";
          if (!masked) {
            pending ||= held;
            held = false;
          }
        }
    }),
  );
});
