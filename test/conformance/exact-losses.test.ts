/** Tests that every lost frame is counted exactly once, through every kind of failure and restart. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { TRANSMIT_LIMIT_MICROS } from "#driver/health.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { type FaultName, LINK_LOSS_MICROS } from "#model/faults.ts";
import { openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { GENERATIONS } from "../rigs/generations.ts";

type Step =
  | { readonly do: "send" | "receive"; readonly frames: number }
  | { readonly do: "poll" | "reset" | "down" | "wait" | "link-loss" }
  | { readonly do: "mtu"; readonly mtu: number }
  | { readonly do: "fault"; readonly fault: FaultName; readonly count: number };

const frames = fc.integer({ min: 1, max: 12 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("send", "receive"), frames }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("poll", "reset", "down", "wait", "link-loss") }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("mtu"), mtu: fc.integer({ min: 576, max: 1500 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("fault"),
        fault: fc.constantFrom("lost-doorbell", "stuck-transmitter", "stuck-receiver", "dma-error", "receive-overflow"),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
  ),
  { minLength: 3, maxLength: 25 },
);

/** Executes the steps, and compares the counts at the end. */
const check = (chip: string, plan: readonly Step[]): void => {
  using rig = openDirectRig({ chip, strict: "warn", slots: 16 });
  const { nic, model } = rig;
  const count = { given: 0, arrived: 0, received: 0 };
  const up = (): void => {
    rig.up();
    count.received += rig.poll().length;
  };
  const given = (): number => nic.rings.transmit.counters()[TransmitCount.frames]!;
  const sendOne = (): void => {
    const before = given();
    const frame = udp(ends(), payload(200));
    rig.send(frame, 0, 0, count.given % 3 === 0 ? [60, frame.length - 60] : undefined);
    count.given += given() - before;
  };
  const carryOut = (step: Step): void => {
    switch (step.do) {
      case "send":
        for (let i = 0; i < step.frames; i++) sendOne();
        break;
      case "receive":
        for (let i = 0; i < step.frames; i++)
          if (rig.deliver(udp(ends({ inbound: true }), payload(100)))) count.arrived++;
        break;
      case "poll":
        count.received += rig.poll().length;
        break;
      case "reset":
        nic.reset();
        break;
      case "down":
        nic.down();
        up();
        break;
      case "mtu":
        nic.setMtu(step.mtu);
        up();
        break;
      case "wait":
        for (let passed = 0; passed < TRANSMIT_LIMIT_MICROS; passed += 100_000) {
          rig.pass(100_000);
          const finding = nic.checkHealth();
          if (finding !== undefined && finding !== "doorbellLost") nic.reset();
        }
        break;
      case "link-loss":
        model.faults.arm("link-loss");
        nic.down();
        rig.pass(LINK_LOSS_MICROS);
        rig.device.setBusMaster(false);
        up();
        break;
      case "fault":
        model.faults.arm(step.fault, { count: step.count });
        break;
      default:
        step satisfies never;
    }
  };
  up();
  for (const step of plan) carryOut(step);
  nic.down();
  const { sent, received } = nic.lost;
  // Pause frames, which the chip sends when its ring is full, are not counted.
  const left = rig.sent.filter((frame) => frame[12] !== 0x88 || frame[13] !== 0x08).length;
  assert.equal(left + sent, count.given, "sent + counted = given");
  assert.equal(count.received + received, count.arrived, "received + counted = arrived");
};

describe("whatever fails, and however the NIC is restarted, the numbers of sent and of counted lost frames add up to that of the given frames:", () => {
  for (const chip of GENERATIONS)
    test(chip, () =>
      fc.assert(
        fc.property(steps, (plan) => check(chip, plan)),
        { numRuns: 20 },
      ),
    );
});
