/** Tests that every NIC must pass with our driver. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { INTERRUPTS } from "#driver/interrupts.ts";
import { Events } from "#driver/events.ts";
import { Received, Send } from "#kit/link.ts";
import { rw32, rw8 } from "#kit/mmio.ts";
import { assertSums, ends, HERE, layout, leaveChecksum, payload, tcp, udp } from "../rigs/frames.ts";
import type { Rig, RigOptions } from "../rigs/rig.ts";
import { sendMatrix, TAGS } from "./matrix.ts";

/** A rig, and properties of its NIC. */
export interface Subject {
  readonly open: (options?: RigOptions) => Rig;
  readonly chip: string;
  readonly xid: number;
  readonly speed: number;
  /** Whether pause is negotiated. On fibre it is not, because the PHY does not report the result. Default: true. */
  readonly pause?: boolean;
  /** Titles of the tests that this NIC cannot pass, with the reason in the hardware. */
  readonly cannot: Readonly<Record<string, string>>;
  /** The reason that the rig cannot run here, or false. */
  readonly absent: string | false;
}

const transportAt = (frame: Uint8Array): number => layout(frame).transport << Send.transportOffsetShift;

/** A frame to an address with these first and last bytes. */
const to = (first: number, last: number): Uint8Array => {
  const frame = udp(ends({ inbound: true }), payload(100));
  frame.set([first, first === 0xff ? 0xff : 0, 0xff, 0xff, 0xff, last]);
  return frame;
};

/** The hash bit of an address: the six lowest bits of its CRC-32 before the final inversion, in reverse order. */
const hashBit = (address: Uint8Array): number => {
  const crc = ~crc32(address) >>> 0;
  let bit = 0;
  for (let i = 0; i < 6; i++) bit |= ((crc >>> i) & 1) << (5 - i);
  return bit;
};

/** The first group 33:33:00:00:00:NN whose bit in the multicast hash is `bit`. */
const groupOfBit = (bit: number): Uint8Array => {
  for (let last = 0; last < 256; last++) {
    const group = Uint8Array.of(0x33, 0x33, 0, 0, 0, last);
    if (hashBit(group) === bit) return group;
  }
  return assert.fail(`no group has bit ${bit}`);
};

