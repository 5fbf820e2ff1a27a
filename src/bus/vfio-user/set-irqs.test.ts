import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd } from "#sys/eventfd.ts";
import { Open, openFile } from "#sys/fd.ts";
import { createMemory } from "#sys/mapping.ts";
import { IRQ_SET } from "./codec.ts";
import { Rig, body, openDescriptors } from "./peer.test-kit.ts";
import { Command, Irq, Refused, SetFlag } from "./protocol.ts";

const { none, bool, eventfd, mask, unmask, trigger } = SetFlag;

const withEvents = (
  count: number,
  act: (rig: Rig, events: readonly EventFd[], fds: readonly number[]) => void,
): void => {
  using rig = new Rig();
  using scope = new DisposableStack();
  const events = Array.from({ length: count }, () => scope.use(EventFd.create()));
  act(
    rig,
    events,
    events.map(({ number }) => number),
  );
};
const drained = (events: readonly EventFd[]): boolean[] => events.map((event) => event.drain());

test("invalid requests are rejected, and their descriptors closed", () => {
  withEvents(4, (rig, _, fds) => {
    const one = fds.slice(0, 1);
    const before = openDescriptors();
    for (const [flags, index, start, count, sent] of [
      [eventfd | trigger, 5, 0, 1, one],
      [eventfd | trigger, Irq.msix, 3, 1, one],
      [eventfd | trigger, Irq.msix, 0, 4, fds],
      [eventfd | trigger, Irq.msix, 0xffff_ffff, 2, fds],
      [eventfd | trigger, Irq.msix, 0, 2, one],
      [eventfd | trigger, Irq.msix, 0, 1, fds],
      [eventfd | trigger, Irq.msix, 0, 0, []],
      [eventfd | none | trigger, Irq.msix, 0, 1, one],
      [eventfd | trigger | mask, Irq.msix, 0, 1, one],
      [eventfd, Irq.msix, 0, 1, one],
      [trigger, Irq.msix, 0, 1, []],
      [0, Irq.msix, 0, 1, []],
      [none | trigger | 64, Irq.msix, 0, 1, []],
      [none | trigger, Irq.msix, 0, 1, one],
      [bool | trigger, Irq.msix, 0, 1, []],
      [none | mask, Irq.msix, 0, 0, []],
      [none | mask, Irq.request, 0, 1, []],
    ] as const)
      assert.equal(
        rig.irqs({ flags, index, start, count }, sent),
        Refused.EINVAL,
        `${flags} ${index} ${start} ${count}`,
      );
    assert.equal(rig.irqs({ flags: eventfd | unmask, index: Irq.intx, start: 0, count: 1 }, one), Refused.EOPNOTSUPP);
    const values = { argsz: IRQ_SET.bytes, flags: none | trigger, index: 0, start: 0, count: 1 };
    const whole = body(IRQ_SET, values);
    assert.equal(rig.error(Command.setIrqs, whole.subarray(0, 19), one), Refused.EINVAL);
    assert.equal(rig.error(Command.setIrqs, body(IRQ_SET, { ...values, argsz: 19 })), Refused.EINVAL);
    assert.equal(rig.error(Command.setIrqs, body(IRQ_SET, { ...values, argsz: 21 })), Refused.EINVAL);
    assert.equal(openDescriptors(), before);
  });
});

test("a descriptor that is not an eventfd is rejected, because it would be written to", () => {
  using rig = new Rig();
  using memory = createMemory("victim", 4096);
  using zero = openFile("/dev/null", Open.readWrite);
  using event = EventFd.create();
  for (const fds of [[memory.number], [zero.number], [event.number, memory.number]])
    assert.equal(
      rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 0, count: fds.length }, fds),
      Refused.EINVAL,
    );
  rig.device.raise(0);
  assert.equal(event.drain(), false);
});

