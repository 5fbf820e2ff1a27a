/** Descriptor words of chips before the RTL8168C, written by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DmaArena } from "#kit/dma.ts";
import { Received, Send, emptyBurst } from "#kit/link.ts";
import { RECEIVE_8139, TRANSMIT_V1 } from "./descriptor-formats.ts";
import { ReceiveCount } from "./receive-core.ts";
import { createReceiveRing } from "./receive-ring.ts";
import { createTransmitRing } from "./transmit-ring.ts";

const IOVA = 0x1000_0000;
const WHOLE = 0x3000_0000;
const OWN_WHOLE = 0xb000_0000;

const receiver = (bufferBytes = 2048) => {
  const dma = new DmaArena(new ArrayBuffer(1 << 18), IOVA);
  const burst = emptyBurst();
  const options = { slots: 8, bufferBytes, spare: 8, weaklyOrdered: false, format: RECEIVE_8139, burst };
  const ring = createReceiveRing(dma, new DisposableStack(), options);
  ring.arm();
  const words = dma.window.words;
  const base = (ring.iova - IOVA) >> 2;
  let slot = 0;
  /**
   * Writes a descriptor back as the chip does. Returns the flags of the resulting frame; undefined if there is none.
   */
  const flagsOf = (opts1: number): number | undefined => {
    words[base + 4 * slot++] = opts1;
    return ring.receive(0, 8) === 0 ? undefined : burst[2];
  };
  return { ring, flagsOf, burst };
};

// FreeBSD if_rlreg.h, RL_RDESC_STAT_* and RL_PROTOID_*.
test("the RTL8139C+ has its status bits one bit lower than later chips", () => {
  const ip = Received.ipChecksumGood;
  for (const [bits, expected] of [
    [0x0000_0000, 0],
    [0x0001_0000, ip | Received.tcpChecksumGood],
    [0x0002_0000, ip | Received.udpChecksumGood],
    [0x0003_0000, ip],
    [0x0001_2000, 0],
    [0x0002_4000, 0],
    [0x0003_8000, 0],
  ] as const) {
    const { flagsOf, burst } = receiver();
    assert.equal(flagsOf(WHOLE | bits | 104), expected, `0x${bits.toString(16)}`);
    assert.equal(burst[1], 100);
  }
});

test("the RTL8139C+ also has its error bits one bit lower than later chips", () => {
  for (const [what, bit] of [
    ["CRC", 0x0004_0000],
    ["runt", 0x0008_0000],
    ["error summary", 0x0010_0000],
    ["giant", 0x0020_0000],
    ["FIFO overflow", 0x0040_0000],
  ] as const) {
    const { ring, flagsOf } = receiver();
    assert.equal(flagsOf(WHOLE | bit | 104), undefined, what);
    assert.equal(ring.counters()[ReceiveCount.errors], 1, what);
  }
  const { flagsOf } = receiver();
  assert.notEqual(flagsOf((WHOLE | 0x0400_0000 | 104) >>> 0), undefined, "multicast is not an error");
});

test("a frame in two buffers is dropped if a frame may have only one", () => {
  const { ring, flagsOf } = receiver();
  assert.equal(flagsOf(0x2000_0000 | 2048), undefined);
  assert.equal(flagsOf(0x1000_0000 | 500), undefined);
  assert.equal(ring.counters()[ReceiveCount.nonsense], 2);
});

test("buffers of an RTL8139C+ are no longer than its 13-bit length field allows", () => {
  assert.throws(() => receiver(8192), { code: "OUT_OF_RANGE", hint: "Use a multiple of 8 from 64 to 8184." });
  receiver(8184);
});

/** The first two words of a frame's descriptor. */
const sentAs = (flags: number, tag = 0): readonly number[] => {
  const dma = new DmaArena(new ArrayBuffer(1 << 18), IOVA);
  const burst = emptyBurst();
  burst.set([4096, 100, flags, tag]);
  const options = { slots: 8, doorbell: () => {}, weaklyOrdered: false, format: TRANSMIT_V1, burst };
  const ring = createTransmitRing(dma, new DisposableStack(), options);
  ring.clear();
  ring.transmit(0, 1);
  const base = (ring.iova - IOVA) >> 2;
  return [...dma.window.words.subarray(base, base + 2)].map((word) => word >>> 0);
};

// FreeBSD if_rlreg.h, RL_TDESC_CMD_* and RL_TDESC_VLANCTL_*.
test("in the first transmit format, the first word requests checksums and segmentation, and the second word the tag", () => {
  const at = 34 << Send.transportOffsetShift;
  assert.deepEqual(sentAs(0), [OWN_WHOLE + 100, 0]);
  assert.deepEqual(sentAs(Send.tcpChecksum | at), [OWN_WHOLE + 0x0005_0000 + 100, 0]);
  assert.deepEqual(sentAs(Send.udpChecksum | at), [OWN_WHOLE + 0x0006_0000 + 100, 0]);
  assert.deepEqual(sentAs(1440 | Send.tcpChecksum | at), [OWN_WHOLE + 0x0800_0000 + (1440 << 16) + 100, 0]);
  assert.deepEqual(sentAs(Send.tag, 0x6123), [OWN_WHOLE + 100, 0x0002_2361]);
  assert.deepEqual(sentAs(2047 | Send.tag | at, 1), [OWN_WHOLE + 0x0fff_0000 + 100, 0x0002_0100]);
});

test("the first transmit format has no offloads over IPv6", () => {
  for (const flags of [Send.tcpChecksum, Send.udpChecksum, 1440])
    assert.throws(() => sentAs(flags | Send.ipv6), { code: "OUT_OF_RANGE", hint: "Do both in software." });
  assert.deepEqual(sentAs(Send.ipv6 | Send.tag, 0), [OWN_WHOLE + 100, 0x0002_0000], "a tag does not depend on IP");
});
