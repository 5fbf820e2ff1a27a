/**
 * Tests the driver's thread before and after a suspend of the machine, with and without a notice to the thread
 * beforehand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ChipCmd, Cmd } from "#chip/registers.ts";
import type { SessionEvent } from "#app/session.ts";
import { SystemSleep } from "#app/sleep.ts";
import { formsOf, lettersOf } from "#app/wake-letters.ts";

/** Stands for the session, which these operations do not use. */
const NO_SESSION = undefined as never;

class Thread implements Disposable {
  readonly rig: DirectRig = openDirectRig();
  readonly events: SessionEvent[] = [];
  connected = 1;
  retired = 0;
  readonly failures: string[] = [];
  suspendedSeconds = 0;
  readonly sleep: SystemSleep;

  constructor() {
    this.rig.up();
    this.sleep = new SystemSleep({
      nic: this.rig.nic,
      clock: this.rig.clock,
      retire: () => this.retired++,
      connect: () => this.connected++,
      carrier: () => {},
      fail: (_cause, detail) => this.failures.push(detail),
      event: (event) => this.events.push(event),
      suspendedSeconds: () => this.suspendedSeconds,
    });
  }
  /**
   * Simulates that the machine was suspended for ten seconds, after which the thread continues. Returns whether the NIC
   * is awake then.
   */
  night(): boolean {
    this.suspendedSeconds += 10;
    this.rig.pass(300_000);
    return this.sleep.check();
  }
  operate(name: string): object {
    return this.sleep.operations[name]!(NO_SESSION, {});
  }
  [Symbol.dispose](): void {
    this.rig[Symbol.dispose]();
  }
}

test("suspend and resume: the NIC sleeps with wake-up armed, no health check accesses it meanwhile, and resume brings it up", () => {
  using thread = new Thread();
  thread.rig.nic.wake.armed = ["magic"];
  assert.deepEqual(thread.operate("suspend"), { asleep: true, armed: "g" });
  assert.equal(thread.rig.model.powerState, 3);
  assert.equal(thread.sleep.check(), false);
  assert.equal(thread.night(), true);
  assert.equal(thread.rig.model.powerState, 0);
  assert.deepEqual(thread.operate("resume"), { asleep: false, woken: false });
  assert.deepEqual(thread.events, [
    { kind: "power", state: "suspended", armed: "g" },
    { kind: "power", state: "resumed", woken: false },
  ]);
  assert.deepEqual([thread.retired, thread.connected], [1, 2]);
});

test("after a suspend without notice, the NIC is started again, and a warning says how to give notice", () => {
  using thread = new Thread();
  assert.equal(thread.sleep.check(), true);
  assert.equal(thread.night(), true);
  assert.deepEqual([thread.retired, thread.connected], [1, 2]);
  const [event] = thread.events;
  assert.ok(event?.kind === "warning" && event.hint.includes("system-sleep"));
  thread.rig.pass(300_000);
  thread.sleep.check();
  assert.equal(thread.events.length, 1);
});

test("a NIC whose reset does not end after a suspend without notice is left to recovery, and the thread continues", () => {
  using thread = new Thread();
  const { model } = thread.rig;
  const read = model.read.bind(model);
  model.read = (region, offset, width) => {
    const value = read(region, offset, width);
    return region === 2 && offset === ChipCmd ? value | Cmd.reset : value;
  };
  assert.equal(thread.night(), true);
  model.read = read;
  assert.deepEqual([thread.rig.nic.running, thread.connected], [false, 1]);
  assert.equal(thread.failures.length, 1);
  assert.match(thread.failures[0]!, /still in reset/);
});

test("a NIC that is handed over stays asleep and armed, whatever the clocks show", () => {
  using thread = new Thread();
  thread.rig.nic.wake.armed = ["link", "magic"];
  assert.deepEqual(thread.operate("handOver"), { asleep: true, armed: "pg" });
  assert.equal(thread.night(), false);
  assert.deepEqual(thread.operate("resume"), { asleep: true, woken: false });
  assert.equal(thread.rig.model.powerState, 3);
});

test("wake-up events have ethtool's letters, and any other letter is rejected with the list of them", () => {
  for (const letters of ["d", "g", "pumbg"]) assert.equal(lettersOf(formsOf(letters)), letters);
  for (const bad of ["", "x", "gd", "s"])
    assert.throws(
      () => formsOf(bad),
      (error: { hint?: string }) => error.hint!.includes("magic packet"),
      bad,
    );
});
