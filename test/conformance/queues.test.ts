/**
 * Tests several queues on the direct rig: which queue receives a flow, the order of a flow's frames, the interrupt
 * vectors, and that settings survive resets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DirectDevice } from "#bus/direct.ts";
import { type Chip, chipNamed } from "#chip/chips.ts";
import { Intr, IntrMask3, IntrStatus, IntrStatus3, QueueIntr, RSS_TABLE, RxConfig } from "#chip/registers.ts";
import {
  INT_CFG0,
  IntCfg0,
  Q_NUM_CTRL,
  RSS_CTRL,
  RSS_INDIRECTION_TBL,
  RxConf8125,
  TPPOLL,
} from "#chip/registers-8125.ts";
import { ExtendedRss, TransmitQueues } from "#chip/rss.ts";
import { Events } from "#driver/events.ts";
import { type Finding, RING_AGAIN_MICROS } from "#driver/health.ts";
import { ReceiveCount } from "#driver/receive-core.ts";
import { rtl8169 } from "#driver/probe.ts";
import { SideBus } from "#driver/side-bus.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { FRAME_WORDS, Received } from "#kit/link.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { type DirectRig, type DirectRigOptions, openDirectRig } from "../rigs/direct.ts";
import { FLOWS, type Flow, flowFrame } from "../rigs/toeplitz.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { DIES } from "../rigs/generations.ts";

/** One chip of each die that has several queues. */
const SEVERAL = DIES.filter(({ profile }) => profile.queues.receive > 1);

/** Offset of the upper byte of the source port in an untagged IPv4 frame. */
const SOURCE_PORT = 34;

const started = (chip: Chip, queues: number, options: DirectRigOptions = {}): DirectRig => {
  const rig = openDirectRig({ ...options, chip: chip.key, nic: { queues, ...options.nic } });
  rig.up();
  rig.pass(100_000);
  rig.nic.line.take();
  rig.nic.acknowledge();
  rig.nic.unmask();
  return rig;
};

interface Arrived {
  readonly queue: number;
  readonly frame: Uint8Array;
  readonly hash: number;
  readonly hashedPorts: boolean;
}

/** Handles the interrupt, polls every queue, and unmasks. */
const poll = (rig: DirectRig): Arrived[] => {
  if (rig.nic.line.take()) rig.nic.interrupt();
  const arrived: Arrived[] = [];
  for (const [queue, { link }] of rig.nic.queues.entries()) {
    for (let n = link.receive(0, 64); n > 0; n = link.receive(0, 64))
      for (let i = 0; i < n; i++) {
        const [offset = 0, length = 0, flags = 0] = link.burst.subarray(i * FRAME_WORDS);
        arrived.push({
          queue,
          frame: link.memory.bytes.slice(offset, offset + length),
          hash: link.hashes![i]! >>> 0,
          hashedPorts: (flags & Received.hashedPorts) !== 0,
        });
      }
    link.sent();
  }
  rig.nic.unmask();
  return arrived;
};

