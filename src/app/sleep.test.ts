/** Suspend, resume, reset and power-off in the driver's thread, with a chip that fails during these operations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChipCmd, Cmd } from "#chip/registers.ts";
import { Bench, skip } from "./driver-side.test-kit.ts";
import type { Argument } from "./argument.ts";
import type { AnswerReport } from "./session-messages.ts";

const D3HOT = 3;

/**
 * A `Bench` whose NIC has a link. While `inReset` is set, the chip's reset does not end. While `gone` is set, the card
 * does not respond.
 */
class SleepBench extends Bench {
  readonly trouble: { inReset: boolean; gone: boolean };
  #asked = 0;

  constructor() {
    const trouble = { inReset: false, gone: false };
    super((read) => (region, offset, width) => {
      if (trouble.gone) return (2 ** (8 * width) - 1) >>> 0;
      const value = read(region, offset, width);
      return trouble.inReset && region === 2 && offset === ChipCmd ? value | Cmd.reset : value;
    });
    this.trouble = trouble;
    this.run(300_000);
    assert.equal(this.statistics.linkUp, 1);
  }

  /** Requests an operation, and runs the loop until it has been executed. */
  ask(operation: string, argument: Argument = {}): AnswerReport {
    const id = ++this.#asked;
    this.driver.handleCommand({ command: "operate", id, operation, argument, limitMillis: 10_000 });
    try {
      this.driver.operations.run();
    } catch (error) {
      this.driver.handleError(error);
    }
    const answer = this.reports.find((report) => report.report === "answer" && report.id === id);
    assert.ok(answer?.report === "answer");
    return answer;
  }
}

test("a NIC that cannot be suspended because its reset does not end is restarted", { skip }, () => {
  using bench = new SleepBench();
  bench.trouble.inReset = true;
  assert.equal(bench.ask("suspend").error?.code, "RESET_TIMEOUT");
  bench.trouble.inReset = false;
  bench.run(5_000_000);
  assert.deepEqual([bench.statistics.linkUp, bench.statistics.restarts], [1, 1]);
  assert.equal(bench.occurrences("startFailures").length, 1);
  assert.deepEqual(bench.ask("suspend").value, { asleep: true, armed: "d" });
});

test("a NIC that does not come up when it is resumed is restarted", { skip }, () => {
  using bench = new SleepBench();
  bench.ask("suspend");
  bench.trouble.inReset = true;
  assert.equal(bench.ask("resume").error?.code, "RESET_TIMEOUT");
  bench.trouble.inReset = false;
  bench.run(5_000_000);
  assert.deepEqual([bench.statistics.linkUp, bench.statistics.restarts], [1, 1]);
});

test("a NIC that `handOver` cannot stop is restarted, because its session continues", { skip }, () => {
  using bench = new SleepBench();
  bench.trouble.inReset = true;
  assert.equal(bench.ask("handOver").error?.code, "RESET_TIMEOUT");
  bench.trouble.inReset = false;
  bench.run(5_000_000);
  assert.equal(bench.statistics.linkUp, 1);
});

test("a NIC that is down is not reset, and the reply says so", { skip }, () => {
  using bench = new SleepBench();
  bench.ask("suspend");
  assert.equal(bench.ask("reset").error?.code, "OUT_OF_RANGE");
  bench.ask("resume");
  assert.deepEqual(bench.ask("reset").value, {});
});

test(
  "the driver waits for a card that was removed while the NIC slept; the NIC runs again when the card returns",
  { skip },
  () => {
    using bench = new SleepBench();
    bench.ask("suspend");
    bench.trouble.gone = true;
    assert.equal(bench.ask("resume").error?.code, "DEVICE_GONE");
    bench.run(1_000_000);
    assert.equal(bench.occurrences("absences").length, 1);
    bench.trouble.gone = false;
    bench.run(5_000_000);
    assert.equal(bench.model.powerState, 0);
    assert.equal(bench.statistics.linkUp, 1);
  },
);

test("a card that was removed while the NIC slept and does not return ends the session", { skip }, () => {
  using bench = new SleepBench();
  bench.ask("suspend");
  bench.trouble.gone = true;
  bench.ask("resume");
  assert.throws(() => bench.run(5_000_000), { code: "DEVICE_GONE" });
});

test(
  "at power-off a NIC sleeps with the wake-up events armed by ethtool, and stays awake if there are none",
  { skip },
  () => {
    for (const [wol, state] of [
      ["g", D3HOT],
      ["d", 0],
    ] as const) {
      const bench = new SleepBench();
      assert.equal(bench.ask("setLink", { wol }).error, undefined);
      bench.driver.handleCommand({ command: "handOver" });
      bench[Symbol.dispose]();
      assert.equal(bench.model.powerState, state, wol);
    }
  },
);

test("a NIC that is closed during an offline self-test is stopped once, and not started again", { skip }, () => {
  const bench = new SleepBench();
  bench.driver.handleCommand({
    command: "operate",
    id: 99,
    operation: "selfTest",
    argument: { offline: true },
    limitMillis: 10_000,
  });
  for (let turns = 0; turns < 8; turns++) {
    bench.driver.operations.run();
    bench.run(1000);
  }
  assert.equal(bench.driver.operations.pending, true);
  bench.resets = 0;
  bench[Symbol.dispose]();
  assert.equal(bench.resets, 1);
});

test("at power-off during an offline self-test, the test ends before the NIC sleeps", { skip }, () => {
  const bench = new SleepBench();
  bench.ask("setLink", { wol: "g" });
  bench.driver.handleCommand({
    command: "operate",
    id: 99,
    operation: "selfTest",
    argument: { offline: true },
    limitMillis: 10_000,
  });
  for (let turns = 0; turns < 8; turns++) {
    bench.driver.operations.run();
    bench.run(1000);
  }
  bench.driver.handleCommand({ command: "handOver" });
  bench[Symbol.dispose]();
  assert.equal(bench.model.powerState, D3HOT);
});
