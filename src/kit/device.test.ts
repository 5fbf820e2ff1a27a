import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, type Driver, matches, UnsupportedDevice, type PciDevice } from "./device.ts";
import { DmaArena } from "./dma.ts";
import { FerruleError, OutOfRange, Revoked } from "./errors.ts";
import { SoftInterrupts } from "./line.ts";
import { Mmio } from "./mmio.ts";

const ID = { vendor: 0x10ec, device: 0x8168, subsystemVendor: 0x10ec, subsystemDevice: 0x0123, revision: 0x15 };

const device = (): PciDevice => {
  const silent = { length: 256, read: () => 0, write: () => {} };
  return {
    name: "test:0",
    id: ID,
    config: new Mmio(silent),
    registers: new Mmio(silent),
    dma: new DmaArena(new ArrayBuffer(4096), 0),
    interrupts: new SoftInterrupts(1),
    power: { wakesFrom: { d3hot: false, d3cold: false }, allowWake: () => {}, sleep: () => {}, wake: () => false },
    setBusMaster: () => {},
  };
};

const STEPS = 5;

/** Acquires STEPS resources one after another, logs each acquisition and release, and fails before step `failAt`. */
const greedy = (log: string[], failAt: number): Driver<string, { greeting: string }> => ({
  name: "greedy",
  ids: [{ vendor: 0x10ec, device: 0x8168 }],
  probe: (_device, scope, options) => {
    for (let step = 0; step < STEPS; step++) {
      if (step === failAt) throw new RangeError(`step ${step}`);
      log.push(`+${step}`);
      scope.defer(() => log.push(`-${step}`));
    }
    if (failAt === STEPS) throw new RangeError(`step ${STEPS}`);
    return options.greeting;
  },
});

for (let failAt = 0; failAt <= STEPS; failAt++)
  test(`a probe that fails after ${failAt} acquisitions releases them in reverse order`, () => {
    const log: string[] = [];
    assert.throws(() => bind(greedy(log, failAt), device(), { greeting: "" }), new RangeError(`step ${failAt}`));
    const taken = Array.from({ length: failAt }, (_, step) => `+${step}`);
    const freed = Array.from({ length: failAt }, (_, step) => `-${failAt - 1 - step}`);
    assert.deepEqual(log, [...taken, ...freed]);
  });

test("resources that a failing probe has acquired can be acquired again", () => {
  const card = device();
  const broken: Driver<never, undefined> = {
    name: "broken",
    ids: [ID],
    probe: (device, scope) => {
      scope.use(device.dma.allocate({ what: "rings", bytes: 4096, align: 256, direction: "both" }));
      scope.use(device.interrupts.request(0));
      throw new RangeError("no link");
    },
  };
  for (let i = 0; i < 3; i++) assert.throws(() => bind(broken, card, undefined), /no link/);
});

test("unbinding releases everything in reverse order, once", () => {
  const log: string[] = [];
  const bound = bind(greedy(log, -1), device(), { greeting: "hello" });
  assert.equal(bound.state, "bound");
  assert.equal(bound.driver, "hello");
  log.length = 0;
  bound[Symbol.dispose]();
  bound[Symbol.dispose]();
  bound.lost();
  assert.deepEqual(log, ["-4", "-3", "-2", "-1", "-0"]);
  assert.equal(bound.state, "unbound");
  assert.throws(() => bound.driver, new Revoked("test:0"));
});

test("when a device is gone, everything that its driver acquired is released too, and its state is `gone`", () => {
  const log: string[] = [];
  const bound = bind(greedy(log, -1), device(), { greeting: "" });
  log.length = 0;
  bound.lost();
  bound[Symbol.dispose]();
  assert.equal(log.length, STEPS);
  assert.equal(bound.state, "gone");
  assert.throws(() => bound.driver, Revoked);
});

test("a failure to release one resource does not prevent the release of the others", () => {
  const log: string[] = [];
  const clumsy: Driver<string, undefined> = {
    name: "clumsy",
    ids: [ID],
    probe: (_device, scope) => {
      scope.defer(() => log.push("first"));
      scope.defer(() => {
        throw new RangeError("stuck");
      });
      scope.defer(() => log.push("last"));
      return "";
    },
  };
  const bound = bind(clumsy, device(), undefined);
  assert.throws(() => bound[Symbol.dispose](), /stuck/);
  assert.deepEqual(log, ["last", "first"]);
  assert.equal(bound.state, "unbound");
});

test("a driver's probe may return nothing", () => {
  const quiet: Driver<undefined, undefined> = { name: "quiet", ids: [ID], probe: () => undefined };
  using bound = bind(quiet, device(), undefined);
  assert.equal(bound.driver, undefined);
});

test("a driver rejects a device that is not in its table", () => {
  const other: Driver<string, undefined> = {
    name: "other",
    ids: [{ vendor: 0x10ec, device: 0x8139 }],
    probe: () => "",
  };
  assert.throws(
    () => bind(other, device(), undefined),
    (error: unknown) =>
      error instanceof UnsupportedDevice &&
      error instanceof FerruleError &&
      error.message === "other does not support device 10ec:8168",
  );
});

test("a row of the id table matches a device if all fields of the row have the device's values; a missing field matches any value", () => {
  const row = { vendor: 0x10ec, device: 0x8168 };
  assert.ok(matches(row, ID));
  assert.ok(matches({ ...row, subsystemDevice: 0x0123 }, ID));
  assert.ok(matches({ ...row, subsystemVendor: 0x10ec, subsystemDevice: 0x0123 }, ID));
  assert.ok(!matches({ ...row, subsystemDevice: 0x0124 }, ID));
  assert.ok(!matches({ ...row, subsystemVendor: 0 }, ID));
  assert.ok(!matches({ ...row, vendor: 0x10ff }, ID));
  assert.ok(!matches({ ...row, device: 0x8169 }, ID));
});

test("an error while resources are released does not hide an earlier error", () => {
  const failing: Driver<string, undefined> = {
    name: "failing",
    ids: [ID],
    probe(_device, scope) {
      scope.defer(() => {
        throw new OutOfRange("released last");
      });
      scope.defer(() => {
        throw new OutOfRange("released first");
      });
      return "driver";
    },
  };
  assert.throws(() => bind(failing, device(), undefined)[Symbol.dispose](), {
    code: "OUT_OF_RANGE",
    message: "released first",
  });
  const half: Driver<string, undefined> = {
    ...failing,
    probe(of, scope, options) {
      failing.probe(of, scope, options);
      throw new OutOfRange("probe failed");
    },
  };
  assert.throws(() => bind(half, device(), undefined), { code: "OUT_OF_RANGE", message: "probe failed" });
});