for (const chip of SEVERAL) {
  const { receive, transmit, vectored } = chip.profile.queues;

  test(`${chip.key}: the queue of a flow is the indirection table's entry for its Toeplitz hash (Microsoft's vectors)`, () => {
    using rig = started(chip, receive);
    // By default the lowest bits of the hash select the queue, as with DPDK (rtl_init_rss).
    for (const flow of FLOWS) {
      rig.deliver(flowFrame(flow));
      assert.equal(poll(rig)[0]!.queue, flow.hash & (receive - 1));
    }
    const table = Uint8Array.from({ length: 128 }, (_, i) => (5 * i + (i >> 3)) % receive);
    rig.nic.rss!.set({ table });
    for (const flow of FLOWS) {
      assert.ok(rig.deliver(flowFrame(flow)));
      const [arrived, ...none] = poll(rig);
      assert.equal(none.length, 0);
      assert.equal(arrived!.hash, flow.hash);
      assert.equal(arrived!.hashedPorts, true);
      assert.equal(arrived!.queue, table[flow.hash & 127]);
    }
    // Fragments are hashed by their addresses alone, because only the first fragment of a packet has ports.
    for (const flow of FLOWS.filter(({ source }) => source.length === 4)) {
      rig.deliver(flowFrame(flow, true));
      const [arrived] = poll(rig);
      assert.equal(arrived!.hash, flow.addressHash);
      assert.equal(arrived!.queue, table[flow.addressHash & 127]);
    }
    // An ARP frame has no addresses that are hashed.
    const arp = new Uint8Array(60).fill(0xff, 0, 6);
    arp.set([0x08, 0x06], 12);
    rig.deliver(arp);
    assert.equal(poll(rig)[0]!.queue, 0);
  });

  test(`${chip.key}: ${receive} queues lose or duplicate no frame, and each flow stays in order`, () => {
    using rig = started(chip, receive);
    const next = new Map<number, number>();
    const used = new Set<number>();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 63 }), { minLength: 1, maxLength: 120 }), (flows) => {
        const given = new Map<number, number>();
        for (const flow of flows) {
          const number = given.get(flow) ?? next.get(flow) ?? 0;
          given.set(flow, number + 1);
          const from = { ...ends({ inbound: true }), from: 0x0a00_0100 + flow };
          assert.ok(rig.deliver(udp(from, Uint8Array.of(flow, number >> 8, number))));
        }
        const queueOf = new Map<number, number>();
        for (const { queue, frame } of poll(rig)) {
          const [flow = 0, high = 0, low = 0] = frame.subarray(42);
          assert.equal((high << 8) | low, next.get(flow) ?? 0, `flow ${flow}`);
          next.set(flow, (next.get(flow) ?? 0) + 1);
          assert.equal(queueOf.get(flow) ?? queue, queue);
          queueOf.set(flow, queue);
          used.add(queue);
        }
        for (const [flow, count] of given) assert.equal(next.get(flow), count, "every frame must arrive");
      }),
      { numRuns: 30, seed: 8169 },
    );
    assert.equal(used.size, receive, "all queues must be used");
    const counted = rig.nic.queues.map((pair) => pair.receive.counters()[ReceiveCount.frames]!);
    assert.equal(
      counted.reduce((a, b) => a + b),
      [...next.values()].reduce((a, b) => a + b),
    );
    assert.ok(counted.every((frames) => frames > 0));
  });

  test(`${chip.key}: each of ${Math.min(receive, transmit)} transmit queues sends, with its own doorbell, and interrupts when done`, () => {
    using rig = started(chip, receive);
    const memory = rig.dma.allocate({ what: "frames", bytes: 4096, align: 64, direction: "toDevice" });
    for (const [queue, { link }] of rig.nic.queues.entries()) {
      assert.equal(link.sends, queue < transmit);
      const frame = udp(ends(), payload(100, queue));
      memory.bytes.set(frame);
      link.burst.set([memory.offset, frame.length, 0, 0]);
      if (!link.sends) {
        assert.equal(link.transmit(0, 1), 0);
        continue;
      }
      assert.equal(link.transmit(0, 1), 1);
      rig.pass(100);
      assert.deepEqual(rig.sent.pop(), frame);
      assert.equal(rig.nic.line.take(), true, `an interrupt of queue ${queue}`);
      assert.notEqual(rig.nic.interrupt(), 0);
      assert.equal(link.sent(), 1);
      rig.nic.unmask();
      assert.equal(rig.nic.queues[queue]!.transmit!.counters()[TransmitCount.frames], 1);
    }
  });

  test(`${chip.key}: key, table and queues survive reset and MTU change; a link change also interrupts`, () => {
    using rig = started(chip, receive);
    const key = Uint8Array.from({ length: 40 }, (_, i) => 7 * i + 1);
    const table = new Uint8Array(128).fill(receive - 1);
    rig.nic.rss!.set({ key, table });
    rig.nic.setMtu(1400);
    rig.nic.down();
    rig.up();
    rig.pass(100_000);
    poll(rig);
    assert.deepEqual(rig.nic.rss!.settings, { key, table });
    rig.deliver(flowFrame(FLOWS[0]!));
    const [arrived] = poll(rig);
    assert.equal(arrived!.queue, receive - 1);
    assert.notEqual(arrived!.hash, FLOWS[0]!.hash, "another key must give another hash");
    if (vectored !== undefined) assert.equal(rig.registers.read8(INT_CFG0) & IntCfg0.enable, 1);
    rig.setCarrier(false);
    poll(rig);
    assert.equal(rig.nic.link.up, false);
  });

  test(`${chip.key}: the first ${transmit} queues send, the others only receive`, () => {
    using rig = started(chip, receive);
    assert.deepEqual(
      rig.nic.queues.map((queue) => queue.transmit !== undefined),
      Array.from({ length: receive }, (_, i) => i < transmit),
    );
  });

  test(`${chip.key}: a driver with one queue is not affected by another driver's several queues`, () => {
    using rig = started(chip, receive);
    rig.bound[Symbol.dispose]();
    using bound = bind(rtl8169, rig.device, { clock: rig.clock, mtu: 1500, weaklyOrdered: false });
    bound.driver.up();
    const { registers, clock } = rig;
    assert.equal(registers.read32(RxConfig) & RxConf8125.descriptorsV3, 0);
    if (vectored === undefined) {
      const side = new SideBus(registers, clock);
      assert.deepEqual([side.eriRead(ExtendedRss.control), side.eriRead(ExtendedRss.queues)], [0, 0]);
      return;
    }
    assert.equal(registers.read16(Q_NUM_CTRL), 0);
    assert.equal(registers.read32(RSS_CTRL), 0);
    assert.equal(registers.read8(INT_CFG0) & IntCfg0.enable, 0);
    const queues = new SideBus(registers, clock).macRead(TransmitQueues.macOcp) >> TransmitQueues.shift;
    assert.equal(queues & TransmitQueues.mask, 0);
  });
}

