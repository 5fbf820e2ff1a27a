/** The PHY: pause resolution, and a PHY that does not come out of reset. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { ANAR, ANLPAR, Advertise, BMCR, BMSR, Bmcr, Bmsr } from "#chip/phy.ts";
import { PHYstatus, PhyStatus } from "#chip/registers.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { hardwareOf } from "./hardware.ts";
import type { MacLink } from "./mac-link.ts";
import { Phy } from "./phy.ts";
import type { SideBus } from "./side-bus.ts";

/** A PHY whose registers are plain memory, on a MAC that reports `link`. */
const phyOn = (registers: Record<number, number>, link: MacLink, mtu = 1500): { phy: Phy; clock: VirtualClock } => {
  const clock = new VirtualClock();
  const chip = chipNamed("rtl8168h")!;
  const status =
    (link.up ? PhyStatus.linkUp : 0) |
    (link.fullDuplex ? PhyStatus.fullDuplex : 0) |
    (link.speed === 1000 ? PhyStatus.speed1000 : PhyStatus.speed100);
  const io = new Mmio({ length: 256, read: (offset) => (offset === PHYstatus ? status : 0), write: () => {} });
  const hw = {
    ...hardwareOf({ io, clock, chip }, chip.start),
    phy: {
      read: (register: number) => registers[register] ?? 0,
      write: (register: number, value: number) => (registers[register] = value),
    },
  };
  return { phy: new Phy(hw, { mtu, running: true }), clock };
};

const FULL: MacLink = { up: true, speed: 1000, fullDuplex: true };
const ability = (pause: number, asymmetric: number): number =>
  Advertise.selector | (pause === 0 ? 0 : Advertise.pause) | (asymmetric === 0 ? 0 : Advertise.asymmetricPause);
const bits = (text: string): number => ability(Number(text[0]), Number(text[1]));
const pauseOf = (ours: number, theirs: number, link = FULL, bmsr: number = Bmsr.negotiated): string => {
  const { phy } = phyOn({ [ANAR]: ours, [ANLPAR]: theirs, [BMSR]: bmsr }, link);
  const { receive, transmit } = phy.link().pause;
  return `${receive ? "receive" : ""}${transmit ? "transmit" : ""}` || "none";
};

/** IEEE 802.3, table 28B-3: PAUSE and ASM_DIR of the local end and of the partner, and the resolution for the local end. */
const TABLE = [
  ["00", ["00", "01", "10", "11"], "none"],
  ["01", ["00", "01", "10"], "none"],
  ["01", ["11"], "transmit"],
  ["10", ["00", "01"], "none"],
  ["10", ["10", "11"], "receivetransmit"],
  ["11", ["00"], "none"],
  ["11", ["01"], "receive"],
  ["11", ["10", "11"], "receivetransmit"],
] as const;

test("pause is resolved by table 28B-3 of IEEE 802.3 for all sixteen pairs of abilities", () => {
  let pairs = 0;
  for (const [local, partners, result] of TABLE)
    for (const partner of partners) {
      pairs++;
      assert.equal(pauseOf(bits(local), bits(partner)), result, `local ${local}, partner ${partner}`);
    }
  assert.equal(pairs, 16);
});

test("pause is off at half duplex, without negotiation, and without a link", () => {
  const both = ability(1, 1);
  assert.equal(pauseOf(both, both), "receivetransmit");
  assert.equal(pauseOf(both, both, { ...FULL, fullDuplex: false }), "none");
  assert.equal(pauseOf(both, both, FULL, 0), "none");
  assert.equal(pauseOf(both, both, { ...FULL, up: false }), "none");
});

test("pause is advertised in both directions, but not with jumbo frames", () => {
  for (const [mtu, offered] of [
    [1500, Advertise.pause | Advertise.asymmetricPause],
    [1501, 0],
  ] as const) {
    const registers: Record<number, number> = {};
    phyOn(registers, FULL, mtu).phy.apply();
    assert.equal(registers[ANAR]! & (Advertise.pause | Advertise.asymmetricPause), offered);
  }
});

test("a PHY that stays in reset is abandoned after half a second", () => {
  const { phy, clock } = phyOn({}, FULL);
  assert.throws(() => phy.reset(), { code: "TIMEOUT", waitedMicros: 500_000 });
  assert.ok(clock.now() <= 501_000);
  assert.equal(phy.read(BMCR) & Bmcr.reset, Bmcr.reset);
});

test("a PHY whose controller does not show that it runs is reset once more; if that fails too, an expired wait is counted", () => {
  const chip = chipNamed("rtl8125b")!;
  for (const dead of [0, 1, 2]) {
    const clock = new VirtualClock();
    let resets = 0;
    const hw = {
      ...hardwareOf({ io: new Mmio({ length: 65_536, read: () => 0, write: () => {} }), clock, chip }, chip.start),
      phy: { read: () => 0, write: (register: number) => void (register === BMCR && resets++) },
      side: { macRead: () => 0, phyRead: () => (resets <= dead ? 1 : 0), phyUpdate: () => {} } as unknown as SideBus,
    };
    new Phy(hw, { mtu: 1500, running: true }).reset();
    assert.deepEqual([resets, hw.expiredWaits.count], [dead === 0 ? 1 : 2, dead === 2 ? 1 : 0]);
    assert.ok(clock.now() <= dead * 101_000);
  }
});