/** Declares the tests. */
export const conformance = (subject: Subject): void => {
  const { open } = subject;
  const left = new Set(Object.keys(subject.cannot));
  const check = (title: string, act: () => void): void => {
    left.delete(title);
    void test(title, { skip: subject.absent === false ? (subject.cannot[title] ?? false) : subject.absent }, act);
  };

  describe("bring-up", () => {
    check("identifies the chip, reads its station address and detects the link", () => {
      using rig = open();
      assert.equal(rig.nic.xid, subject.xid);
      assert.equal(rig.nic.chip.key, subject.chip);
      rig.up();
      assert.deepEqual(rig.nic.address, HERE);
      assert.deepEqual(rig.nic.link, {
        up: true,
        speed: subject.speed,
        fullDuplex: true,
        pause: { receive: subject.pause ?? true, transmit: subject.pause ?? true },
      });
    });

    check("up and down a hundred times leaks no DMA memory", () => {
      using rig = open();
      const before = rig.dma.live;
      for (let i = 0; i < 100; i++) {
        rig.nic.up();
        rig.nic.down();
      }
      assert.equal(rig.dma.live, before);
    });

    check("works after another driver has left the chip running, with rings that no longer exist", () => {
      using rig = open();
      rig.registers.write8(rw8(0x50), 0xc0); // The configuration registers are unlocked.
      rig.registers.write32(rw32(0xe8), 0);
      rig.registers.write32(rw32(0xe4), 0xdead_0000); // The address of another system's ring.
      rig.registers.write32(rw32(0x44), 0x0f);
      INTERRUPTS[rig.nic.chip.profile.mac.interrupts].allow(rig.registers, 0xffff);
      rig.registers.write8(rw8(0x37), 0x0c); // Transmitter and receiver are enabled.
      rig.up();
      rig.send(udp(ends(), payload(64)));
      assert.equal(rig.sent.length, 1);
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      assert.equal(rig.poll().length, 1);
    });
  });

  describe("transmit", () => {
    check("frames are sent unchanged and in order", () => {
      using rig = open();
      rig.up();
      const frames = [60, 61, 64, 1000, 1513, 1514].map((length, i) => udp(ends(), payload(length - 42, i)));
      for (const frame of frames) rig.send(frame);
      assert.deepEqual(rig.sent, frames);
    });

    check("short frames are padded with zeros to Ethernet's minimum", () => {
      using rig = open();
      rig.up();
      const frame = udp(ends(), payload(1));
      rig.send(frame);
      assert.equal(rig.sent[0]!.length, 60);
      assert.deepEqual(rig.sent[0]!.subarray(0, frame.length), frame);
      assert.ok(rig.sent[0]!.subarray(frame.length).every((b) => b === 0));
    });

    check("fragments of any lengths make one frame", () => {
      using rig = open();
      rig.up();
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 16 }), (lengths) => {
          const total = lengths.reduce((a, b) => a + b, 0);
          if (total < 60 || total > 1514) return;
          rig.sent.length = 0;
          const frame = payload(total);
          frame.set(HERE, 6);
          rig.send(frame, 0, 0, lengths);
          rig.poll();
          assert.deepEqual(rig.sent, [frame]);
        }),
        { numRuns: 50 },
      );
    });

    for (const v6 of [false, true]) {
      const ip = v6 ? "IPv6" : "IPv4";
      for (const [name, build, ask] of [
        ["TCP", tcp, Send.tcpChecksum],
        ["UDP", udp, Send.udpChecksum],
      ] as const)
        check(`the NIC fills in the ${name} checksum over ${ip}`, () => {
          using rig = open();
          rig.up();
          for (const length of [20, 21, 999, 1000]) {
            const frame = build(ends({ v6 }), payload(length));
            const expected = frame.slice();
            leaveChecksum(frame);
            rig.send(frame, ask | transportAt(frame) | (v6 ? Send.ipv6 : 0));
            assert.deepEqual(rig.sent.at(-1), expected);
          }
        });

      check(`the NIC segments a super-frame over ${ip} with correct headers`, () => {
        using rig = open();
        rig.up();
        for (const length of [2000, 14_480, 14_481, 60_000]) {
          rig.sent.length = 0;
          const data = payload(length);
          const frame = tcp(ends({ v6 }), data, { flags: 0x18 });
          leaveChecksum(frame, false);
          const pieces: number[] = [];
          for (let left = frame.length; left > 0; left -= 16384) pieces.push(Math.min(left, 16384));
          rig.send(frame, 1440 | Send.tcpChecksum | transportAt(frame) | (v6 ? Send.ipv6 : 0), 0, pieces);
          const { sent } = rig;
          assert.equal(sent.length, Math.ceil(length / 1440));
          const { transport } = layout(frame);
          const stream = sent.flatMap((segment) => [...segment.subarray(transport + 20)]);
          assert.deepEqual(Uint8Array.from(stream.slice(0, length)), data);
          sent.forEach((segment, i) => {
            assertSums(segment);
            const sequence = new DataView(segment.buffer).getUint32(transport + 4);
            assert.equal(sequence, 0x1234_5678 + i * 1440);
          });
        }
      });
    }

    for (const v6 of [false, true])
      for (const tags of TAGS)
        check(
          `every combination of checksum, segmentation and fragments, over ${v6 ? "IPv6" : "IPv4"}, ${tags}`,
          () => {
            using rig = open();
            rig.up();
            assert.ok(sendMatrix(rig, { v6, tags }) > 50);
          },
        );

    check("of the segments of a super-frame with PSH, only the last has PSH", () => {
      using rig = open();
      rig.up();
      const frame = tcp(ends(), payload(5000), { flags: 0x18 });
      leaveChecksum(frame, false);
      rig.send(frame, 1440 | Send.tcpChecksum | transportAt(frame));
      const flags = rig.sent.map((segment) => segment[layout(frame).transport + 13]);
      assert.deepEqual(flags, [0x10, 0x10, 0x10, 0x18]);
    });

    check("the NIC inserts a tag, also into segments", () => {
      using rig = open();
      rig.up();
      const frame = udp(ends(), payload(100));
      rig.send(frame, Send.tag, 0x6123);
      assert.deepEqual(rig.sent, [udp(ends({ tag: 0x6123 }), payload(100))]);
      const big = tcp(ends(), payload(5000));
      leaveChecksum(big, false);
      rig.send(big, 1440 | Send.tcpChecksum | transportAt(big) | Send.tag, 0x6123);
      for (const segment of rig.sent.slice(1)) {
        assert.deepEqual([...segment.subarray(12, 16)], [0x81, 0x00, 0x61, 0x23]);
        assertSums(segment);
      }
      assert.equal(rig.sent.length, 1 + 4);
    });

    check("a frame for which the ring has no room is not accepted, and can be sent later", () => {
      using rig = open({ slots: 8, carrier: true });
      rig.up();
      for (let i = 0; i < 100; i++) {
        rig.send(udp(ends(), payload(100, i)));
        rig.poll();
      }
      assert.equal(rig.sent.length, 100);
    });
  });

  describe("receive", () => {
    check("frames are received unchanged and in order", () => {
      using rig = open();
      rig.up();
      const frames = [18, 19, 1000, 1471, 1472].map((length, i) => udp(ends({ inbound: true }), payload(length, i)));
      for (const frame of frames) rig.deliver(frame);
      assert.deepEqual(rig.poll(), frames);
    });

    for (const v6 of [false, true])
      for (const [name, build, good] of [
        ["TCP", tcp, Received.tcpChecksumGood],
        ["UDP", udp, Received.udpChecksumGood],
      ] as const)
        check(`reports whether the ${name} checksum over ${v6 ? "IPv6" : "IPv4"} is correct`, () => {
          using rig = open();
          rig.up();
          const frame = build(ends({ v6, inbound: true }), payload(500));
          rig.deliver(frame);
          rig.poll();
          assert.equal(rig.flags[0]! & good, good);
          frame[frame.length - 1]! ^= 1;
          rig.deliver(frame);
          assert.equal(rig.poll().length, 1, "a frame with a bad checksum must reach the network stack");
          assert.equal(rig.flags[0]! & good, 0);
        });

    check("strips a VLAN tag and passes it with the frame", () => {
      using rig = open();
      rig.up();
      rig.deliver(udp(ends({ inbound: true, tag: 0x6123 }), payload(200)));
      assert.deepEqual(rig.poll(), [udp(ends({ inbound: true }), payload(200))]);
      assert.equal(rig.flags[0]! & Received.tagged, Received.tagged);
      assert.equal(rig.tags[0], 0x6123);
    });

    check("receives frames to its own address, broadcast and multicast, and others only in promiscuous mode", () => {
      using rig = open();
      rig.up();
      const broadcast = to(0xff, 0xff);
      const multicast = to(0x33, 1);
      const stranger = to(0x02, 0x77);
      for (const frame of [broadcast, multicast, stranger]) rig.deliver(frame);
      assert.equal(rig.poll().length, 2);
      rig.nic.filter = { promiscuous: true, groups: [] };
      for (const frame of [stranger, multicast]) rig.deliver(frame);
      assert.equal(rig.poll().length, 2);
      rig.nic.filter = { promiscuous: false, groups: "all" };
      rig.deliver(stranger);
      assert.equal(rig.poll().length, 0);
    });

    // The test uses one group for each of the 64 bits of the hash.
    check("receives the configured groups and no others, also after an MTU change", () => {
      using rig = open();
      rig.up();
      const groups = Array.from({ length: 64 }, (_, bit) => groupOfBit(bit));
      const arrive = (): number[] =>
        groups.flatMap((group, bit) => {
          const frame = to(0x33, 0);
          frame.set(group);
          rig.deliver(frame);
          return rig.poll().length > 0 ? [bit] : [];
        });
      assert.equal(arrive().length, 64);
      rig.nic.filter = { promiscuous: false, groups: [] };
      assert.deepEqual(arrive(), []);
      for (const bit of [0, 5, 24, 31, 32, 40, 58, 63]) {
        rig.nic.filter = { promiscuous: false, groups: [groups[bit]!] };
        assert.deepEqual(arrive(), [bit]);
      }
      const several = [1, 17, 33, 62];
      rig.nic.filter = { promiscuous: false, groups: several.map((bit) => groups[bit]!) };
      assert.deepEqual(arrive(), several);
      rig.nic.setMtu(1400);
      rig.up();
      assert.deepEqual(arrive(), several);
      rig.deliver(to(0xff, 0xff));
      assert.equal(rig.poll().length, 1, "broadcasts must always be received");
    });

    check("a ring without room loses frames, counts them and recovers", () => {
      using rig = open({ slots: 8 });
      rig.up();
      const frame = udp(ends({ inbound: true }), payload(100));
      for (let i = 0; i < 12; i++) rig.deliver(frame);
      assert.equal(rig.poll().length, 8);
      assert.equal(rig.nic.tally().rxMissed, 4);
      rig.deliver(frame);
      assert.equal(rig.poll().length, 1);
    });
  });

  describe("MTU", () => {
    check("frames up to 9 KiB pass in both directions once the MTU allows them", () => {
      using rig = open();
      rig.up();
      const big = udp(ends({ inbound: true }), payload(8972));
      rig.deliver(big);
      assert.equal(rig.poll().length, 0, "a frame longer than the receiver accepts must be dropped");
      rig.nic.setMtu(9000);
      rig.pass(100_000);
      rig.poll();
      rig.deliver(big);
      assert.deepEqual(rig.poll(), [big]);
      const out = udp(ends(), payload(8972));
      rig.send(out);
      assert.deepEqual(rig.sent, [out]);
      const { checksum, segmentation } = rig.nic.offloads;
      assert.deepEqual([checksum, segmentation], [rig.nic.chip.profile.frames.checksumsJumbo, false]);
      rig.nic.setMtu(1500);
      rig.pass(100_000);
      rig.poll();
      assert.equal(rig.nic.offloads.checksum, true);
    });

    check("rejects an MTU that is too small, not a whole number, or larger than the chip supports", () => {
      using rig = open();
      const { largestMtu } = rig.nic.chip;
      for (const mtu of [67, largestMtu + 1, 1499.5, Number.NaN])
        assert.throws(() => rig.nic.setMtu(mtu), { code: "BAD_MTU", hint: `Use 68 to ${largestMtu}.` });
    });
  });

  describe("link", () => {
    check("the link follows the cable, also under traffic", () => {
      using rig = open();
      rig.up();
      for (let i = 0; i < 20; i++) {
        rig.setCarrier(false);
        rig.poll();
        assert.equal(rig.nic.link.up, false);
        rig.deliver(udp(ends({ inbound: true }), payload(100)));
        rig.setCarrier(true);
        rig.pass(10_000);
        rig.poll();
        assert.equal(rig.nic.link.up, true);
        rig.deliver(udp(ends({ inbound: true }), payload(100)));
        assert.equal(rig.poll().length, 1);
      }
    });

    check("without a cable there is no link, and no error", () => {
      using rig = open({ carrier: false });
      rig.up();
      assert.equal(rig.nic.link.up, false);
    });
  });

  describe("interrupts", () => {
    check("a spurious interrupt has no effect", () => {
      using rig = open();
      rig.up();
      rig.poll();
      assert.equal(rig.nic.interrupt(), 0);
    });

    check("frames whose interrupt was lost are found by polling", () => {
      using rig = open();
      rig.up();
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      rig.nic.line.take();
      assert.ok(rig.nic.rings.receive.waiting());
      assert.equal(rig.poll().length, 1);
    });

    check("events while the chip is masked raise an interrupt when it is unmasked", () => {
      using rig = open();
      rig.up();
      rig.poll();
      while (rig.nic.line.take()) rig.nic.interrupt();
      rig.nic.unmask();
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      assert.ok(rig.nic.line.take());
      rig.nic.interrupt();
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      assert.equal(rig.nic.line.take(), false, "masked");
      rig.nic.unmask();
      assert.ok(rig.nic.line.take());
      assert.equal(rig.poll().length, 2);
    });

    check("events that are acknowledged while the chip is masked raise no interrupt when it is unmasked", () => {
      using rig = open();
      rig.up();
      rig.poll();
      while (rig.nic.line.take()) rig.nic.interrupt();
      rig.nic.mask();
      assert.equal(rig.nic.pending, false);
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      assert.ok(rig.nic.waiting && rig.nic.pending);
      assert.notEqual(rig.nic.acknowledge() & Events.receive, 0);
      assert.equal(rig.nic.acknowledge(), 0);
      assert.equal(rig.nic.pending, false);
      rig.nic.unmask();
      assert.equal(rig.nic.line.take(), false);
      assert.equal(rig.poll().length, 1);
      assert.ok(!rig.nic.waiting);
    });
  });

  describe("counters", () => {
    check("the chip's counters match the traffic on the cable", () => {
      using rig = open();
      rig.up();
      for (let i = 0; i < 7; i++) rig.send(udp(ends(), payload(100)));
      for (let i = 0; i < 5; i++) rig.deliver(udp(ends({ inbound: true }), payload(100)));
      const broadcast = udp(ends({ inbound: true }), payload(100));
      broadcast.fill(0xff, 0, 6);
      rig.deliver(broadcast);
      rig.poll();
      const tally = rig.nic.tally();
      assert.equal(tally.txPackets, 7);
      assert.equal(tally.rxPackets, 6);
      assert.equal(tally.rxUnicast, 5);
      assert.equal(tally.rxBroadcast, 1);
    });
  });

  assert.deepEqual([...left], [], "`cannot` names tests that do not exist");
};
