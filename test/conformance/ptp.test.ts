/** Tests the PTP clock and its timestamps on the direct rig. Most tests use one chip of each die that has such a clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { PhyClock, PhyClockCommand, PhyClockControl } from "#chip/ptp.ts";
import { SideBusTimeout } from "#driver/errors.ts";
import { SideBus } from "#driver/side-bus.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, Received } from "#kit/link.ts";
import { buildUdpFrame } from "#wire/frames.ts";
import { memoryOf } from "#wire/memory.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ends, HERE, payload, THERE, udp } from "../rigs/frames.ts";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";

const SECOND = 1_000_000_000n;
const MESSAGES = ["Sync", "Delay_Req", "Pdelay_Req", "Pdelay_Resp"] as const;
const GENERAL = 0xb;

const hasClock = ({ profile }: Chip): boolean => profile.ptp !== undefined;

const started = (chip: Chip, options: Parameters<typeof openDirectRig>[0] = {}): DirectRig => {
  const rig = openDirectRig({ chip: chip.key, ...options, nic: { timestamps: true, ...options.nic } });
  rig.up();
  return rig;
};
/**
 * Asserts that two times are nearly equal. Accesses take no time in this model, so a difference that is larger than the
 * rounding of rates and times is an error.
 */
const near = (actual: bigint, expected: bigint, what: string, tolerance = 300n): void => {
  const off = actual - expected;
  assert.ok(off >= -tolerance && off <= tolerance, `${what}: ${actual} ns differs by ${off} ns from ${expected} ns`);
};

/** A PTP message of the given type, in the format of IEEE 1588: 44 bytes, by default of version 2. */
const message = (type: number, version = 2): Uint8Array =>
  Uint8Array.from({ length: 44 }, (_, i) => (i === 0 ? type : i === 1 ? version : i === 3 ? 44 : 0));
const overEthernet = (inbound: boolean, type: number): Uint8Array => {
  const [to, from] = inbound ? [HERE, THERE] : [THERE, HERE];
  return Uint8Array.from([...to, ...from, 0x88, 0xf7, ...message(type), 0, 0]);
};
const overUdp = (v6: boolean, inbound: boolean, type: number, port = 319, version = 2): Uint8Array => {
  const bytes = new Uint8Array(256);
  const ports = { sourcePort: 319, destinationPort: port };
  return bytes.slice(0, buildUdpFrame(memoryOf(bytes), 0, ends({ v6, inbound }), ports, message(type, version)));
};
const WAYS = {
  Ethernet: overEthernet,
  "UDP over IPv4": (inbound: boolean, type: number) => overUdp(false, inbound, type),
  "UDP over IPv6": (inbound: boolean, type: number) => overUdp(true, inbound, type),
} as const;
const UNSTAMPED = (inbound: boolean): readonly Uint8Array[] => [
  overEthernet(inbound, GENERAL),
  overUdp(false, inbound, 0, 320),
  overUdp(false, inbound, 0, 319, 1),
  udp(ends({ inbound }), payload(100)),
];

/** Delivers frames together. Returns the timestamp of each; undefined for a frame without one. */
const receive = (rig: DirectRig, frames: readonly Uint8Array[]): (bigint | undefined)[] => {
  for (const frame of frames) assert.ok(rig.deliver(frame));
  const { link } = rig.nic.rings;
  const count = link.receive(0, 64);
  assert.equal(count, frames.length);
  const entries = Array.from({ length: count }, (_, i) => link.burst.subarray(i * FRAME_WORDS));
  for (const [i, [offset = 0, length = 0]] of entries.entries())
    assert.deepEqual(rig.nic.memory.bytes.slice(offset, offset + length), frames[i]);
  return entries.map(([, , flags = 0], i) => ((flags & Received.stamped) === 0 ? undefined : link.times![i]!));
};