test("the indirection table can be changed under traffic, and a flow then arrives in its new queue", () => {
  const chip = chipNamed("rtl8125b")!;
  using rig = started(chip, 4);
  const flow: Flow = FLOWS[0]!;
  for (const queue of [0, 3, 1, 2]) {
    rig.nic.rss!.set({ table: new Uint8Array(128).fill(queue) });
    rig.deliver(flowFrame(flow));
    assert.deepEqual(
      poll(rig).map((arrived) => arrived.queue),
      [queue],
    );
  }
  assert.equal(rig.registers.read32(RSS_INDIRECTION_TBL[0]!), 0x0202_0202);
});

test("invalid RSS settings are rejected, and the old ones stay", () => {
  using rig = started(chipNamed("rtl8125b")!, 4);
  const before = rig.nic.rss!.settings;
  for (const [change, hint] of [
    [{ key: new Uint8Array(39) }, "A key has 40 bytes."],
    [{ table: new Uint8Array(64) }, "The table has 128 entries."],
    [{ table: new Uint8Array(128).fill(4) }, "Use queues 0 to 3."],
    [{ key: new Uint8Array(40), table: new Uint8Array(129) }, "The table has 128 entries."],
  ] as const)
    assert.throws(() => rig.nic.rss!.set(change), { code: "BAD_RSS", hint });
  assert.deepEqual(rig.nic.rss!.settings, before);
});

test("`spread` returns a table for any number of queues up to all that the NIC uses", () => {
  using rig = started(chipNamed("rtl8125b")!, 4);
  const rss = rig.nic.rss!;
  for (const queues of [1, 2, 3, 4])
    assert.deepEqual(
      [...rss.spread(queues)],
      Array.from({ length: 128 }, (_, i) => i % queues),
    );
  assert.deepEqual(rss.spread(), rss.spread(4));
  for (const queues of [0, 5, 1.5, -1])
    assert.throws(() => rss.spread(queues), { code: "BAD_RSS", hint: "Use 1 to 4." });
});