test("eventfds are set for their vectors; a request without descriptors removes them", () => {
  withEvents(3, (rig, events, fds) => {
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 0, count: 3 }, fds), 0);
    rig.device.raise(1);
    assert.deepEqual(drained(events), [false, true, false]);
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 1, count: 1 }), 0);
    rig.device.raise(1);
    rig.device.raise(2);
    assert.deepEqual(drained(events), [false, false, true]);
    // Vector 1 was raised while it had no eventfd. The interrupt is signalled when an eventfd is set again.
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 1, count: 1 }, fds.slice(1, 2)), 0);
    assert.deepEqual(drained(events), [false, true, false]);
    assert.equal(rig.irqs({ flags: none | trigger, index: Irq.msix, start: 0, count: 0 }), 0);
    rig.device.raise(0);
    assert.deepEqual(drained(events), [false, false, false]);
  });
});

test("without MSI-X, MSI is used; if it has too few vectors, several vectors of the device share one", () => {
  withEvents(2, (rig, events, fds) => {
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.msi, start: 0, count: 2 }, fds), 0);
    rig.device.raise(0);
    rig.device.raise(3);
    assert.deepEqual(drained(events), [true, true]);
  });
});

test("a masked message is held until it is unmasked, and is then signalled once", () => {
  withEvents(1, (rig, events, fds) => {
    const set = (flags: number): number => rig.irqs({ flags, index: Irq.msix, start: 0, count: 1 });
    rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 0, count: 1 }, fds);
    assert.equal(set(none | mask), 0);
    rig.device.raise(0);
    rig.device.raise(0);
    assert.deepEqual(drained(events), [false]);
    assert.equal(set(none | unmask), 0);
    assert.deepEqual(drained(events), [true]);
    assert.equal(set(none | unmask), 0);
    assert.deepEqual(drained(events), [false]);
  });
});

test("INTx is masked when signalled, and signalled again while the line is high", () => {
  withEvents(1, (rig, events, fds) => {
    const set = (flags: number): number => rig.irqs({ flags, index: Irq.intx, start: 0, count: 1 });
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.intx, start: 0, count: 1 }, fds), 0);
    rig.device.level = true;
    rig.device.raise(0);
    assert.deepEqual(drained(events), [true]);
    rig.device.raise(0);
    assert.deepEqual(drained(events), [false]);
    assert.equal(set(none | unmask), 0);
    assert.deepEqual(drained(events), [true], "still high");
    rig.device.level = false;
    assert.equal(set(none | unmask), 0);
    assert.deepEqual(drained(events), [false], "low again");
    rig.device.level = true;
    rig.device.raise(0);
    assert.deepEqual(drained(events), [true]);
  });
});

test("a line that is already high is signalled when an eventfd is set", () => {
  withEvents(1, (rig, events, fds) => {
    rig.device.level = true;
    rig.device.raise(0);
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.intx, start: 0, count: 1 }, fds), 0);
    assert.deepEqual(drained(events), [true]);
  });
});

test("the client may trigger interrupts itself: all of them, or those that a byte selects", () => {
  withEvents(3, (rig, events, fds) => {
    rig.irqs({ flags: eventfd | trigger, index: Irq.msix, start: 0, count: 3 }, fds);
    assert.equal(rig.irqs({ flags: none | trigger, index: Irq.msix, start: 1, count: 2 }), 0);
    assert.deepEqual(drained(events), [false, true, true]);
    const flags = bool | trigger;
    assert.equal(rig.irqs({ flags, index: Irq.msix, start: 0, count: 3 }, [], Uint8Array.of(1, 0, 9)), 0);
    assert.deepEqual(drained(events), [true, false, true]);
  });
});

test("the server can request the release of the device, if the client supports that", () => {
  withEvents(1, (rig, events, fds) => {
    assert.equal(rig.server.requestUnplug(), false);
    assert.equal(rig.irqs({ flags: eventfd | trigger, index: Irq.request, start: 0, count: 1 }, fds), 0);
    rig.device.raise(0);
    assert.deepEqual(drained(events), [false], "a request that was reported as refused is not delivered later");
    assert.equal(rig.server.requestUnplug(), true);
    assert.deepEqual(drained(events), [true]);
  });
});
