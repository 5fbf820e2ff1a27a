/** The result of negotiation between two ends of a cable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Advertise, Advertise10G, Bmcr, Eee, Eee2, Gbcr } from "#chip/phy.ts";
import {
  ANY_PARTNER,
  LINK_DOWN,
  LINK_SPEEDS,
  type LinkSpeed,
  type Offer,
  type Partner,
  partnerOf,
  type PhyLink,
  settle,
} from "./link-partner.ts";

const EVERYTHING: Offer = {
  bmcr: Bmcr.autonegotiate,
  anar: 0x1e1 | Advertise.pause | Advertise.asymmetricPause,
  gbcr: Gbcr.full1000 | Gbcr.half1000,
  multigigabit: Advertise10G.full2500 | Advertise10G.full5000 | Advertise10G.full10000,
  eee: Eee.full100 | Eee.full1000 | Eee.full10000,
  eee2: Eee2.full2500 | Eee2.full5000,
  pairs: 4,
  speedDown: true,
};
const shown = ({ up, speed, fullDuplex }: PhyLink): unknown[] => [up, speed, fullDuplex];

test("a partner has the register values of a switch with its speeds; by default of one with all speeds", () => {
  const switch1000 = partnerOf({ speeds: [10, 100, 1000] });
  assert.deepEqual([switch1000.anlpar, switch1000.gbsr, switch1000.multigigabit], [0xc5e1, 0x0c00, 0]);
  // IEEE 802.3, 45.2.7.11: bits 5, 6 and 11 of register 7.33.
  assert.equal(ANY_PARTNER.multigigabit, 0x0860);
  assert.equal(ANY_PARTNER.eee, 0x000e);
  assert.equal(ANY_PARTNER.eee2, 0x0003);
  assert.equal(partnerOf({ speeds: [10, 100], pause: "none" }).anlpar, 0x41e1);
});

test("the link comes up at each speed, in each duplex mode of that speed", () => {
  for (const speed of LINK_SPEEDS) {
    const full = settle(EVERYTHING, partnerOf({ speeds: [speed], duplex: "full" }));
    assert.deepEqual(shown(full), [true, speed, true]);
    const half = settle(EVERYTHING, partnerOf({ speeds: [speed], duplex: "half" }));
    assert.deepEqual(shown(half), [true, speed, speed > 1000]);
    assert.equal(half.eee && speed <= 1000, false);
  }
});

const partners = fc.record({
  anlpar: fc.nat(0xffff),
  gbsr: fc.nat(3).map((bits) => bits << 10),
  multigigabit: fc.nat(7).map((bits) => ((bits & 3) << 5) | ((bits & 4) << 9)),
  eee: fc.nat(0xffff),
  eee2: fc.nat(0xffff),
});
const offers = fc.record({
  bmcr: fc.constant(Bmcr.autonegotiate),
  anar: fc.nat(0xffff),
  gbcr: fc.nat(0xffff),
  multigigabit: fc.nat(0xffff),
  eee: fc.nat(0xffff),
  eee2: fc.nat(0xffff),
  pairs: fc.constant(4 as const),
  speedDown: fc.boolean(),
});

/** The modes of annex 28B.3, highest first, without the model's constants. */
const LADDER: readonly [LinkSpeed, boolean, (offer: Offer) => boolean, (partner: Partner) => boolean][] = [
  [10000, true, (o) => (o.multigigabit & 0x1000) !== 0, (p) => (p.multigigabit! & 0x800) !== 0],
  [5000, true, (o) => (o.multigigabit & 0x100) !== 0, (p) => (p.multigigabit! & 0x40) !== 0],
  [2500, true, (o) => (o.multigigabit & 0x80) !== 0, (p) => (p.multigigabit! & 0x20) !== 0],
  [1000, true, (o) => (o.gbcr & 0x200) !== 0, (p) => (p.gbsr & 0x800) !== 0],
  [1000, false, (o) => (o.gbcr & 0x100) !== 0, (p) => (p.gbsr & 0x400) !== 0],
  [100, true, (o) => (o.anar & 0x100) !== 0, (p) => (p.anlpar & 0x100) !== 0],
  [100, false, (o) => (o.anar & 0x80) !== 0, (p) => (p.anlpar & 0x80) !== 0],
  [10, true, (o) => (o.anar & 0x40) !== 0, (p) => (p.anlpar & 0x40) !== 0],
  [10, false, (o) => (o.anar & 0x20) !== 0, (p) => (p.anlpar & 0x20) !== 0],
];