test("the queues of an RTL8168H alternate in its ring, and its table has a bit for each entry", () => {
  const chip = chipNamed("rtl8168h")!;
  for (const queues of [1, 2, 4]) {
    using rig = openDirectRig({ chip: chip.key, nic: { queues, receiveHash: true } });
    rig.up();
    const side = new SideBus(rig.registers, rig.clock);
    assert.equal(side.eriRead(ExtendedRss.queues), Math.log2(queues) << 2);
    assert.equal(side.eriRead(ExtendedRss.control), queues === 4 ? 0x1_073f : 0x073f);
    const low = [0, 0xaaaa_aaaa, 0xaaaa_aaaa][Math.log2(queues)]!;
    const high = queues === 4 ? 0xcccc_cccc : 0;
    const planes = RSS_TABLE.map((register) => rig.registers.read32(register));
    assert.deepEqual(planes, [low, low, low, low, high, high, high, high]);
    assert.equal(rig.registers.read32(RxConfig) & (RxConf8125.descriptorsV3 | RxConf8125.singleFetch), 1 << 24);
    const bases = rig.nic.queues.map(({ receive }) => receive.core.base);
    assert.deepEqual(
      bases,
      bases.map((_, i) => bases[0]! + 8 * i),
    );
    assert.ok(rig.nic.queues.every(({ receive }) => 4 << receive.core.step === 32 * queues));
  }
});

test("an RTL8168H does not hash the ports of UDP", () => {
  using rig = started(chipNamed("rtl8168h")!, 4);
  const queues = [1, 2, 3, 4].map((port) => {
    const frame = udp(ends({ inbound: true }), payload(100));
    frame[SOURCE_PORT] = port;
    rig.deliver(frame);
    const [arrived] = poll(rig);
    assert.equal(arrived!.hashedPorts, false);
    return arrived!.hash;
  });
  assert.equal(new Set(queues).size, 1);
  assert.notEqual(queues[0], 0);
});

test("an RTL8168H shows the events of queue 3 in a byte of its own, which is masked and acknowledged with the status", () => {
  using rig = started(chipNamed("rtl8168h")!, 4);
  const { nic, registers } = rig;
  nic.rss!.set({ table: new Uint8Array(128).fill(3) });
  rig.deliver(flowFrame(FLOWS[0]!));
  assert.equal(registers.read16(IntrStatus), 0);
  assert.equal(registers.read8(IntrStatus3), QueueIntr.receiveOk);
  assert.equal(registers.read8(IntrMask3), QueueIntr.receiveOk);
  assert.equal(nic.line.take(), true);
  assert.equal(nic.interrupt(), Events.receive & Intr.receiveOk);
  assert.deepEqual([registers.read8(IntrMask3), registers.read8(IntrStatus3)], [0, 0]);
  rig.deliver(flowFrame(FLOWS[0]!));
  assert.equal(nic.line.take(), false, "masked");
  nic.unmask();
  assert.equal(nic.line.take(), true);
});

test("the queues of an RTL8168H work with one vector, and a thread for each of them is rejected", () => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip: chipNamed("rtl8168h")!, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  using device = new DirectDevice(model, { name: "model", registers: 2, dmaBytes: 16 << 20, vectors: 1 });
  using bound = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, queues: 4 });
  bound.driver.up();
  assert.equal(bound.driver.queues.length, 4);
  assert.throws(() => openDirectRig({ chip: "rtl8168h", nic: { queues: 4, queueThreads: true } }), {
    code: "BAD_QUEUES",
    hint: "This chip's queues share an interrupt: poll all in one thread.",
  });
});

