/** Receiving on the direct rig: frames in several buffers, the filter, damaged frames, the FCS, hashes and long counters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { CHIPS } from "#chip/chips.ts";
import { COUNTERS, EXTENDED_COUNTERS, LongDump } from "#chip/counters.ts";
import { SideBus } from "#driver/side-bus.ts";
import { Received, Send } from "#kit/link.ts";
import { Damage } from "#kit/port.ts";
import { ends, HERE, payload, tcp, udp } from "../rigs/frames.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { GENERATIONS } from "../rigs/generations.ts";

const arriving = (bytes: number, seed = 0): Uint8Array => udp(ends({ inbound: true }), payload(bytes, seed));
/** A frame to this Ethernet address. */
const to = (...address: readonly number[]): Uint8Array => {
  const frame = arriving(100);
  frame.set(address);
  return frame;
};
const arrives = (rig: DirectRig, frame: Uint8Array): boolean => {
  rig.deliver(frame);
  return rig.poll().length === 1;
};

// In a frame's last descriptor, some of these chips store the number of bytes in the last buffer, and the others the
// number of bytes of the whole frame. There is a chip for each descriptor format that has a hash.
for (const [key, receiveHash] of [
  ["rtl8168h", false],
  ["rtl8168h", true],
  ["rtl8168d-281", false],
  ["rtl8169s", false],
  ["rtl8125b", true],
  ["rtl8126a-64a", true],
] as const) {
  const chip = receiveHash ? `${key}, with hashes` : key;
  test(`${chip}: frames of any length are received whole, with buffers of any size`, () => {
    const { largestMtu } = CHIPS.find((row) => row.key === key)!;
    fc.assert(
      fc.property(
        fc.integer({ min: 32, max: 512 }),
        fc.array(fc.tuple(fc.integer({ min: 18, max: largestMtu - 28 }), fc.boolean()), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.boolean(),
        (eighths, frames, fcs) => {
          using rig = openDirectRig({
            chip: key,
            mtu: largestMtu,
            nic: { largestBuffer: 8 * eighths, receiveHash, slots: 512 },
          });
          rig.nic.filter = { promiscuous: false, groups: "all", fcs };
          rig.up();
          assert.equal(rig.nic.up().bufferBytes, 8 * eighths);
          for (const [i, [bytes, tagged]] of frames.entries()) {
            assert.ok(rig.deliver(udp(ends({ inbound: true, ...(tagged ? { tag: 0x2005 } : {}) }), payload(bytes, i))));
            const [got, ...none] = rig.poll();
            assert.equal(none.length, 0);
            assert.deepEqual(got!.subarray(0, 42 + bytes), arriving(bytes, i));
            assert.equal(got!.length, 42 + bytes + (fcs ? 4 : 0));
            assert.equal(rig.tags[0], tagged ? 0x2005 : 0);
            assert.equal((rig.flags[0]! & Received.hashed) !== 0, receiveHash);
          }
          assert.equal(rig.nic.rings.receive.armed(), 512);
        },
      ),
      { numRuns: 8, seed: 8169 },
    );
  });
}

test("a frame longer than the MTU allows is not received, even if it fits in several buffers", () => {
  using rig = openDirectRig({ mtu: 5000 });
  rig.up();
  assert.equal(rig.nic.up().bufferBytes, 4096);
  assert.equal(arrives(rig, arriving(5000 - 28)), true);
  assert.equal(arrives(rig, arriving(6000)), false);
});

for (const chip of GENERATIONS)
  test(`${chip}: of two VLAN tags the outer one is passed with the frame, and inserted in front of one that is in the frame`, () => {
    const receiveHash = CHIPS.find(({ key }) => key === chip)!.profile.frames.hashedFormat !== undefined;
    for (const hashed of new Set([false, receiveHash])) {
      using rig = openDirectRig({ chip, nic: { receiveHash: hashed } });
      rig.up();
      const inner = udp(ends({ inbound: true, tag: 0x0064 }), payload(200));
      rig.deliver(Uint8Array.of(...inner.subarray(0, 12), 0x81, 0, 0x61, 0x23, ...inner.subarray(12)));
      assert.deepEqual(rig.poll(), [inner]);
      assert.equal(rig.tags[0], 0x6123);
      assert.equal(rig.flags[0]! & Received.udpChecksumGood, Received.udpChecksumGood);

      const sent = udp(ends({ tag: 0x0064 }), payload(200));
      rig.send(sent, Send.tag, 0x6123);
      assert.deepEqual(rig.sent, [Uint8Array.of(...sent.subarray(0, 12), 0x81, 0, 0x61, 0x23, ...sent.subarray(12))]);
    }
  });

// Chips with the usual multicast hash, with a hash whose bytes are reversed, and without a working hash.
for (const [chip, others] of [
  ["rtl8169s", false],
  ["rtl8168h", false],
  ["rtl8168f-480", true],
  ["rtl8125b", false],
] as const)
  test(`${chip}: the filter passes exactly the configured addresses, also when changed under traffic`, () => {
    using rig = openDirectRig({ chip });
    rig.up();
    const [second, third] = [
      [0x02, 0, 0, 0, 0x77, 1],
      [0x02, 0, 0, 0, 0x77, 2],
    ];
    const [group, other] = [
      [0x01, 0, 0x5e, 0, 0, 1],
      [0x33, 0x33, 0, 0, 0, 1],
    ];
    const passes = (): boolean[] => [second, third, group, other].map((address) => arrives(rig, to(...address)));
    const one = { promiscuous: false, groups: [Uint8Array.from(group)] };
    rig.nic.filter = one;
    assert.deepEqual(passes(), [false, false, true, others]);
    rig.nic.filter = { ...one, addresses: [Uint8Array.from(second)] };
    assert.deepEqual(passes(), [true, true, true, true], "all pass: there is no filter for a second address");
    rig.nic.filter = { ...one, groups: [] };
    assert.deepEqual(passes(), [false, false, false, false]);
    rig.nic.filter = { promiscuous: false, groups: "all" };
    assert.deepEqual(passes(), [false, false, true, true]);
    rig.nic.filter = { promiscuous: true, groups: [] };
    assert.deepEqual(passes(), [true, true, true, true]);
    for (const wrong of [group, [0, 0, 0, 0, 0, 0], [2, 0, 0]])
      assert.throws(
        () => {
          rig.nic.filter = { ...one, addresses: [Uint8Array.from(wrong)] };
        },
        { code: "OUT_OF_RANGE" },
      );
    assert.deepEqual(passes(), [true, true, true, true], "a rejected filter must leave the previous one in force");
    assert.equal(arrives(rig, to(...HERE)), true);
  });

for (const chip of ["rtl8169s", "rtl8168h", "rtl8125b", "rtl8126a-64a"])
  for (const receiveHash of chip.startsWith("rtl8125") || chip.startsWith("rtl8126") ? [false, true] : [false])
    test(`${chip}: damaged frames are received on request, marked${receiveHash ? " (with hashes)" : ""}`, () => {
      using rig = openDirectRig({ chip, nic: { receiveHash } });
      rig.up();
      const damage = (length: number, what: number): number | undefined => {
        rig.bench.nic!.receiveDamaged!(arriving(1000), 0, length, what);
        return rig.poll().length === 1 ? rig.flags[0] : undefined;
      };
      const all = (): (number | undefined)[] => [
        damage(1042, Damage.crc),
        damage(40, Damage.runt),
        damage(1042, Damage.alignment),
        damage(1042, Damage.long),
      ];
      assert.deepEqual(all(), [undefined, undefined, undefined, undefined]);
      rig.nic.filter = { promiscuous: false, groups: "all", damaged: true };
      const { damaged } = Received;
      assert.deepEqual(all(), [damaged, damaged, damaged, undefined]);
      assert.equal(arrives(rig, arriving(100)), true);
      assert.equal(rig.flags[0]! & damaged, 0);
      rig.nic.filter = { promiscuous: false, groups: "all" };
      assert.deepEqual(all(), [undefined, undefined, undefined, undefined]);
      assert.equal(rig.nic.rings.receive.armed(), rig.nic.slots);
    });

test("the FCS is at the end of each frame on request, also after an MTU change", () => {
  using rig = openDirectRig({ frameCheck: true });
  rig.up();
  const frame = arriving(300);
  const check = new Uint8Array(4);
  new DataView(check.buffer).setUint32(0, crc32(frame), true);
  rig.nic.filter = { promiscuous: false, groups: "all", fcs: true };
  for (const mtu of [1500, 9000]) {
    rig.nic.setMtu(mtu);
    rig.up();
    rig.pass(100_000);
    rig.deliver(frame);
    assert.deepEqual(rig.poll(), [Uint8Array.of(...frame, ...check)]);
  }
  rig.nic.filter = { promiscuous: false, groups: "all" };
  rig.deliver(frame);
  assert.deepEqual(rig.poll(), [frame]);
});

// The expected hashes are from Microsoft, “Verifying the RSS Hash Calculation”.
for (const chip of ["rtl8168h", "rtl8168m", "rtl8125a", "rtl8125b", "rtl8125d-688", "rtl8127a"])
  test(`${chip}: the hash of a frame is that of Microsoft's specification`, () => {
    using rig = openDirectRig({ chip, nic: { receiveHash: true } });
    rig.up();
    const frame = tcp(ends({ inbound: true }), payload(100));
    frame.set([66, 9, 149, 187, 161, 142, 100, 80], 26);
    new DataView(frame.buffer).setUint16(34, 2794);
    new DataView(frame.buffer).setUint16(36, 1766);
    assert.equal(arrives(rig, frame), true);
    const { hashed, hashedPorts } = Received;
    assert.equal(rig.flags[0]! & (hashed | hashedPorts), hashed | hashedPorts);
    assert.equal(rig.nic.up().hashes![0]! >>> 0, 0x51cc_c178);
    // The hash of an IPv6 frame with ports uses the whole key.
    const v6 = tcp(ends({ inbound: true, v6: true }), payload(100));
    v6.set([0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x07], 22);
    v6.set([0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 0x01], 38);
    new DataView(v6.buffer).setUint16(54, 2794);
    new DataView(v6.buffer).setUint16(56, 1766);
    assert.equal(arrives(rig, v6), true);
    assert.equal(rig.nic.up().hashes![0]! >>> 0, 0x4020_7d3d);
    // A frame without IP has no hash.
    frame.set([0x88, 0xcc], 12);
    assert.equal(arrives(rig, frame), true);
    assert.equal(rig.flags[0]! & (hashed | hashedPorts), 0);
    assert.equal(rig.nic.up().hashes![0], 0);
    rig.nic.setMtu(9000);
    rig.up();
    rig.pass(100_000);
    assert.equal(arrives(rig, arriving(8000)), true);
    assert.equal(rig.flags[0]! & hashed, hashed);
  });

test("the option `receiveHash` is rejected on chips that compute no hash", () => {
  assert.throws(() => openDirectRig({ chip: "rtl8168g", nic: { receiveHash: true } }), {
    code: "OUT_OF_RANGE",
    hint: "Leave `receiveHash` out.",
  });
  using rig = openDirectRig({ chip: "rtl8168g" });
  assert.equal(rig.nic.up().hashes, undefined);
});

for (const chip of CHIPS.filter(({ profile }) => profile.tally.bytes === 192))
  test(`${chip.key}: the counters include those of the long dump, whose setting is restored`, () => {
    using rig = openDirectRig({ chip: chip.key });
    rig.up();
    const before = new SideBus(rig.registers, rig.clock).macRead(LongDump.macOcp);
    for (let i = 0; i < 3; i++) rig.deliver(arriving(100));
    rig.poll();
    rig.send(udp(ends(), payload(100)));
    const tally = rig.nic.tally();
    assert.deepEqual(
      Object.keys(tally).toSorted(),
      [...COUNTERS, ...EXTENDED_COUNTERS].map(({ name }) => name).toSorted(),
    );
    assert.equal(tally.rxPackets, 3);
    assert.equal(tally.rxOctets, 3 * 146);
    assert.equal(tally.txOctets, 146);
    assert.equal(tally.txUnicast64, 1);
    const bus = new SideBus(rig.registers, rig.clock);
    assert.equal(bus.macRead(LongDump.macOcp), before);
  });

test("a chip with the short dump reports only the counters in that dump", () => {
  using rig = openDirectRig();
  rig.up();
  assert.deepEqual(
    Object.keys(rig.nic.tally()),
    COUNTERS.map(({ name }) => name),
  );
});
