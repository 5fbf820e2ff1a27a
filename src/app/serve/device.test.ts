import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { Cfg9346, Conf3, Config3, Lock } from "#chip/registers.ts";
import { Timers, VirtualClock } from "#kit/clock.ts";
import type { Plug } from "#kit/port.ts";
import type { FarEnd } from "../wires/far-end.ts";
import { ServedDevice } from "./device.ts";

const PCI_COMMAND = 4;
const MEMORY_AND_MASTER = 6;
const D3_WITH_PME = (1 << 8) | 3;

/** A far end through which a test can send frames to the NIC. */
const FAR: FarEnd & { nic: Plug | undefined } = {
  nic: undefined,
  port: {
    bytes: new Uint8Array(2048),
    reserve: () => 0,
    commit: () => {},
    flush: () => {},
    plug: (nic) => void (FAR.nic = nic),
  },
  fd: -1,
  events: 0,
  due: Infinity,
  pending: false,
  plugged: true,
  setLink: () => {},
  pump: () => 0,
  traffic: () => ({ sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0, drops: 0 }),
};

const setUp = () => {
  const clock = new VirtualClock();
  const timers = new Timers();
  const chip = chipNamed("rtl8168b")!;
  const events: string[] = [];
  const device = new ServedDevice({
    chip,
    mac: "02:00:5e:10:00:01",
    strict: "off",
    clock,
    timers,
    wire: FAR,
    trace: undefined,
    report: ({ kind }) => void events.push(kind),
  });
  for (let i = 0; i < 100; i++) {
    clock.delay(10_000);
    timers.run(clock.now());
  }
  device.follow();
  return { chip, device, events };
};

const deliver = (): void => void FAR.nic!.receive(new Uint8Array(60), 0, 60);

test("frames that arrive before the receiver is on are counted as rejected, those dropped by the wire as lost; none is received", () => {
  const { device } = setUp();
  deliver();
  device.ask({ command: "wire", name: "loss", directions: ["in"], count: 3 });
  for (let i = 0; i < 12; i++) deliver();
  device.ask({ command: "send", frame: "00".repeat(60) });
  const { traffic, counters, wire } = device.state();
  assert.deepEqual([traffic.receivedFrames, traffic.refused, traffic.drops, counters.rxFrames], [0, 11, 3, 0]);
  assert.deepEqual([wire.in.entered, wire.in.struck["loss"]], [14, 3]);
});

test("a magic packet that wakes the guest is reported as received; a magic packet for a guest that cannot be woken is not", () => {
  const { chip, device, events } = setUp();
  const { nic } = device;
  nic.write("config", chip.profile.function.powerAt + 4, 2, D3_WITH_PME);
  assert.deepEqual(device.ask({ command: "magic" }), { taken: false });
  nic.write("config", chip.profile.function.powerAt + 4, 2, 0);
  nic.write("config", PCI_COMMAND, 2, MEMORY_AND_MASTER);
  nic.write(2, Cfg9346, 1, Lock.unlock);
  nic.write(2, Config3, 1, nic.read(2, Config3, 1) | Conf3.magicPacket);
  nic.write("config", chip.profile.function.powerAt + 4, 2, D3_WITH_PME);
  assert.deepEqual(device.ask({ command: "magic" }), { taken: true });
  assert.ok(events.includes("wake"));
});