test("a lost doorbell of one of the transmit queues is detected, and rung again", () => {
  using rig = started(chipNamed("rtl8125b")!, 4);
  const memory = rig.dma.allocate({ what: "frame", bytes: 256, align: 64, direction: "toDevice" });
  const frame = udp(ends(), payload(100));
  memory.bytes.set(frame);
  const { model } = rig;
  const write = model.write.bind(model);
  model.write = (region, offset, width, value) => {
    if (offset !== TPPOLL) write(region, offset, width, value);
  };
  const { link } = rig.nic.queues[1]!;
  link.burst.set([memory.offset, frame.length, 0, 0]);
  link.transmit(0, 1);
  model.write = write;
  const findings: Finding[] = [];
  for (let passed = 0; passed < 2 * RING_AGAIN_MICROS; passed += 50_000) {
    const finding = rig.nic.checkHealth();
    if (finding !== undefined) findings.push(finding);
    rig.pass(50_000);
  }
  assert.deepEqual(findings, ["doorbellLost"]);
  assert.deepEqual(rig.sent, [frame]);
});

for (const key of ["rtl8125b", "rtl8168h"] as const)
  test(`${key}: an exhausted ring of another queue than the first is detected, although it raises no interrupt`, () => {
    using rig = started(chipNamed(key)!, 4, { nic: { slots: 64 } });
    rig.nic.rss!.set({ table: new Uint8Array(128).fill(3) });
    let taken = 0;
    while (rig.deliver(flowFrame(FLOWS[0]!))) taken++;
    assert.equal(taken, 64);
    rig.pass(1_100_000);
    assert.equal(rig.nic.checkHealth(), undefined);
    assert.equal(rig.nic.health.ringsExhausted, 1);
    assert.equal(poll(rig).length, 64);
  });

test("a number of queues that the chip or the bus does not have is rejected before any write", () => {
  for (const [chip, queues, hint] of [
    ["rtl8168ep", 2, "RTL8168ep/8111ep has one receive queue."],
    ["rtl8168h", 8, "Use a power of two: RTL8168h/8111h has 4 receive queues."],
    ["rtl8125a", 2, "RTL8125A has one receive queue."],
    ["rtl8125b", 8, "Use a power of two: RTL8125B has 4 receive queues."],
    ["rtl8125b", 3, "Use a power of two: RTL8125B has 4 receive queues."],
    ["rtl8125b", 0, "Use a power of two: RTL8125B has 4 receive queues."],
    ["rtl8127a", 16, "Use a power of two: RTL8127A has 8 receive queues."],
  ] as const)
    assert.throws(() => openDirectRig({ chip, nic: { queues } }), { code: "BAD_QUEUES", hint });
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip: chipNamed("rtl8125b")!, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  using device = new DirectDevice(model, { name: "model", registers: 2, dmaBytes: 16 << 20, vectors: 4 });
  const written: number[] = [];
  model.write = (region, offset) => {
    if (region === 2) written.push(offset);
  };
  const options = { clock, mtu: 1500, weaklyOrdered: false, queues: 4 };
  assert.throws(() => bind(rtl8169, device, options), {
    code: "BAD_QUEUES",
    hint: "They need the interrupt vectors up to 21, and the bus offers 4. Use one queue.",
  });
  assert.deepEqual(written, []);
});

test("on chips before the RTL8125, the driver writes no register from 0x800 on, where later chips have RSS", () => {
  for (const chip of ["rtl8168h", "rtl8168ep", "rtl8117-54a"]) {
    using rig = openDirectRig({ chip });
    const { model } = rig;
    const write = model.write.bind(model);
    const written: number[] = [];
    model.write = (region, offset, width, value) => {
      written.push(offset);
      write(region, offset, width, value);
    };
    rig.up();
    assert.equal(rig.nic.rss, undefined);
    assert.ok(written.length > 100);
    assert.deepEqual(
      written.filter((offset) => offset >= 0x800),
      [],
    );
  }
});
