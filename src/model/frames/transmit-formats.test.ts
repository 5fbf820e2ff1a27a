/** Different drivers write transmit descriptors in different forms. The chips accept all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { FirstSegment, LastSegment, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import { memoryOf } from "#wire/memory.ts";
import { Verified, verify } from "#wire/verify.ts";
import { Guest, TX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, segmentsOf } from "./packets.test-kit.ts";

const TCP_GOOD = Verified.ip | Verified.tcp | Verified.ipGood | Verified.transportGood;
const SIZE = TxV1.segmentSizeShift;

const up = (key: string): Guest => {
  const guest = new Guest({ chip: chipNamed(key)! });
  guest.bringUp();
  return guest;
};
const verdict = (bytes: Uint8Array): number => verify(memoryOf(bytes.slice()), 0, bytes.length);

for (const key of ["rtl8169s", "rtl8169sc-980", "rtl8168b", "rtl8101e"])
  test(`${key} returns descriptors without the bits that drivers read as errors and collisions`, () => {
    const guest = up(key);
    guest.send({ bytes: ipv4Tcp({ payload: 5000 }), opts1: TxV1.segment | (1448 << SIZE) });
    guest.send({ bytes: ipv4Tcp({ payload: 333 }), opts1: TxV1.ipChecksum | TxV1.tcpChecksum });
    for (const [i, payload] of [5000, 333].entries())
      assert.equal(guest.descriptor(TX_RING, i).opts1, FirstSegment | LastSegment | (54 + payload));
  });

for (const key of ["rtl8401", "rtl8102e-24x", "rtl8168c-3c0", "rtl8168h", "rtl8125b", "rtl8126a-64a"])
  test(`${key} finds the headers of a super-frame itself if no offset is given`, () => {
    const guest = up(key);
    const whole = ipv4Tcp({ payload: 5000, flags: 0x19 });
    guest.send({ bytes: whole, opts1: TxV2.segment4, opts2: 1000 << TxV2.segmentSizeShift });
    assert.deepEqual(guest.cable.frames, segmentsOf(whole, 34, 1000));
  });

test("RTL8401 accepts requests in either format, because drivers do not agree on its format", () => {
  const guest = up("rtl8401");
  const whole = ipv4Tcp({ payload: 5000, flags: 0x19 });
  const tcp = ipv4Tcp({ payload: 333 });
  guest.send({ bytes: whole, opts1: TxV1.segment | (1000 << SIZE) });
  guest.send({ bytes: whole, opts1: TxV1.segment, opts2: 1000 << TxV2.segmentSizeShift });
  guest.send({ bytes: whole, opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << TxV2.segmentSizeShift });
  const segments = segmentsOf(whole, 34, 1000);
  assert.deepEqual(guest.cable.frames, [...segments, ...segments, ...segments]);
  guest.send({ bytes: tcp, opts1: TxV1.ipChecksum | TxV1.tcpChecksum, opts2: TxInsertTag | 0x2350 });
  guest.send({ bytes: tcp, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum });
  assert.deepEqual(guest.cable.frames.slice(-2).map(verdict), [TCP_GOOD, TCP_GOOD]);
  assert.equal(guest.nic.offences.frame, 0);
});
