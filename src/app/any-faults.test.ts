/** Recovery under any sequence of faults, changes of settings and suspends, on the model. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FAULTS, type FaultName, MOMENTARY } from "#model/faults.ts";
import { Bench, MAC, skip } from "./driver-side.test-kit.ts";

const CHIPS = ["rtl8168h", "rtl8125b", "rtl8168evl", "rtl8169sc-180", "rtl8106e"] as const;
const MILLISECOND = 1000;
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 0x77);
const BROADCAST = new Uint8Array(64).fill(0xff);

/** Changes `bench`, or lets time pass. */
type Step = (bench: Bench) => void;
const faults = fc
  .record({
    fault: fc.constantFrom(...(Object.keys(FAULTS) as FaultName[])),
    count: fc.option(fc.integer({ min: 1, max: 3 })),
  })
  .map(({ fault, count }): Step => {
    const options = count === null || MOMENTARY.includes(fault) ? {} : { count };
    return ({ model }) => model.faults.arm(fault, options);
  });
const waits = fc.constantFrom(1, 7, 60, 300, 1500).map(
  (millis): Step =>
    (bench) =>
      bench.run(millis * MILLISECOND),
);
const carriers = fc.boolean().map(
  (up): Step =>
    ({ model }) =>
      model.setCarrier(up),
);
const frames = fc.integer({ min: 1, max: 40 }).map((count): Step => ({ model }) => {
  for (let i = 0; i < count; i++) model.receive(BROADCAST, 0, BROADCAST.length);
});
const settings = fc
  .record({ mtu: fc.constantFrom(1500, 9000), address: fc.constantFrom(MAC, OTHER) })
  .map(({ mtu, address }): Step => (bench) => {
    const filter = { promiscuous: false, groups: "all" } as const;
    bench.attempt(() => bench.driver.handleCommand({ command: "follow", mtu, address, filter }));
  });
const rings = fc.constantFrom(64, 256, 1024).map(
  (rx): Step =>
    (bench) =>
      void bench.operate("setRings", { rx }, 5 * MILLISECOND),
);
const sleeps = fc.constantFrom("suspend", "resume").map(
  (operation): Step =>
    (bench) =>
      void bench.operate(operation, {}, 5 * MILLISECOND),
);
const often = (arbitrary: fc.Arbitrary<Step>): { weight: number; arbitrary: fc.Arbitrary<Step> } => ({
  weight: 3,
  arbitrary,
});
const steps = fc.array(fc.oneof(often(faults), often(waits), carriers, frames, settings, rings, sleeps), {
  minLength: 2,
  maxLength: 12,
});

/** Runs `act`. Returns whether the session has ended in one of the two ways in which it may end while faults last. */
const ends = (act: () => void): boolean => {
  try {
    act();
    return false;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "NIC_GIVEN_UP" || code === "DEVICE_GONE") return true;
    throw error;
  }
};

test(
  "after any sequence of faults that end, frames pass again, unless the NIC was given up or was absent for too long",
  { skip },
  () => {
    fc.assert(
      fc.property(fc.constantFrom(...CHIPS), steps, (chip, sequence) => {
        using bench = new Bench(undefined, undefined, undefined, undefined, { chip, queues: 1 });
        bench.run(100 * MILLISECOND);
        if (ends(() => sequence.forEach((step) => step(bench)))) return;
        const { model } = bench;
        for (const { name } of model.faults.armed) model.faults.disarm(name);
        model.setCarrier(true);
        const recovers = (): void => {
          bench.operate("resume", {}, MILLISECOND);
          bench.run(25_000 * MILLISECOND);
        };
        if (ends(recovers)) return;
        assert.equal(bench.statistics.linkUp, 1);
        const before = bench.statistics.receivedFrames;
        model.receive(BROADCAST, 0, BROADCAST.length);
        bench.run(10 * MILLISECOND);
        assert.equal(bench.statistics.receivedFrames, before + 1);
      }),
      { seed: 20_261_201, numRuns: 40 },
    );
  },
);
