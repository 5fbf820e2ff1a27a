/**
 * Recovery of a NIC that fails, tested on the model: each fault is detected, repaired within a budget, counted and
 * reported.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BusError } from "#bus/vfio/errors.ts";
import type { FaultName } from "#model/faults.ts";
import { CAUSES, type CauseName } from "./causes.ts";
import { Bench, WAIT_MICROS, skip } from "./driver-side.test-kit.ts";
import { NO_PAUSES } from "./pauses.ts";
import { RESTART_DELAYS_MICROS, STEADY_MICROS } from "./restart-budget.ts";

const BUDGET = RESTART_DELAYS_MICROS.length;
const second = 1_000_000;

/** A NIC with a link. */
const settled = (chip = "rtl8168h"): Bench => {
  const bench = new Bench(undefined, undefined, undefined, undefined, { chip, queues: 1 });
  bench.run(100_000);
  assert.equal(bench.statistics.linkUp, 1);
  return bench;
};

test("a NIC whose memory accesses all fail is restarted as often as the budget allows, then given up", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  assert.equal(bench.statistics.linkUp, 1);
  bench.model.faults.arm("dma-error");
  bench.resets = 0;
  // Each restart posts descriptors. An arriving frame makes the chip read one, and that read fails.
  const frame = new Uint8Array(64).fill(0xff);
  const traffic = (): void => {
    bench.model.receive(frame, 0, frame.length);
    bench.run(1000);
  };
  assert.throws(
    () => {
      for (let millis = 0; millis < 60_000; millis++) traffic();
    },
    { code: "NIC_GIVEN_UP", message: /system error/ },
  );
  // Taking a failing NIC down resets it, and so does bringing it up.
  assert.ok(bench.resets <= 3 * (BUDGET + 1), `${bench.resets} resets`);
  const messages = bench.occurrences("systemErrors");
  const reason = "the NIC reported a system error (master abort received)";
  assert.deepEqual(
    messages.map(({ message }) => message),
    Array.from({ length: BUDGET }, (_, i) => `${reason}: restarting the NIC (${i + 1} of at most ${BUDGET} restarts)`),
  );
  // The first restart is reported as a warning, the others as debug messages.
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ["warning", ...Array.from({ length: BUDGET - 1 }, () => "note")],
  );
  bench.driver.publish(NO_PAUSES);
  assert.equal(bench.statistics.restarts, BUDGET);
  assert.equal(bench.statistics.linkUp, 0);
});

test("a single bus error costs one restart, is counted and reported, and the link comes back", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(1000);
  const { linkChanges: before } = bench.statistics;
  bench.model.faults.arm("dma-error", { count: 1 });
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(second);
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(1000);
  // Counters continue from the totals of the old rings.
  const { restarts, systemErrors, linkUp, receivedFrames, linkChanges } = bench.statistics;
  assert.deepEqual(
    { restarts, systemErrors, linkUp, receivedFrames },
    { restarts: 1, systemErrors: 1, linkUp: 1, receivedFrames: 2 },
  );
  assert.equal(bench.occurrences("systemErrors").length, 1);
  assert.equal(linkChanges, before, "the PHY was not reset");
});

test("bus errors far apart never exhaust the budget", { skip }, () => {
  using bench = new Bench();
  for (let i = 0; i < BUDGET + 3; i++) {
    bench.run(100_000);
    bench.model.faults.arm("dma-error", { count: 1 });
    bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
    bench.run(10_000);
    bench.clock.delay(STEADY_MICROS);
  }
  assert.equal(bench.statistics.restarts, BUDGET + 3);
});

test("a NIC that hangs during an MTU change is restarted with the old MTU", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("stuck-reset", { count: 1 });
  bench.follow(9000);
  const answer = bench.reports.at(-1)!;
  assert.equal(answer.report === "mtuRefused" && answer.error.code, "RESET_TIMEOUT");
  bench.run(second);
  assert.deepEqual([bench.statistics.mtu, bench.statistics.linkUp, bench.statistics.restarts], [1500, 1, 1]);
});

test("a NIC whose reset never ends is given up, and its statistics can be read meanwhile", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("stuck-reset");
  bench.follow(9000);
  bench.driver.publish(NO_PAUSES);
  assert.deepEqual([bench.statistics.linkUp, bench.statistics.receiveFill], [0, 0]);
  assert.throws(() => bench.run(60 * second), { code: "NIC_GIVEN_UP", message: /still in reset/ });
});

test("the driver waits for a removed card; if the card does not return, the session ends", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("removal");
  assert.throws(() => bench.driver.napi.checkPresence(), { code: "DEVICE_GONE" });
  const start = bench.clock.now();
  assert.throws(() => bench.run(60 * second), { code: "DEVICE_GONE", hint: /unplugged/ });
  const waited = bench.clock.now() - start;
  // The driver looks for the card only at intervals, so it waits somewhat longer than WAIT_MICROS.
  assert.ok(waited >= WAIT_MICROS && waited < WAIT_MICROS + 200_000, `${waited} µs`);
  assert.deepEqual(
    bench.occurrences("absences").map(({ message }) => message),
    ["IntrStatus reads all ones: the device is gone: waiting up to 2 s for the card"],
  );
  assert.equal(bench.statistics.restarts, 0);
});

