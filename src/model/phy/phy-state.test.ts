/** The PHY as a state machine: after any sequence of actions, the link matches registers and cable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed, type ChipKey } from "#chip/chips.ts";
import { ANAR, BMCR, BMSR, Bmcr, Bmsr, GBCR, GBSR, PhyState } from "#chip/phy.ts";
import { VirtualClock } from "#kit/clock.ts";
import { ANY_PARTNER, type Partner, partnerOf } from "./link-partner.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { Phy } from "./phy.ts";
import { scheduleOn } from "../registers/schedule.ts";

const NEGOTIATE = 2000;
const RESET = 1000;

class Bench {
  readonly clock = new VirtualClock();
  changes = 0;
  readonly phy: Phy;
  constructor(key: ChipKey) {
    this.phy = new Phy(
      phyKind(chipNamed(key)!),
      scheduleOn(this.clock, this.clock.timers),
      { negotiateMicros: NEGOTIATE, resetMicros: RESET },
      () => this.changes++,
    );
    this.phy.powerOn();
  }
  wait(micros = NEGOTIATE + RESET): void {
    this.clock.delay(micros);
  }
}

const KEYS = ["rtl8169sc-180", "rtl8106e", "rtl8168evl", "rtl8168h", "rtl8125b", "rtl8127a"] as const;
const PARTNERS: readonly (Partner | undefined)[] = [
  undefined,
  ANY_PARTNER,
  partnerOf({ speeds: [10, 100] }),
  partnerOf({ speeds: [100], negotiates: false }),
  partnerOf({ speeds: [1000], duplex: "half" }),
];

type Step =
  | { readonly do: "write"; readonly register: number; readonly value: number }
  | { readonly do: "plug"; readonly partner: number }
  | { readonly do: "pairs"; readonly pairs: 2 | 4 }
  | { readonly do: "wait"; readonly micros: number }
  | { readonly do: "status" };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("write" as const),
      register: fc.constantFrom(BMCR, ANAR, GBCR),
      value: fc.nat(0xffff),
    }),
    fc.record({ do: fc.constant("plug" as const), partner: fc.nat(PARTNERS.length - 1) }),
    fc.record({ do: fc.constant("pairs" as const), pairs: fc.constantFrom(2 as const, 4 as const) }),
    fc.record({ do: fc.constant("wait" as const), micros: fc.nat(3000) }),
    fc.record({ do: fc.constant("status" as const) }),
  ),
  { maxLength: 40 },
);

const apply = ({ phy, clock }: Bench, step: Step): void => {
  if (step.do === "write") phy.write(step.register, step.value);
  else if (step.do === "plug") phy.plug(PARTNERS[step.partner]);
  else if (step.do === "pairs") phy.pairs = step.pairs;
  else if (step.do === "wait") clock.delay(step.micros);
  else phy.read(BMSR);
};

test("after settling nothing is pending, reset is complete, and the link is the result of a new negotiation", () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), steps, (key, script) => {
      const bench = new Bench(key);
      for (const step of script) apply(bench, step);
      bench.wait(2 * (NEGOTIATE + RESET));
      const { phy, clock } = bench;
      assert.equal(clock.timers.next, Infinity);
      const control = phy.read(BMCR);
      assert.equal(control & (Bmcr.reset | Bmcr.restart), 0);
      const off = (control & (Bmcr.powerDown | Bmcr.isolate)) !== 0;
      if (off) assert.equal(phy.link.up, false);
      const before = phy.link;
      phy.read(BMSR);
      assert.equal((phy.read(BMSR) & Bmsr.linkUp) !== 0, before.up);
      assert.equal((phy.status & 2) !== 0, before.up);
      // With autonegotiation, two restarts with the same registers give the same link.
      if (!off && (control & Bmcr.autonegotiate) !== 0) {
        phy.write(BMCR, control | Bmcr.restart);
        bench.wait();
        const again = phy.link;
        phy.write(BMCR, control | Bmcr.restart);
        bench.wait();
        assert.deepEqual(phy.link, again);
      }
    }),
  );
});

test("the PHY reports each link change, and nothing else", () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), steps, (key, script) => {
      const bench = new Bench(key);
      let up = false;
      let changes = 0;
      const phy = new Phy(
        phyKind(chipNamed(key)!),
        scheduleOn(bench.clock, bench.clock.timers),
        { negotiateMicros: NEGOTIATE, resetMicros: RESET },
        () => {
          changes++;
          assert.notEqual(phy.link.up, up);
          ({ up } = phy.link);
        },
      );
      for (const step of script) {
        const before = changes;
        const was = phy.link.up;
        apply({ phy, clock: bench.clock } as Bench, step);
        if (changes === before) assert.equal(phy.link.up, was);
      }
    }),
  );
});

test("a reset takes time, takes the link down, and preserves the advertisement", () => {
  const bench = new Bench("rtl8168h");
  const { phy } = bench;
  phy.plug(ANY_PARTNER);
  bench.wait();
  phy.write(ANAR, 0x0061);
  phy.write(GBCR, 0);
  phy.write(BMCR, Bmcr.reset | Bmcr.autonegotiate | Bmcr.restart);
  assert.equal(phy.link.up, false);
  bench.wait(RESET - 1);
  assert.equal(phy.read(BMCR) & Bmcr.reset, Bmcr.reset);
  phy.write(BMCR, Bmcr.powerDown);
  bench.wait(1);
  assert.equal(phy.read(BMCR), 0x1140);
  assert.equal(phy.read(ANAR), 0x0061);
  bench.wait(NEGOTIATE);
  assert.equal(phy.link.speed, 10);
});

test("the power-down state is readable, and waking takes time", () => {
  const bench = new Bench("rtl8125b");
  const { phy } = bench;
  phy.plug(ANY_PARTNER);
  assert.equal(phy.state, PhyState.on);
  phy.write(BMCR, Bmcr.powerDown);
  assert.equal(phy.state, PhyState.poweredDown);
  phy.write(BMCR, Bmcr.autonegotiate);
  assert.equal(phy.state, PhyState.waking);
  bench.wait(RESET);
  assert.equal(phy.state, PhyState.on);
  bench.wait(NEGOTIATE);
  assert.equal(phy.link.speed, 2500);
});

test("each chip reaches its own highest speed with a partner that supports all", () => {
  for (const [key, speed, status] of [
    ["rtl8101e", 100, 0x6b],
    ["rtl8169s", 1000, 0x73],
    ["rtl8168b", 1000, 0x73],
    ["rtl8168h", 1000, 0x73],
    ["rtl8125a", 2500, 0x463],
    ["rtl8126a-64a", 5000, 0x1063],
    ["rtl8127a", 10000, 0x4063],
  ] as const) {
    const bench = new Bench(key);
    bench.phy.write(ANAR, bench.phy.read(ANAR) | (1 << 10));
    bench.phy.plug(ANY_PARTNER);
    bench.wait();
    assert.deepEqual([bench.phy.link.speed, bench.phy.status], [speed, status], key);
  }
});

test("the NIC is clock master only if that is set manually", () => {
  const bench = new Bench("rtl8168h");
  const { phy } = bench;
  for (const [control, master] of [
    [0x0200, 0],
    [0x1200, 0],
    [0x0a00, 0],
    [0x1a00, 0x4000],
  ] as const) {
    phy.write(GBCR, control);
    phy.plug(ANY_PARTNER);
    bench.wait();
    assert.equal(phy.read(GBSR), 0x3c00 | master);
  }
});

test("a lowered speed is visible: gigabit is no longer advertised, though the partner still does", () => {
  const bench = new Bench("rtl8168evl");
  const { phy } = bench;
  phy.pairs = 2;
  phy.plug(ANY_PARTNER);
  bench.wait();
  assert.deepEqual([phy.link.speed, phy.link.lowered, phy.read(GBCR), phy.read(GBSR)], [100, true, 0, 0x3c00]);
  phy.pairs = 4;
  bench.wait();
  assert.deepEqual([phy.link.speed, phy.link.lowered, phy.read(GBCR)], [1000, false, 0x0300]);
});