for (const chip of CHIPS_UNDER_TEST.filter(hasClock)) {
  test(`${chip.key}: the PTP clock is read, set, stepped and adjusted`, () => {
    using rig = started(chip);
    const ptp = rig.nic.ptp!;
    const start = 1_800_000_000n * SECOND + 999_999_999n;
    ptp.time = start;
    near(ptp.time, start, "set");
    rig.pass(3_000_000);
    near(ptp.time, start + 3n * SECOND, "after three seconds");

    ptp.step(-(10n * SECOND + 5n));
    near(ptp.time, start - 7n * SECOND, "stepped back");
    ptp.step(5_000_000_000n * SECOND);
    near(ptp.time, start + 4_999_999_993n * SECOND, "stepped by more than 32 bits of seconds");

    for (const ppb of [100_000, -ptp.mostAdjustment, ptp.mostAdjustment, 0.5, 0]) {
      ptp.time = start;
      ptp.adjustment = ppb;
      rig.pass(1e9);
      assert.equal(ptp.adjustment, ppb);
      // One unit of the rate is 0.12 ppb in the MAC and 0.23 ppb in the PHY, which makes 116 and 233 ns in 1000 s.
      near(ptp.time, start + 1000n * SECOND + BigInt(1000 * ppb), `${ppb} ppb for 1000 s`);
    }
    assert.ok(ptp.mostAdjustment >= 488_281);
  });

  test(`${chip.key}: PTP event messages are timestamped when sent and when received, other frames are not`, () => {
    using rig = started(chip);
    const ptp = rig.nic.ptp!;
    const free = rig.nic.rings.receive.armed();
    ptp.time = 5n * SECOND;
    assert.equal(ptp.sent(), undefined);
    for (const [way, frame] of Object.entries(WAYS))
      for (const [type, name] of MESSAGES.entries()) {
        rig.pass(1_000_000);
        const before = ptp.time;
        rig.send(frame(false, type));
        near(ptp.sent()!, before, `${name} sent by ${way}`);
        assert.equal(ptp.sent(), undefined, "a timestamp must be taken only once");

        rig.pass(1_000_000);
        const arrived = ptp.time;
        near(receive(rig, [frame(true, type)])[0]!, arrived, `${name} received by ${way}`);
        rig.poll();
      }
    for (const frame of UNSTAMPED(false)) rig.send(frame);
    assert.equal(ptp.sent(), undefined);
    const plain = UNSTAMPED(true);
    assert.deepEqual(
      receive(rig, plain),
      plain.map(() => undefined),
    );
    assert.equal(rig.nic.rings.receive.armed(), free, "every descriptor must belong to the NIC again");
  });

  test(`${chip.key}: several messages that are received together have timestamps; the PHY keeps one of each type`, () => {
    using rig = started(chip);
    const frames = [0, 3, 0, 1].map((type) => overEthernet(true, type));
    for (let i = 0; i < 200; i++) {
      const stamps = receive(rig, [...frames, ...UNSTAMPED(true)]);
      const has = stamps.map((stamp) => stamp !== undefined);
      const first = chip.profile.ptp === "mac";
      assert.deepEqual(has, [first, true, true, true, false, false, false, false], `round ${i}`);
    }
  });

  test(`${chip.key}: time, rate and timestamps survive a reset, an MTU change, down and up`, () => {
    using rig = started(chip);
    const ptp = rig.nic.ptp!;
    ptp.time = 7n * SECOND;
    ptp.adjustment = 100_000;
    const since = rig.clock.now();
    for (const change of [
      () => rig.nic.reset(),
      () => rig.nic.setMtu(4000),
      () => {
        rig.nic.down();
        rig.pass(5_000_000);
        rig.nic.up();
      },
    ]) {
      change();
      rig.up();
      for (let i = 0; i < 20; i++) rig.pass(100_000);
      rig.poll();
      const elapsed = BigInt(Math.round((rig.clock.now() - since) * 1000));
      // While the NIC is stopped, the host's clock, which is not adjusted, measures the time.
      near(ptp.time, 7n * SECOND + elapsed + elapsed / 10_000n, "time", 2_000_000n);
      const [stamp] = receive(rig, [overEthernet(true, 0)]);
      assert.ok(stamp !== undefined);
      rig.send(overEthernet(false, 0));
      assert.ok(ptp.sent()! >= stamp);
    }
  });
}