test("the result is the first mode of the list that both advertise, or none", () => {
  fc.assert(
    fc.property(offers, partners, (offer, partner) => {
      const mode = LADDER.find(([, , ours, theirs]) => ours(offer) && theirs(partner));
      const expected = mode === undefined ? [false, 0, false] : [true, mode[0], mode[1]];
      assert.deepEqual(shown(settle(offer, partner)), expected);
    }),
  );
});

test("pause is as in table 28B-3, and never at half duplex", () => {
  // Pause bits of this end and of the partner, whether this end then obeys pause frames, and whether it sends them.
  for (const [ours, theirs, receive, transmit] of [
    [0b00, 0b11, false, false],
    [0b01, 0b01, true, true],
    [0b01, 0b11, true, true],
    [0b11, 0b01, true, true],
    [0b11, 0b11, true, true],
    [0b10, 0b11, false, true],
    [0b11, 0b10, true, false],
    [0b10, 0b10, false, false],
    [0b10, 0b01, false, false],
    [0b01, 0b10, false, false],
  ] as const) {
    const anar = (EVERYTHING.anar & 0x1ff) | (ours << 10);
    const anlpar = 0x41e1 | (theirs << 10);
    const link = settle({ ...EVERYTHING, anar }, { anlpar, gbsr: 0 });
    assert.deepEqual([link.receivePause, link.transmitPause], [receive, transmit], `${ours} ${theirs}`);
    const half = settle({ ...EVERYTHING, anar }, { anlpar: anlpar & ~0x140, gbsr: 0 });
    assert.deepEqual([half.receivePause, half.transmitPause, half.fullDuplex], [false, false, false]);
  }
});

test("a link to a station that does not negotiate has that station's speed and half duplex, if this end has advertised this mode", () => {
  for (const speed of [10, 100] as const) {
    const fixed = partnerOf({ speeds: [speed], negotiates: false });
    assert.deepEqual(fixed.fixed, { speed, fullDuplex: true });
    assert.deepEqual(settle(EVERYTHING, fixed), { ...LINK_DOWN, up: true, speed });
    assert.equal(settle({ ...EVERYTHING, anar: Advertise.full100 | Advertise.full10 }, fixed).up, false);
  }
});

const force = (bmcr: number, partner: Partner): PhyLink => settle({ ...EVERYTHING, bmcr }, partner);

test("a forced speed needs the same speed at the other end, and 1000 Mbit/s cannot be forced", () => {
  const at100 = partnerOf({ speeds: [100], negotiates: false });
  assert.deepEqual(shown(force(Bmcr.speedLow | Bmcr.fullDuplex, at100)), [true, 100, true]);
  assert.deepEqual(shown(force(Bmcr.speedLow, at100)), [true, 100, false]);
  assert.deepEqual(shown(force(0, at100)), [false, 0, false]);
  assert.deepEqual(shown(force(Bmcr.fullDuplex, ANY_PARTNER)), [true, 10, true]);
  assert.deepEqual(shown(force(0, partnerOf({ speeds: [1000] }))), [false, 0, false]);
  assert.deepEqual(shown(force(Bmcr.speedHigh | Bmcr.fullDuplex, ANY_PARTNER)), [false, 0, false]);
});

test("a cable of two pairs carries at most 100 Mbit/s, and only if a lower speed is tried", () => {
  assert.equal(settle({ ...EVERYTHING, pairs: 2 }, ANY_PARTNER).speed, 100);
  assert.equal(settle({ ...EVERYTHING, pairs: 2, speedDown: false }, ANY_PARTNER).up, false);
  assert.equal(settle({ ...EVERYTHING, pairs: 2, speedDown: false }, partnerOf({ speeds: [10] })).speed, 10);
});
