/**
 * Tests, on one chip of each generation, that a NIC that is down raises no interrupt, accesses no memory and sends no
 * frame, whatever arrives.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FLAG } from "#chip/registers.ts";
import { SideBus } from "#driver/side-bus.ts";
import { openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { GENERATIONS } from "../rigs/generations.ts";

const broadcast = (): Uint8Array => {
  const frame = udp(ends({ inbound: true }), payload(1000));
  return frame.fill(0xff, 0, 6);
};

for (const chip of GENERATIONS) {
  test(`${chip}: a NIC that is down sends no pause frame, writes no memory and raises no interrupt, whatever arrives`, () => {
    using rig = openDirectRig({ chip, strict: "warn", slots: 16 });
    rig.up();
    // Fills the ring, so that a running NIC would answer the next frame with a pause frame.
    for (let i = 0; i < 16; i++) rig.deliver(broadcast());
    rig.nic.down();
    rig.nic.line.take();
    rig.sent.length = 0;
    const memory = rig.nic.memory.bytes.slice();
    for (let i = 0; i < 64; i++) {
      rig.deliver(broadcast());
      rig.pass(1000);
    }
    rig.setCarrier(false);
    rig.setCarrier(true);
    rig.pass(100_000);
    assert.deepEqual([rig.sent.length, rig.nic.line.take()], [0, false]);
    assert.equal(Buffer.compare(rig.nic.memory.bytes, memory), 0);
    rig.up();
    rig.deliver(broadcast());
    assert.equal(rig.poll().length, 1);
  });

  test(`${chip}: a frame in the FIFO or the ring when the NIC goes down is not delivered after the next start`, () => {
    using rig = openDirectRig({ chip, strict: "warn", slots: 16 });
    rig.up();
    for (let i = 0; i < 20; i++) rig.deliver(broadcast());
    rig.nic.down();
    rig.up();
    assert.deepEqual(rig.poll(), []);
    assert.equal(rig.nic.lost.received, 16);
  });
}

test("if the read of a read-modify-write times out, nothing is written", () => {
  using rig = openDirectRig({ chip: "rtl8168g", strict: "warn" });
  const { model, registers, clock } = rig;
  const bus = new SideBus(registers, clock);
  const commands: number[] = [];
  const write = model.write.bind(model);
  model.write = (region, offset, width, value) => {
    if (region === 2) commands.push(value);
    write(region, offset, width, value);
  };
  for (const [name, update] of [
    ["eri", () => bus.eriUpdate(0x1b0, 0xff, 0x01)],
    ["ephy", () => bus.ephyUpdate(0x01, 0xff, 0x01)],
    ["phy", () => bus.phyUpdate(0xa408, 0xff, 0x01)],
  ] as const) {
    commands.length = 0;
    model.setLatency(name, Infinity);
    assert.throws(update, { code: "SIDE_BUS_TIMEOUT" }, name);
    model.setLatency(name, 0);
    // The driver wrote only one command, that of a read, in which the flag is clear.
    assert.deepEqual(
      commands.map((value) => value >= FLAG),
      [false],
      name,
    );
  }
});

test("an interrupt that a chip raises although it was stopped is not delivered", () => {
  using rig = openDirectRig();
  rig.up();
  rig.nic.line.take();
  rig.nic.down();
  rig.device.interrupts.raise(0);
  assert.equal(rig.nic.line.take(), false);
});