test("with several queues a message has its timestamp in whichever queue its hash selects", () => {
  for (const key of ["rtl8125b", "rtl8126a-64a"]) {
    using rig = started(
      CHIPS.find((chip) => chip.key === key)!,
      { nic: { queues: 4 } },
    );
    rig.nic.ptp!.time = 9n * SECOND;
    for (const [entry, table] of [0, 3].map((queue) => [queue, new Uint8Array(128).fill(queue)] as const)) {
      rig.nic.rss!.set({ table });
      for (const frame of [overUdp(false, true, 1), overUdp(true, true, 2)]) {
        rig.pass(1000);
        const arrived = rig.nic.ptp!.time;
        assert.ok(rig.deliver(frame));
        const counts = rig.nic.queues.map(({ link }) => link.receive(0, 64));
        assert.deepEqual(counts.indexOf(1), entry, key);
        const { link } = rig.nic.queues[entry]!;
        const [offset = 0, length = 0, flags = 0] = link.burst;
        assert.deepEqual(link.memory.bytes.slice(offset, offset + length), frame);
        assert.equal(flags & (Received.stamped | Received.hashed), Received.stamped | Received.hashed);
        near(link.times![0]!, arrived, key);
      }
    }
  }
});

test("the PTP clock keeps its time while the system sleeps", () => {
  for (const key of ["rtl8125b", "rtl8127a"]) {
    using rig = started(CHIPS.find((chip) => chip.key === key)!);
    const ptp = rig.nic.ptp!;
    ptp.time = 3n * SECOND;
    const since = rig.clock.now();
    rig.nic.power.suspend();
    rig.pass(60_000_000);
    rig.nic.power.resume();
    rig.up();
    near(ptp.time, 3n * SECOND + BigInt(Math.round((rig.clock.now() - since) * 1000)), key, 100_000n);
  }
});

test("with a PHY that does not respond, messages are received without timestamps, and the clock's time is an error", () => {
  using rig = started(CHIPS.find((chip) => chip.key === "rtl8126a-64a")!);
  const ptp = rig.nic.ptp!;
  ptp.time = 3n * SECOND;
  const since = rig.clock.now();
  const { count } = rig.nic.expiredWaits;
  rig.model.setLatency("phy", Infinity);
  assert.deepEqual(receive(rig, [overEthernet(true, 0)]), [undefined]);
  assert.equal(rig.nic.expiredWaits.count, count + 1);
  assert.throws(() => ptp.time, SideBusTimeout);
  assert.throws(() => ptp.step(1n), SideBusTimeout);
  assert.throws(() => ptp.sent(), SideBusTimeout);
  rig.model.setLatency("phy", 0);
  rig.nic.reset();
  rig.up();
  near(ptp.time, 3n * SECOND + BigInt(Math.round((rig.clock.now() - since) * 1000)), "the PHY's clock went on");
  assert.notEqual(receive(rig, [overEthernet(true, 0)])[0], undefined);
});

test("a frame that the PHY has not timestamped does not get the timestamp of an earlier one", () => {
  for (const { key } of CHIPS_UNDER_TEST.filter(({ profile }) => profile.ptp === "phy")) {
    using rig = started(CHIPS.find((chip) => chip.key === key)!);
    const frame = overUdp(false, true, 0);
    assert.notEqual(receive(rig, [frame])[0], undefined);
    // With this fragment offset the frame is a later fragment, so no UDP header follows its IP header.
    frame[21] = 100;
    rig.pass(1_000_000);
    assert.deepEqual(receive(rig, [frame]), [undefined], key);
  }
});

