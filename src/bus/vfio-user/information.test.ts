import assert from "node:assert/strict";
import { test } from "node:test";
import { DEVICE_INFO, IRQ_INFO, type Layout, REGION_INFO, REGION_IO_FDS } from "./codec.ts";
import { BAR, BAR_BYTES, type Reply, Rig, body } from "./peer.test-kit.ts";
import { Command, HEADER_BYTES, Irq, IrqFlag, Refused, Region } from "./protocol.ts";

const device = { argsz: 16, flags: 0, regions: 0, irqs: 0 };
const region = { argsz: 32, flags: 0, index: 0, capabilities: 0, size: 0, offset: 0 };
const irq = { argsz: 16, flags: 0, index: 0, count: 0 };

const parse = <T extends Readonly<Record<string, "u16" | "u32" | "u64">>>(
  layout: Layout<T>,
  reply: Reply,
): { readonly [K in keyof T]: number } => {
  assert.equal(reply.error, 0);
  assert.equal(reply.body.length, layout.bytes);
  return layout.read(Uint8Array.of(...new Uint8Array(HEADER_BYTES), ...reply.body), 0);
};

test("requests that are truncated, leave no room for the reply, or are out of range are rejected", () => {
  using rig = new Rig();
  for (const [command, layout, values] of [
    [Command.deviceInfo, DEVICE_INFO, device],
    [Command.regionInfo, REGION_INFO, region],
    [Command.irqInfo, IRQ_INFO, irq],
    [Command.regionIoFds, REGION_IO_FDS, irq],
  ] as const) {
    const whole = body(layout as Layout<Record<string, "u32">>, values as Record<string, number>);
    assert.equal(rig.error(command, whole.subarray(0, whole.length - 1)), Refused.EINVAL);
    assert.equal(rig.error(command, new Uint8Array(0)), Refused.EINVAL);
    const small = body(layout as Layout<Record<string, "u32">>, { ...values, argsz: layout.bytes - 1 });
    assert.equal(rig.error(command, small), Refused.EINVAL);
  }
  for (const index of [9, 0xffff_ffff]) {
    assert.equal(rig.error(Command.regionInfo, body(REGION_INFO, { ...region, index })), Refused.EINVAL);
    assert.equal(rig.error(Command.irqInfo, body(IRQ_INFO, { ...irq, index })), Refused.EINVAL);
    assert.equal(rig.error(Command.regionIoFds, body(REGION_IO_FDS, { ...irq, index })), Refused.EINVAL);
  }
});

test("the device is a PCI function that can be reset, with nine regions and five kinds of interrupts", () => {
  using rig = new Rig();
  const info = parse(DEVICE_INFO, rig.ask(Command.deviceInfo, body(DEVICE_INFO, device)));
  assert.deepEqual(info, { argsz: 16, flags: 3, regions: 9, irqs: 5 });
});

test("the regions are the device's registers and configuration space, and no others", () => {
  using rig = new Rig();
  for (let index = 0; index < 9; index++) {
    const info = parse(REGION_INFO, rig.ask(Command.regionInfo, body(REGION_INFO, { ...region, index })));
    const size = index === BAR ? BAR_BYTES : index === Region.config ? 4096 : 0;
    assert.deepEqual(info, { argsz: 32, flags: size > 0 ? 3 : 0, index, capabilities: 0, size, offset: 0 });
  }
});

test("interrupts are counted from the capabilities in configuration space", () => {
  using rig = new Rig();
  const counts = [0, 1, 2, 3, 4].map(
    (index) => parse(IRQ_INFO, rig.ask(Command.irqInfo, body(IRQ_INFO, { ...irq, index }))).count,
  );
  assert.deepEqual(counts, [1, 2, 3, 1, 1]);
  const intx = parse(IRQ_INFO, rig.ask(Command.irqInfo, body(IRQ_INFO, { ...irq, index: Irq.intx })));
  assert.equal(intx.flags, IrqFlag.eventfd | IrqFlag.maskable | IrqFlag.autoMasked);
});

test("no register is available as an eventfd", () => {
  using rig = new Rig();
  const info = parse(REGION_IO_FDS, rig.ask(Command.regionIoFds, body(REGION_IO_FDS, { ...irq, index: BAR })));
  assert.deepEqual(info, { argsz: 16, flags: 0, index: BAR, count: 0 });
});

test("commands of the protocol that the device lacks are unsupported; others are unknown", () => {
  using rig = new Rig();
  for (const command of [14, 16, 17, 18]) assert.equal(rig.error(command, new Uint8Array(8)), Refused.EOPNOTSUPP);
  for (const command of [0, 11, 12, 19, 0xffff]) assert.equal(rig.error(command, new Uint8Array(32)), Refused.ENOSYS);
});