test("with a wait of 0 s a removed card ends the session at once", { skip }, () => {
  using bench = new Bench(undefined, undefined, undefined, 0);
  bench.run(100_000);
  bench.model.faults.arm("removal");
  assert.throws(() => bench.run(200_000), { code: "DEVICE_GONE" });
  assert.deepEqual(bench.warnings, []);
});

/** Asserts that the NIC has the MTU, filter and address that users set, and that frames pass. */
const assertSame = (bench: Bench, wanted: number): void => {
  const { mtu, linkUp } = bench.statistics;
  assert.deepEqual({ mtu, linkUp }, { mtu: wanted, linkUp: 1 });
  const before = bench.statistics.receivedFrames;
  const frame = new Uint8Array(wanted + 14);
  frame.set(OTHER);
  for (const group of [GROUP, Uint8Array.of(1, 0, 0x5e, 0x7f, 0, 2)]) {
    bench.model.receive(frame, 0, frame.length);
    frame.set(group);
  }
  bench.model.receive(frame, 0, frame.length);
  bench.run(1000);
  assert.equal(bench.statistics.receivedFrames - before, 2, "only frames to the address and to the group are received");
};
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 0x77);
const GROUP = Uint8Array.of(1, 0, 0x5e, 1, 2, 3);

/** For each fault: the number of times that it occurs, and the cause that the driver reports for it. */
const FAILING: readonly (readonly [fault: FaultName, count: number | undefined, cause: CauseName])[] = [
  ["dma-error", 1, "systemErrors"],
  ["stuck-transmitter", 2, "transmitTimeouts"],
  ["stuck-receiver", 2, "receiveStalls"],
  ["upset-phy", undefined, "phyLosses"],
  ["forgetful-phy", undefined, "phyLosses"],
  ["link-loss", undefined, "absences"],
];

for (const [fault, count, cause] of FAILING)
  test(`after ${fault}, frames pass with the users' settings, and ${cause} is 1`, { skip }, () => {
    using bench = new Bench();
    bench.run(100_000);
    // With jumbo frames the PHY advertises what it advertises after power-on, so a loss of its settings would not be
    // visible.
    const mtu = fault === "forgetful-phy" ? 1499 : 9000;
    const filter = { promiscuous: false, groups: [GROUP] };
    bench.driver.handleCommand({ command: "follow", mtu, address: OTHER, filter });
    bench.run(100_000);
    assertSame(bench, mtu);
    bench.model.faults.arm(fault, count === undefined ? {} : { count });
    for (let i = 0; i < 8; i++) {
      bench.send(3);
      bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
      bench.run(second);
    }
    assert.deepEqual(bench.model.faults.armed, []);
    const occurred = bench.occurrences(cause);
    assert.deepEqual(
      occurred.map(({ kind }) => kind),
      ["warning"],
    );
    assert.ok(occurred[0]!.message.includes(CAUSES[cause].what) || cause === "absences", occurred[0]!.message);
    assert.equal(bench.statistics[cause], 1);
    assert.equal(bench.statistics.restarts, cause === "phyLosses" ? 0 : 1);
    assertSame(bench, mtu);
  });

test(
  "after a bus error that the kernel reports, frames pass with the users' settings, and busErrors is 1",
  { skip },
  () => {
    using bench = new Bench();
    bench.run(100_000);
    bench.driver.handleCommand({
      command: "follow",
      mtu: 9000,
      address: OTHER,
      filter: { promiscuous: false, groups: [GROUP] },
    });
    bench.run(100_000);
    // The chip keeps these frames unsent, so they are lost and counted when the error occurs.
    bench.model.faults.arm("stuck-transmitter", { count: 1 });
    bench.send(3);
    bench.run(1000);
    bench.driver.handleError(new BusError("the card"));
    bench.run(second);
    assert.deepEqual(
      bench.occurrences("busErrors").map(({ kind, message }) => [kind, message]),
      [["warning", "the card: the bus reported an uncorrectable error: waiting up to 2 s for the card"]],
    );
    const { busErrors, restarts, sentFrames, sendDiscards } = bench.statistics;
    assert.deepEqual({ busErrors, restarts, sendDiscards }, { busErrors: 1, restarts: 1, sendDiscards: 3 });
    assert.ok(sentFrames >= 3);
    assertSame(bench, 9000);
  },
);