test("after several sent messages the last one's timestamp is returned, and the others' never", () => {
  for (const chip of CHIPS_UNDER_TEST.filter(hasClock)) {
    using rig = started(chip);
    const ptp = rig.nic.ptp!;
    for (const [earlier, later] of [
      [0, 1],
      [3, 2],
    ] as const) {
      rig.send(overEthernet(false, earlier));
      rig.pass(1_000_000);
      const before = ptp.time;
      rig.send(overEthernet(false, later));
      near(ptp.sent()!, before, chip.key);
      rig.pass(1_000_000);
      const again = ptp.time;
      rig.send(overEthernet(false, 3));
      near(ptp.sent()!, again, `${chip.key}: afterwards`);
    }
  }
});

test("when the PHY has lost its settings, its clock is started again with the time and the rate that were set", () => {
  for (const { key } of CHIPS_UNDER_TEST.filter(({ profile }) => profile.ptp === "phy")) {
    using rig = started(CHIPS.find((chip) => chip.key === key)!);
    const ptp = rig.nic.ptp!;
    ptp.time = 2n * SECOND;
    ptp.step(SECOND);
    ptp.adjustment = 1000;
    const since = rig.clock.now();
    rig.pass(1_000_000);
    rig.model.faults.arm("forgetful-phy");
    rig.nic.restartPhy();
    rig.up();
    const elapsed = (): bigint => BigInt(Math.round((rig.clock.now() - since) * 1000));
    near(ptp.time, 3n * SECOND + elapsed(), key, 100_000n);
    const [start, from] = [ptp.time, elapsed()];
    rig.pass(100_000_000);
    near(ptp.time, start + ((elapsed() - from) * 1_000_001n) / 1_000_000n, `${key}: rate`);
    assert.notEqual(receive(rig, [overEthernet(true, 0)])[0], undefined);
    rig.send(overEthernet(false, 0));
    assert.notEqual(ptp.sent(), undefined);
  }
});

test("a clock that another driver left running with a rate of its own is set to this driver's rate", () => {
  using rig = openDirectRig({ chip: "rtl8126a-64a", nic: { timestamps: true } });
  const bus = new SideBus(rig.registers, rig.clock);
  bus.phyWrite(PhyClock.control, PhyClockControl.on);
  bus.phyWrite(PhyClock.time, 0xffff);
  bus.phyWrite(PhyClock.command, PhyClockCommand.setRate | PhyClockCommand.execute);
  rig.up();
  const ptp = rig.nic.ptp!;
  assert.equal(ptp.adjustment, 0);
  const before = ptp.time;
  rig.pass(1e9);
  near(ptp.time, before + 1000n * SECOND, "1000 s");
});

test("times and adjustments outside the clock's range are rejected, and change nothing", () => {
  for (const key of ["rtl8125b", "rtl8126a-64a"]) {
    using rig = started(CHIPS.find((chip) => chip.key === key)!);
    const ptp = rig.nic.ptp!;
    ptp.time = SECOND;
    assert.throws(() => (ptp.time = -1n), OutOfRange);
    assert.throws(() => (ptp.time = 2n ** 63n), OutOfRange);
    assert.throws(() => ptp.step(-2n * SECOND), OutOfRange);
    for (const ppb of [ptp.mostAdjustment + 1, -ptp.mostAdjustment - 1, NaN, Infinity])
      assert.throws(() => (ptp.adjustment = ppb), OutOfRange);
    near(ptp.time, SECOND, "time");
    assert.equal(ptp.adjustment, 0);
    rig.nic.down();
    assert.throws(() => ptp.time, OutOfRange);
  }
});

test("timestamps are refused by chips without a clock, and with a thread for each queue", () => {
  for (const chip of CHIPS.filter((each) => !hasClock(each)))
    assert.throws(() => openDirectRig({ chip: chip.key, nic: { timestamps: true } }), OutOfRange, chip.key);
  assert.throws(
    () => openDirectRig({ chip: "rtl8125b", nic: { timestamps: true, queues: 2, queueThreads: true } }),
    OutOfRange,
  );
  using rig = openDirectRig({ chip: "rtl8125b" });
  assert.equal(rig.nic.ptp, undefined);
});
