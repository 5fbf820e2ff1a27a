/**
 * Tests queues that are lent to other threads: which thread polls a queue, masks its interrupt and counts its frames.
 * The tests run in one thread, on a virtual clock.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { type Chip } from "#chip/chips.ts";
import { IMR_V2_CLEAR, IMR_V2_SET, ISR_V2, TPPOLL } from "#chip/registers-8125.ts";
import { NicQueue } from "#driver/nic-queue.ts";
import { ReceiveCount } from "#driver/receive-core.ts";
import { ALL_MULTICAST } from "#driver/receive-filter.ts";
import type { LentQueue } from "#driver/rings.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { FRAME_LENGTH } from "#kit/link.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { FLOWS, flowFrame } from "../rigs/toeplitz.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { DIES } from "../rigs/generations.ts";

/** One chip of each die that has several queues with a vector each. */
const SEVERAL = DIES.filter(({ profile }) => profile.queues.vectored !== undefined);

const started = (chip: Chip): DirectRig => {
  const rig = openDirectRig({ chip: chip.key, nic: { queues: chip.profile.queues.receive, queueThreads: true } });
  rig.up();
  rig.pass(100_000);
  rig.nic.line.take();
  rig.nic.acknowledge();
  rig.nic.unmask();
  return rig;
};

/** Returns a lent queue as another thread receives it in a message. Shared memory stays shared. */
const sent = (lent: LentQueue): LentQueue => {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(lent);
  const { message } = receiveMessageOnPort(port2) as { message: LentQueue };
  port1.close();
  return message;
};

const queuesOf = ({ nic, dma, registers }: DirectRig): readonly NicQueue[] =>
  nic.queues.flatMap(({ lent }, i) =>
    lent === undefined
      ? []
      : [new NicQueue(sent(lent), { registers, window: dma.window, iova: dma.iova }, nic.lentLines[i - 1]!)],
  );

const receive = ({ link }: NicQueue | DirectRig["nic"]["queues"][number]): number => link.receive(0, 64);