test(
  "a card whose PCI Express link is lost at any register access comes back with the users' settings",
  { skip },
  () => {
    const filter = { promiscuous: false, groups: [GROUP] };
    /** Changes the MTU, the address, the filter and the link. @param at the access at which the link to the card is lost */
    const accessesOf = (bench: Bench, at: number): number => {
      const { model, driver } = bench;
      let accesses = 0;
      const count = (region: "config" | number): void => {
        if (region !== "config" && accesses++ === at) model.faults.arm("link-loss");
      };
      const [read, write] = [model.read.bind(model), model.write.bind(model)];
      model.read = (region, ...access) => (count(region), read(region, ...access));
      model.write = (region, ...access) => (count(region), write(region, ...access));
      bench.attempt(() => driver.handleCommand({ command: "follow", mtu: 9000, address: OTHER, filter }));
      bench.run(5000);
      for (const up of [false, true]) {
        model.setCarrier(up);
        bench.run(5000);
      }
      bench.run(second);
      return accesses;
    };
    const total = accessesOf(settled(), -1);
    for (let at = 0; at < total; at += 13) {
      using bench = settled();
      accessesOf(bench, at);
      bench.run(second);
      assert.equal(bench.statistics.restarts, 1, `lost at access ${at} of ${total}`);
      // If the link is lost during a reset, the reset fails only after the card is back, and the MTU is rejected.
      const refused = bench.reports.some(({ report }) => report === "mtuRefused");
      assert.deepEqual([bench.statistics.absences, bench.statistics.startFailures], refused ? [0, 1] : [1, 0]);
      assertSame(bench, refused ? 1500 : 9000);
    }
  },
);

test("a PHY that stops responding while the link changes is restarted", { skip }, () => {
  using bench = settled();
  bench.model.setCarrier(false);
  bench.run(100_000);
  bench.model.faults.arm("silent-phy");
  bench.model.setCarrier(true);
  bench.run(100_000);
  bench.model.faults.disarm("silent-phy");
  bench.model.faults.arm("upset-phy");
  bench.run(5 * second);
  const { linkUp, phyLosses, restarts } = bench.statistics;
  assert.deepEqual({ linkUp, phyLosses, restarts }, { linkUp: 1, phyLosses: 1, restarts: 0 });
});

test(
  "a NIC that does not complete an access to an extended register is restarted, and then has the users' settings",
  { skip },
  () => {
    using bench = settled("rtl8168evl");
    // Of the settings below, only the station address is written to these registers.
    bench.model.setLatency("eri", Infinity);
    const filter = { promiscuous: false, groups: [GROUP] };
    bench.attempt(() => bench.driver.handleCommand({ command: "follow", mtu: 1500, address: OTHER, filter }));
    bench.model.setLatency("eri", 0);
    bench.run(second);
    assert.match(bench.occurrences("registerTimeouts")[0]!.message, /extended register 0xe0 did not respond/);
    // The first restart followed at once and failed, because a start writes these registers too.
    const { registerTimeouts, startFailures, restarts } = bench.statistics;
    assert.deepEqual(
      { registerTimeouts, startFailures, restarts },
      { registerTimeouts: 1, startFailures: 1, restarts: 2 },
    );
    assertSame(bench, 1500);
  },
);

test(
  "if a PHY no longer responds, it is restarted three times; then the NIC is restarted, and finally given up",
  { skip },
  () => {
    using bench = new Bench();
    bench.run(100_000);
    bench.model.faults.arm("silent-phy");
    assert.throws(() => bench.run(60 * second), { code: "NIC_GIVEN_UP", message: /did not respond/ });
    // Three restarts of the PHY and one of the NIC were reported.
    assert.equal(bench.occurrences("phyLosses").length, 4);
  },
);

test(
  "an event whose interrupt was lost is found and counted; while interrupts are missing, the thread polls",
  { skip },
  () => {
    using bench = new Bench();
    bench.run(100_000);
    bench.model.faults.arm("lost-interrupt");
    assert.equal(bench.driver.waitMillis, 250);
    for (let i = 0; i < 4; i++) {
      bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
      bench.run(200_000);
    }
    assert.equal(bench.statistics.lostInterrupts, 4);
    assert.equal(bench.driver.waitMillis, 2);
    bench.model.faults.disarm("lost-interrupt");
    bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
    bench.run(1000);
    assert.equal(bench.driver.waitMillis, 250);
    assert.equal(bench.statistics.receivedFrames, 5);
    assert.deepEqual(
      bench.occurrences("lostInterrupts").map(({ kind }) => kind),
      ["warning", "note", "note", "note"],
    );
  },
);

test("a lost doorbell is rung again and counted; frames are delayed, none is lost", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("lost-doorbell", { count: 1 });
  const { sentFrames: before } = bench.statistics;
  bench.send(1);
  bench.run(second);
  assert.equal(bench.statistics.sentFrames, before + 1);
  assert.deepEqual(
    [bench.statistics.lostDoorbells, bench.statistics.sendDiscards, bench.statistics.restarts],
    [1, 0, 0],
  );
});

test("frames that the NIC has not sent when it is taken down appear in the final counters", { skip }, () => {
  const bench = new Bench();
  {
    using _ = bench;
    bench.run(100_000);
    bench.model.faults.arm("stuck-transmitter");
    bench.send(3);
    bench.run(1000);
    assert.deepEqual([bench.statistics.sentFrames, bench.statistics.sendDiscards], [3, 0]);
  }
  assert.deepEqual([bench.statistics.sentFrames, bench.statistics.sendDiscards], [3, 3]);
});
