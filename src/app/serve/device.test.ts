import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { Cfg9346, Conf3, Config3, Lock } from "#chip/registers.ts";
import { Timers, VirtualClock } from "#kit/clock.ts";
import { ServedDevice } from "./device.ts";
import { openServedWire } from "./served-wire.ts";

const PCI_COMMAND = 4;
const MEMORY_AND_MASTER = 6;
const D3_WITH_PME = (1 << 8) | 3;

test("a magic packet that wakes the guest up was taken; one that finds it asleep for good was not", () => {
  using scope = new DisposableStack();
  const clock = new VirtualClock();
  const timers = new Timers();
  const chip = chipNamed("rtl8168b")!;
  const wire = openServedWire(
    scope,
    { kind: "responder" },
    {
      clock,
      capture: undefined,
      longestFrame: 9212,
      onPlug: () => {},
      onTrouble: assert.ifError,
    },
  );
  const told: string[] = [];
  const device = new ServedDevice({
    chip,
    mac: "02:00:5e:10:00:01",
    strict: "off",
    clock,
    timers,
    wire,
    trace: undefined,
    tell: ({ kind }) => void told.push(kind),
  });
  for (let i = 0; i < 100; i++) {
    clock.delay(10_000);
    timers.run(clock.now());
  }
  device.follow();
  const { nic } = device;
  nic.write("config", chip.profile.function.powerAt + 4, 2, D3_WITH_PME);
  assert.deepEqual(device.ask({ command: "magic" }), { taken: false });
  nic.write("config", chip.profile.function.powerAt + 4, 2, 0);
  nic.write("config", PCI_COMMAND, 2, MEMORY_AND_MASTER);
  nic.write(2, Cfg9346, 1, Lock.unlock);
  nic.write(2, Config3, 1, nic.read(2, Config3, 1) | Conf3.magicPacket);
  nic.write("config", chip.profile.function.powerAt + 4, 2, D3_WITH_PME);
  assert.deepEqual(device.ask({ command: "magic" }), { taken: true });
  assert.ok(told.includes("wake"));
});