for (const chip of SEVERAL) {
  const { queues } = chip.profile;

  test(`${chip.key}: lent queues that have a transmit queue can send, the others only receive`, () => {
    using rig = started(chip);
    assert.deepEqual(
      queuesOf(rig).map(({ link }) => link.sends),
      rig.nic.queues.slice(1).map((_, i) => i + 1 < queues.transmit),
    );
  });

  test(`${chip.key}: a lent queue is interrupted by its own vector, and polled without reading a register`, () => {
    using rig = started(chip);
    const { model } = rig;
    const others = queuesOf(rig);
    assert.equal(others.length, queues.receive - 1);
    for (const other of others) other.unmask();
    const accesses: { readonly offset: number; readonly value: number }[] = [];
    const [read, write] = [model.read.bind(model), model.write.bind(model)];
    model.read = (region, offset, width) => {
      if (region === 2) assert.fail(`register 0x${offset.toString(16)} is read`);
      return read(region, offset, width);
    };
    model.write = (region, offset, width, value) => {
      accesses.push({ offset, value });
      write(region, offset, width, value);
    };
    for (const [i, other] of others.entries()) {
      const flow = FLOWS.find(({ hash }) => (hash & (queues.receive - 1)) === i + 1);
      if (flow === undefined) continue;
      rig.deliver(flowFrame(flow));
      assert.equal(rig.nic.line.take(), false, "the NIC's own line must not be interrupted");
      assert.equal(rig.nic.waiting, false, "the NIC's own thread must have nothing to poll");
      assert.equal(other.line.take(), true);
      accesses.length = 0;
      other.interrupt();
      const bit = accesses[0]!.value;
      assert.equal(bit >>> 0, accesses[1]!.value >>> 0);
      assert.deepEqual(
        accesses.map(({ offset }) => offset),
        [IMR_V2_CLEAR, ISR_V2],
      );
      assert.equal(other.waiting, true);
      assert.equal(receive(other), 1);
      // The queue is masked, so the next frame interrupts only once it is unmasked.
      rig.deliver(flowFrame(flow));
      assert.equal(other.line.take(), false);
      other.unmask();
      assert.equal(other.line.take(), true);
      assert.equal(receive(other), 1);
      assert.deepEqual([accesses.at(-1)!.offset, accesses.at(-1)!.value >>> 0], [IMR_V2_SET, bit >>> 0]);
      other.settle();
      const counters = rig.nic.queues[i + 1]!.receive.counters();
      assert.equal(counters[ReceiveCount.frames], 2, "the NIC's thread must see what the other thread has counted");
    }
    model.read = read;
  });

  test(`${chip.key}: lent queues send with their own doorbell, and frames left unsent by a stop are counted`, () => {
    using rig = started(chip);
    const senders = queuesOf(rig).slice(0, queues.transmit - 1);
    const memory = rig.dma.allocate({ what: "frames", bytes: 4096, align: 64, direction: "toDevice" });
    const frame = udp(ends(), payload(100));
    memory.bytes.set(frame);
    const send = ({ link }: NicQueue): number => {
      link.burst.set([memory.offset, frame.length, 0, 0]);
      return link.transmit(0, 1);
    };
    for (const [i, sender] of senders.entries()) {
      assert.equal(send(sender), 1);
      rig.pass(100);
      assert.deepEqual(rig.sent.pop(), frame);
      assert.equal(sender.link.sent(), 1);
      const { transmit } = rig.nic.queues[i + 1]!;
      assert.equal(
        transmit!.counters()[TransmitCount.frames],
        0,
        "the NIC's thread must not count frames that another thread sends",
      );
      senders[i]!.settle();
      assert.equal(transmit!.counters()[TransmitCount.frames], 1);
    }
    // From here on doorbells do not reach the model, so that the frames stay in the rings.
    const { model } = rig;
    const write = model.write.bind(model);
    model.write = (region, offset, width, value) => {
      if (offset !== TPPOLL) write(region, offset, width, value);
    };
    for (const sender of senders) assert.equal(send(sender), 1);
    assert.deepEqual(
      rig.nic.queues.map(({ transmit }) => transmit?.pending() ?? 0),
      rig.nic.queues.map((_, i) => (i > 0 && i < queues.transmit ? 1 : 0)),
    );
    rig.nic.down();
    assert.equal(rig.nic.lost.sent, senders.length);
  });

  test(`${chip.key}: a queue that is lent while the NIC keeps the FCS delivers frames with their FCS`, () => {
    using rig = started(chip);
    rig.nic.filter = { ...ALL_MULTICAST, fcs: true };
    const flow = FLOWS.find(({ hash }) => (hash & (queues.receive - 1)) !== 0)!;
    const other = queuesOf(rig)[(flow.hash & (queues.receive - 1)) - 1]!;
    const frame = flowFrame(flow);
    for (const fcs of [4, 0]) {
      rig.deliver(frame);
      assert.equal(receive(other), 1);
      assert.equal(other.link.burst[FRAME_LENGTH], frame.length + fcs);
      rig.nic.filter = ALL_MULTICAST;
    }
  });

  test(`${chip.key}: a stop masks the vectors of every queue, and the next start lends other rings`, () => {
    using rig = started(chip);
    const before = queuesOf(rig);
    for (const other of before) other.unmask();
    rig.nic.setMtu(1400);
    rig.pass(100_000);
    assert.equal(rig.registers.read32(IMR_V2_SET) & ~rig.registers.read32(IMR_V2_CLEAR), 0);
    const flow = FLOWS.find(({ hash }) => (hash & (queues.receive - 1)) !== 0)!;
    const queue = flow.hash & (queues.receive - 1);
    for (const other of before) other.line.take();
    rig.deliver(flowFrame(flow));
    assert.equal(before[queue - 1]!.line.take(), false, "the queue must stay masked after the stop");
    const now = queuesOf(rig);
    now[queue - 1]!.unmask();
    assert.equal(now[queue - 1]!.line.take(), true);
    assert.equal(receive(now[queue - 1]!), 1);
  });
}

test("`NicQueue` rejects a lent queue with another number of slots, or of an unknown chip", () => {
  using rig = started(SEVERAL[0]!);
  const { lent } = rig.nic.queues[1]!;
  const device = { registers: rig.registers, window: rig.dma.window, iova: rig.dma.iova };
  const line = rig.nic.lentLines[0]!;
  const other = { ...lent!, settings: { ...lent!.settings, slots: 2 * lent!.settings.slots } };
  assert.throws(() => new NicQueue(other, device, line), { code: "MISUSE" });
  assert.throws(() => new NicQueue({ ...lent!, chip: "none" }, device, line), { code: "MISUSE" });
});
