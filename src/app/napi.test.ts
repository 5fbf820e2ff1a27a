/** Tests the states of polling with a fake NIC that only signals interrupts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Nic } from "#driver/rtl8169.ts";
import { Napi, type Outcome, runNapi } from "./napi.ts";

/** The parts of a NIC that polling uses, with a log of the calls. */
class Signals {
  done: string[] = [];
  /** The NIC's interrupt status. */
  cause = 0;
  raised = false;
  waiting = false;
  readonly line = {
    level: false as boolean,
    take: (): boolean => {
      const { raised } = this;
      this.raised = false;
      return raised;
    },
    unmask: (): void => void this.done.push("line unmasked"),
  };

  raise(cause: number): void {
    this.raised = true;
    this.cause = cause;
  }
  interrupt(): number {
    const { cause } = this;
    if (cause !== 0) this.done.push("masked");
    return this.acknowledge();
  }
  acknowledge(): number {
    const { cause } = this;
    this.cause = 0;
    return cause;
  }
  mask(): void {
    this.done.push("masked");
  }
  unmask(): void {
    this.done.push("unmasked");
  }
}

const setUp = () => {
  const nic = new Signals();
  const handled: number[] = [];
  const napi: Napi = new Napi(nic as unknown as Nic, (events) => void handled.push(events));
  napi.start();
  return { nic, napi, handled };
};

test("an interrupt masks further ones until there is no work left", () => {
  const { nic, napi, handled } = setUp();
  nic.raise(4);
  napi.interrupt();
  assert.equal(napi.state, "polling");
  assert.deepEqual([napi.interrupts, handled], [1, [4]]);
  assert.equal(napi.complete(), true);
  assert.equal(napi.state, "armed");
  assert.deepEqual(nic.done, ["masked", "line unmasked", "unmasked"]);
});

test("a spurious interrupt is counted and has no other effect", () => {
  const { nic, napi, handled } = setUp();
  nic.raise(0);
  napi.interrupt();
  assert.deepEqual([napi.state, napi.spurious, napi.interrupts, handled], ["armed", 1, 0, []]);
  assert.deepEqual(nic.done, ["line unmasked"]);
});

test("a frame that arrived just before interrupts were enabled keeps the thread from sleeping", () => {
  const { nic, napi } = setUp();
  nic.raise(1);
  napi.interrupt();
  nic.waiting = true;
  assert.equal(napi.complete(), false);
  assert.equal(napi.state, "armed");
});

test("the host's frames start polling without a register read; the cause is read before polling ends", () => {
  const { nic, napi, handled } = setUp();
  napi.schedule();
  assert.equal(napi.state, "causeUnread");
  napi.schedule();
  assert.deepEqual(nic.done, ["masked"]);
  nic.cause = 4;
  assert.equal(napi.complete(), false);
  assert.deepEqual([napi.state, handled], ["polling", [4]]);
  assert.equal(napi.complete(), true);
  assert.equal(napi.state, "armed");
});

test("the host's frames do not mask a level-triggered interrupt", () => {
  const { nic, napi, handled } = setUp();
  nic.line.level = true;
  napi.schedule();
  assert.equal(napi.complete(), true);
  assert.deepEqual([napi.state, nic.done], ["armed", []]);
  nic.raise(4);
  napi.interrupt();
  assert.deepEqual([napi.state, handled], ["polling", [4]]);
});

test("polling without an interrupt ends at once if the status is empty", () => {
  const { nic, napi, handled } = setUp();
  napi.schedule();
  assert.equal(napi.complete(), true);
  assert.deepEqual([napi.state, handled], ["armed", []]);
  assert.deepEqual(nic.done, ["masked", "unmasked"]);
});

test("a NIC that is down neither polls nor has its interrupts enabled", () => {
  const { nic, napi, handled } = setUp();
  napi.stop();
  nic.raise(4);
  napi.interrupt();
  napi.schedule();
  napi.checkPresence();
  assert.equal(napi.complete(), true);
  assert.deepEqual([napi.state, handled], ["down", []]);
  assert.ok(!nic.done.includes("unmasked"));
});

test("a failure that stops the NIC while its events are handled leaves it down", () => {
  const nic = new Signals();
  const napi: Napi = new Napi(nic as unknown as Nic, () => napi.stop());
  napi.start();
  nic.raise(8);
  napi.interrupt();
  assert.equal(napi.state, "down");
  napi.start();
  napi.schedule();
  nic.cause = 8;
  assert.equal(napi.complete(), false);
  assert.equal(napi.state, "down");
});

/** Runs the loop for rounds with these outcomes, and returns its actions. The loop closes after the last round. */
const loop = (outcomes: readonly Outcome[], waiting: readonly boolean[] = []): readonly string[] => {
  const { nic, napi } = setUp();
  const done: string[] = [];
  let round = 0;
  runNapi(napi, {
    get closing() {
      return round === outcomes.length;
    },
    round: () => {
      nic.raise(1);
      napi.interrupt();
      nic.waiting = waiting[round] ?? false;
      return outcomes[round++]!;
    },
    housekeep: () => void done.push("housekeeping"),
    wait: (block) => void done.push(block ? "block" : "look"),
    handleError: (error) => {
      throw error;
    },
  });
  return done.filter((step) => step !== "housekeeping");
};

test("a thread with work checks its descriptors every 16 rounds, and blocks only without work", () => {
  const busy = Array.from({ length: 33 }, (): Outcome => "busy");
  assert.deepEqual(loop(busy), ["look", "look", "look"]);
  assert.deepEqual(loop(["idle"]), ["block"]);
  assert.deepEqual(loop(["busy", "busy", "idle"]), ["look", "block"]);
});

test("once the host has no more frames, the thread calls poll(2) after each round", () =>
  assert.deepEqual(loop(["busy", "hostDrained", "hostDrained"]), ["look", "look", "look"]));

test("work that arrived while interrupts were masked is done before the thread sleeps", () =>
  assert.deepEqual(loop(["idle", "idle"], [true, false]), ["block"]));
