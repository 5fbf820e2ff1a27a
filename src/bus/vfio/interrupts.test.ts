import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import type { InterruptKind } from "#kit/interrupts.ts";
import { Errno } from "#sys/errno.ts";
import { IrqAction } from "#sys/vfio-structs.ts";
import { InterruptsRefused } from "./errors.ts";
import { Irq, VfioInterrupts } from "./interrupts.ts";
import { ADDRESS, FakeKernel } from "./kernel.test-kit.ts";

const setUp = (kind?: InterruptKind) => {
  const kernel = new FakeKernel();
  const make = (): VfioInterrupts => new VfioInterrupts(kernel, kernel.device("card"), ADDRESS, kind);
  return { kernel, make };
};

test("the best interrupt type that the card has is used, or the requested one", () => {
  const { kernel, make } = setUp();
  assert.equal(make().kind, "msix");
  assert.equal(make().vectors, 4);
  const [intx, msi, , error, request] = kernel.irqs;
  const none = { count: 0, eventfd: true, automasked: false, fixed: true };
  kernel.irqs = [intx!, msi!, none, error!, request!];
  assert.equal(make().kind, "msi");
  kernel.irqs = [intx!, none, none, error!, request!];
  assert.equal(make().kind, "intx");
  kernel.irqs = [none, none, none, error!, request!];
  assert.throws(make, OutOfRange);
  assert.equal(setUp("intx").make().kind, "intx");
});

test("a driver can exclude interrupt types that do not work, before its first request", () => {
  const { kernel, make } = setUp();
  using interrupts = make();
  interrupts.request(0)[Symbol.dispose]();
  interrupts.limit("msi");
  assert.equal(interrupts.kind, "msi");
  // Vectors of the other kind are disabled.
  assert.deepEqual(kernel.sets.at(-1), { index: Irq.msix, start: 0, count: 0, action: IrqAction.off, fds: [] });
  interrupts.limit("intx");
  assert.equal(interrupts.kind, "intx");
  assert.equal(interrupts.vectors, 1);
  using _line = interrupts.request(0);
  assert.equal(kernel.sets.at(-1)?.index, Irq.intx);
  assert.throws(() => interrupts.limit("intx"), OutOfRange);
  assert.throws(() => setUp("msix").make().limit("msi"), OutOfRange);
});

test("a vector is signalled through its descriptor, and is disabled when its line is disposed", () => {
  const { kernel, make } = setUp();
  using interrupts = make();
  {
    using line = interrupts.request(0);
    const set = { index: Irq.msix, start: 0, count: 1, action: IrqAction.signal };
    assert.deepEqual(kernel.sets.at(-1), { ...set, fds: [line.fd] });
    assert.throws(() => interrupts.request(0), OutOfRange);
    line.unmask();
    kernel.events[0]!.raised = true;
    line.mask();
    assert.equal(line.take(), false);
    line.unmask();
    assert.equal(line.take(), true);
    assert.equal(line.take(), false);
    assert.ok(!kernel.calls.includes("unmask"));
  }
  assert.deepEqual(kernel.sets.at(-1)?.fds, [-1]);
  interrupts.request(0)[Symbol.dispose]();
  for (const wrong of [-1, 4, 0.5, NaN]) assert.throws(() => interrupts.request(wrong), OutOfRange);
});

test("vectors that can only be enabled together are enabled again with each new vector, and all are signalled once", () => {
  const { kernel, make } = setUp();
  using interrupts = make();
  using first = interrupts.request(1);
  assert.deepEqual(kernel.sets.at(-1)?.fds, [-1, first.fd]);
  using second = interrupts.request(3);
  assert.deepEqual(kernel.sets.at(-2), { index: Irq.msix, start: 0, count: 0, action: IrqAction.off, fds: [] });
  assert.deepEqual(kernel.sets.at(-1)?.fds, [-1, first.fd, -1, second.fd]);
  first.unmask();
  assert.equal(first.take(), true);
  // A vector that is already enabled only gets its descriptor.
  using third = interrupts.request(0);
  const set = { index: Irq.msix, start: 0, count: 1, action: IrqAction.signal };
  assert.deepEqual(kernel.sets.at(-1), { ...set, fds: [third.fd] });
});

test("vectors that share a line are enabled with one descriptor, and disabled together", () => {
  const { kernel, make } = setUp();
  using interrupts = make();
  const line = interrupts.request([0, 2, 3]);
  const fd = line.fd!;
  assert.deepEqual(kernel.sets[0]?.fds, [fd, -1, fd, fd]);
  line.unmask();
  kernel.events.find(({ number }) => number === fd)!.raised = true;
  assert.equal(line.take(), true);
  assert.throws(() => interrupts.request([1, 2]), OutOfRange);
  assert.throws(() => interrupts.request([1, 4]), OutOfRange);
  line[Symbol.dispose]();
  assert.deepEqual(
    kernel.sets.slice(-3).map(({ start, fds }) => [start, ...fds]),
    [
      [0, -1],
      [2, -1],
      [3, -1],
    ],
  );
  interrupts.request([0, 1, 2])[Symbol.dispose]();
});

test("INTx is a level, which the kernel masks when it occurs, and is enabled again at each unmask", () => {
  const { kernel, make } = setUp("intx");
  using interrupts = make();
  using line = interrupts.request(0);
  assert.equal(line.level, true);
  line.unmask();
  line.unmask();
  assert.equal(kernel.calls.filter((call) => call === "unmask").length, 2);
});

test("a failing kernel call leaks nothing", () => {
  const { kernel, make } = setUp();
  using interrupts = make();
  Object.assign(kernel, { failOn: "irqs", failWith: Errno.EBUSY });
  assert.throws(() => interrupts.request(0), InterruptsRefused);
  assert.ok(![...kernel.live].some((name) => name.startsWith("event")));
  kernel.failOn = "";
  interrupts.request(0)[Symbol.dispose]();
});
