/** The special features of the RTL8139C+, against registers that keep what is written. */
import { RECEIVE_8139 } from "./descriptor-formats.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS } from "#chip/chips.ts";
import { ANAR, ANER, ANLPAR, Advertise, BMCR, BMSR, Bmcr, Bmsr, GBCR, PHYID1, PHYID2 } from "#chip/phy.ts";
import { Msr } from "#chip/registers-8139cp.ts";
import { VirtualClock } from "#kit/clock.ts";
import type { BusAddress } from "#kit/dma.ts";
import { Mmio } from "#kit/mmio.ts";
import { bringUp } from "./bring-up.ts";
import { hardwareOf } from "./hardware.ts";
import { macLink } from "./mac-link.ts";
import { run } from "./steps.ts";

const registers = () => {
  const memory = new DataView(new ArrayBuffer(256));
  const writes: string[] = [];
  const io = new Mmio({
    length: 256,
    read: (offset, width) =>
      width === 1
        ? memory.getUint8(offset)
        : width === 2
          ? memory.getUint16(offset, true)
          : memory.getUint32(offset, true),
    write(offset, width, value) {
      writes.push(`${offset.toString(16)}=${value.toString(16)}`);
      // A reset completes at once.
      if (width === 1) memory.setUint8(offset, offset === 0x37 ? value & ~0x10 : value);
      else if (width === 2) memory.setUint16(offset, value, true);
      else memory.setUint32(offset, value, true);
    },
  });
  const clock = new VirtualClock();
  const card = { io, clock, chip: LEGACY_CHIPS[0]! };
  const hw = hardwareOf(card, card.chip.start);
  return { memory, writes, phy: hw.phy, hw };
};

test("the PHY's registers are in the register window", () => {
  const { memory, phy } = registers();
  for (const [register, offset] of [
    [BMCR, 0x62],
    [BMSR, 0x64],
    [ANAR, 0x66],
    [ANLPAR, 0x68],
    [ANER, 0x6a],
  ] as const) {
    memory.setUint16(offset, 0x0200 + register, true);
    assert.equal(phy.read(register), register === BMCR ? 0x0200 : 0x0200 + register);
  }
  assert.equal(phy.read(PHYID1), 0);
  assert.equal(phy.read(PHYID2), 0);
  for (const register of [GBCR, 31]) assert.throws(() => phy.read(register), { code: "OUT_OF_RANGE" });
  for (const register of [BMSR, ANLPAR, GBCR]) assert.throws(() => phy.write(register, 0), { code: "OUT_OF_RANGE" });
});

test("only the standard bits of BMCR are written, and only while configuration is unlocked", () => {
  const { phy, writes } = registers();
  phy.write(BMCR, Bmcr.autonegotiate | Bmcr.restart | Bmcr.powerDown | Bmcr.isolate | Bmcr.loopback);
  assert.deepEqual(writes, ["50=c0", "62=1200", "50=0"]);
});

test("pause is advertised without the bit for one direction only", () => {
  const { phy, writes } = registers();
  phy.write(ANAR, Advertise.selector | Advertise.full100 | Advertise.pause | Advertise.asymmetricPause);
  assert.deepEqual(writes, ["66=501"]);
});

test("the MAC reports the link, and the duplex is full if both ends advertise it at the link's speed", () => {
  const all = Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
  const linkWith = (status: number, control: number, basic: number, theirs: number) => {
    const { memory, hw } = registers();
    memory.setUint8(0x58, status);
    memory.setUint16(0x62, control, true);
    memory.setUint16(0x64, basic, true);
    memory.setUint16(0x66, all, true);
    memory.setUint16(0x68, theirs, true);
    return macLink(hw);
  };
  const auto = Bmcr.autonegotiate;
  assert.equal(linkWith(Msr.linkDown, auto, 0, 0).up, false);
  assert.deepEqual(linkWith(0, auto, Bmsr.negotiated, all), { up: true, speed: 100, fullDuplex: true });
  assert.deepEqual(linkWith(0, auto, Bmsr.negotiated, Advertise.half100), { up: true, speed: 100, fullDuplex: false });
  assert.deepEqual(linkWith(Msr.speed10, auto, Bmsr.negotiated, Advertise.full10), {
    up: true,
    speed: 10,
    fullDuplex: true,
  });
  // A link at 10 Mbit/s is half duplex if both ends have full duplex in common only at 100 Mbit/s.
  assert.equal(linkWith(Msr.speed10, auto, Bmsr.negotiated, Advertise.full100 | Advertise.half10).fullDuplex, false);
  assert.equal(
    linkWith(0, auto, 0, all).fullDuplex,
    false,
    "with a partner that does not negotiate, the link is half duplex",
  );
  assert.equal(linkWith(0, Bmcr.fullDuplex, 0, 0).fullDuplex, true, "a forced mode");
});

const at = (address: number): BusAddress => address as BusAddress;
const RINGS = {
  others: [],
  receive: at(0x1000),
  receiveFormat: RECEIVE_8139,
  transmit: at(0x2000),
  largestFrame: 1536,
  mtu: 1500,
};

test("both directions are enabled before TxConfig is written, because the chip ignores TxConfig otherwise", () => {
  const { hw, writes } = registers();
  bringUp(hw, RINGS);
  assert.deepEqual(writes.slice(-3), ["37=c", "40=3000700", "ec=10"]);
});

test("wake-up is off, and the high-priority ring is empty", () => {
  const { hw, memory, writes } = registers();
  memory.setUint8(0x59, 0xff);
  memory.setUint8(0xd8, 0xff);
  run(hw, hw.start.mac);
  assert.deepEqual(writes, ["59=cf", "d8=8d", "5c=0", "2c=0", "28=0"]);
});
