/** Operations in the driver's thread: they run in slices and in order, and each gets one reply. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { DeviceGone, OutOfRange } from "#kit/errors.ts";
import { type Argument, isArgument } from "./argument.ts";
import { type Operated, type Operation, OPERATION_MICROS, Operations } from "./operations.ts";
import { QueueStuck } from "./queue-threads.ts";
import type { Report } from "./session-messages.ts";

/** Returns an executor for operations that need no NIC. */
const bench = (table: Readonly<Record<string, Operation>>) => {
  const clock = new VirtualClock();
  const reports: Report[] = [];
  const on = {} as Operated;
  const operations = new Operations({ table, on, clock, report: (report) => reports.push(report) });
  let id = 0;
  const ask = (operation: string, argument: Argument = {}, limitMillis = 25_000): void =>
    operations.submit({ command: "operate", id: ++id, operation, argument, limitMillis });
  const codes = (): unknown[] => reports.map((each) => (each.report === "answer" ? each.error?.code : undefined));
  return { clock, reports, operations, ask, codes };
};

test("operations are answered in order, each under its own number", () => {
  const { reports, operations, ask } = bench({ echo: (_, argument) => argument });
  ask("echo", { a: 1 });
  ask("echo", { b: [1, 2] });
  assert.equal(operations.pending, true);
  operations.run();
  assert.deepEqual(reports, [
    { report: "answer", id: 1, value: { a: 1 } },
    { report: "answer", id: 2, value: { b: [1, 2] } },
  ]);
  assert.equal(operations.pending, false);
});

test("a slow operation yields the thread between its steps, and other operations wait for it", () => {
  const { clock, reports, operations, ask } = bench({
    *slow() {
      for (let step = 0; step < 5; step++) {
        clock.delay(150);
        yield;
      }
      return { steps: 5 };
    },
    quick: () => ({}),
  });
  ask("slow");
  ask("quick");
  let slices = 0;
  for (; operations.pending; slices++) {
    const before = clock.now();
    operations.run();
    assert.ok(clock.now() - before <= 300, "a slice ends with the first step that ends after the slice's limit");
  }
  assert.equal(slices, 3);
  assert.deepEqual(
    reports.map((each) => each.report === "answer" && each.id),
    [1, 2],
  );
});

test("an exception of an operation is sent as its reply, and the next operation is executed", () => {
  const { operations, ask, codes } = bench({
    picky: () => {
      throw new OutOfRange("no");
    },
    *late() {
      yield;
      throw new OutOfRange("still no");
    },
    quick: () => ({}),
  });
  for (const name of ["picky", "late", "toString", "missing", "quick"]) ask(name);
  operations.run();
  assert.deepEqual(codes(), ["OUT_OF_RANGE", "OUT_OF_RANGE", "UNKNOWN_OPERATION", "UNKNOWN_OPERATION", undefined]);
});

for (const error of [new DeviceGone("IntrStatus"), new QueueStuck(1)])
  test(`${error.code} is sent as the operation's reply, and then thrown`, () => {
    const { operations, ask, codes } = bench({
      fails: () => {
        throw error;
      },
    });
    ask("fails");
    assert.throws(() => operations.run(), error);
    assert.deepEqual(codes(), [error.code]);
  });

test("an operation that does not end is aborted, and restores what it changed", () => {
  let restored = false;
  const { clock, operations, ask, codes } = bench({
    *endless() {
      try {
        for (;;) yield clock.delay(1000);
      } finally {
        restored = true;
      }
    },
  });
  ask("endless");
  for (const end = clock.now() + 2 * OPERATION_MICROS; operations.pending && clock.now() < end;) operations.run();
  assert.deepEqual(codes(), ["TIMEOUT"]);
  assert.equal(restored, true);
});

test("operations above the limit are rejected, not queued", () => {
  const { operations, ask, codes } = bench({ quick: () => ({}) });
  for (let i = 0; i < 100; i++) ask("quick");
  assert.equal(codes().filter((code) => code === "TOO_MANY_OPERATIONS").length, 84);
  operations.run();
  assert.equal(codes().filter((code) => code === undefined).length, 16);
});

test("an operation that is running when the thread ends restores what it changed", () => {
  let restored = false;
  const { clock, operations, ask } = bench({
    *long() {
      try {
        for (;;) yield clock.delay(1000);
      } finally {
        restored = true;
      }
    },
  });
  ask("long");
  operations.run();
  operations[Symbol.dispose]();
  assert.equal(restored, true);
  assert.equal(operations.pending, false);
});

test("an argument is one flat object of bounded size", () => {
  assert.equal(isArgument({ rx: 256, key: "aa", on: true, table: [0, 1] }), true);
  const wide = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i]));
  const long = { table: Array.from({ length: 1025 }, () => 0) };
  for (const bad of [
    undefined,
    null,
    1,
    "x",
    [1],
    { a: { b: 1 } },
    { a: null },
    { a: [[1]] },
    { a: ["x"] },
    wide,
    long,
  ])
    assert.equal(isArgument(bad), false, JSON.stringify(bad));
});

/** An operation that takes this time, in steps of half a second, and calls `done` when it ends. */
const blink = (micros: number, done: () => void): Operation =>
  function* () {
    try {
      for (let left = micros; left > 0; left -= 500_000) yield 500_000;
      return {};
    } finally {
      done();
    }
  };

/** Runs the operations for this time, once per millisecond as the thread's loop does. */
const turn = ({ operations, clock }: ReturnType<typeof bench>, micros: number): void => {
  for (const until = clock.now() + micros; clock.now() < until; clock.delay(1000)) operations.run();
};

test("an operation whose requester has given up is rejected, not started", () => {
  const begun: string[] = [];
  const on = bench({ blink: blink(15_000_000, () => {}), quick: () => ({ at: begun.push("quick") }) });
  on.ask("blink");
  on.ask("quick", {}, 5000);
  on.ask("quick", {}, 20_000);
  turn(on, 16_000_000);
  assert.deepEqual(on.codes(), [undefined, "OPERATION_TOO_LATE", undefined]);
  assert.deepEqual(begun, ["quick"]);
});

test("a slow operation is aborted when its requester has given up", () => {
  let restored = false;
  const on = bench({ blink: blink(15_000_000, () => (restored = true)) });
  on.ask("blink", {}, 5000);
  turn(on, 5_500_000);
  assert.deepEqual(on.codes(), ["TIMEOUT"]);
  assert.equal(restored, true);
});

for (const urgent of ["suspend", "resume", "handOver"])
  test(`"${urgent}" aborts a slow operation, which restores what it changed, and precedes waiting ones`, () => {
    const order: string[] = [];
    const on = bench({
      blink: blink(15_000_000, () => order.push("blink ends")),
      quick: () => ({ at: order.push("quick") }),
      [urgent]: () => ({ at: order.push(urgent) }),
      suspend: () => ({ at: order.push("suspend") }),
    });
    on.ask("blink");
    turn(on, 1_200_000);
    on.ask("quick");
    on.ask("suspend");
    on.ask(urgent);
    on.operations.run();
    assert.deepEqual(order, ["blink ends", "suspend", urgent, "quick"]);
    assert.deepEqual(on.codes(), ["OPERATION_ENDED", undefined, undefined, undefined]);
  });
