/**
 * Tests probing: that the driver identifies or rejects a device, and that it is safe from settings which another system
 * has left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { CHIPS, chipNamed } from "#chip/chips.ts";
import { DUMP_ALIGN, EXTENDED_DUMP_BYTES } from "#chip/counters.ts";
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import { RxFormat, TxConfigV2 } from "#chip/registers-8125.ts";
import { bringUp } from "#driver/bring-up.ts";
import { RECEIVE_8169 } from "#driver/descriptor-formats.ts";
import { hardwareOf } from "#driver/hardware.ts";
import { identify } from "#driver/identify.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import type { BusAddress } from "#kit/dma.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { type Alterations, Altered } from "../rigs/altered.ts";

const open = (key: string, alterations: Alterations = {}) => {
  const clock = new VirtualClock();
  const chip = chipNamed(key)!;
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  const device = new DirectDevice(new Altered(model, alterations), {
    name: `model:${key}`,
    registers: chip.profile.function.registersBar,
    dmaBytes: 1 << 20,
    vectors: 1,
  });
  const take = () => bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, slots: 64 });
  return { clock, chip, model, device, take };
};

test("every chip of the table is identified, including those that need more than the XID", () => {
  for (const { key } of CHIPS) {
    const { device, clock } = open(key);
    using owned = device;
    assert.equal(identify(owned.registers, owned.id.device, clock).chip?.key, key);
  }
});

test("a chip with an unknown XID is rejected with that XID, and not read beyond the first 256 bytes", () => {
  const beyond: number[] = [];
  const { device, take } = open("rtl8168h", {
    read: (region, offset, width, value) => {
      if (region === 2 && offset + width > 256) beyond.push(offset);
      return region === 2 && offset === 0x40 ? 0x6000_0000 : value;
    },
  });
  using owned = device;
  assert.throws(take, { code: "UNKNOWN_CHIP", xid: 0x600, message: /0x600/, hint: /CONTRIBUTING/ });
  assert.deepEqual(beyond, []);
  assert.equal(owned.dma.live, 0);
});

test("an unknown stepping is driven as the nearest of its family, and reported", () => {
  for (const [driven, xid, nearest] of [
    ["rtl8125b", 0x643, "rtl8125b"],
    ["rtl8168g", 0x4c3, "rtl8168g"],
    ["rtl8168f-481", 0x483, "rtl8168f-481"],
    ["rtl8125d-688", 0x68c, "rtl9151a"],
    ["rtl8168h", 0x543, "rtl8168h"],
  ] as const) {
    const { device, take } = open(driven, {
      read: (region, offset, _width, value) =>
        region !== "config" && offset === 0x40 ? ((value & 0x000f_ffff) | (xid << 20)) >>> 0 : value,
    });
    using owned = device;
    using bound = take();
    assert.equal(bound.driver.chip.key, nearest);
    assert.equal(bound.driver.xid, xid);
    assert.ok(bound.driver.unknownStepping);
    bound.driver.up();
    assert.ok(owned.dma.live > 0);
  }
});

test("a known chip is not reported as an unknown stepping", () => {
  const { device, take } = open("rtl8125b");
  using _ = device;
  using bound = take();
  assert.equal(bound.driver.unknownStepping, false);
});

test("a chip whose identification changes between two reads is rejected, and nothing is written", () => {
  let reads = 0;
  let writes = 0;
  const { device, take } = open("rtl8168h", {
    read: (region, offset, _width, value) => (region === 2 && offset === 0x40 ? value ^ (reads++ << 20) : value),
    write: (region) => {
      if (region === 2) writes++;
      return true;
    },
  });
  using _ = device;
  assert.throws(take, { code: "CHANGING_IDENTIFICATION", hint: /slot/ });
  assert.equal(writes, 0);
});

test("TxConfigV2 is read only if the XID requires it", () => {
  for (const { key } of CHIPS) {
    let reads = 0;
    const { device, clock } = open(key, {
      read: (region, offset, _width, value) => {
        if (region !== "config" && offset === TxConfigV2) reads++;
        return value;
      },
    });
    using owned = device;
    identify(owned.registers, owned.id.device, clock);
    assert.equal(reads, key === "rtl9151as" ? 1 : 0, key);
  }
});

test("a dump of 192 bytes, which another driver may have enabled, stays inside the driver's buffer", () => {
  // Behaves as an RTL8125 with MAC-OCP 0xea84 bits 1:0 set, which writes 192 bytes of counters instead of 64.
  const rig = open("rtl8168h", {
    write: (region, offset, _width, value) => {
      if (region !== 2 || offset !== DTCCR || (value & Dtccr.dump) === 0) return true;
      const { window, base } = dump;
      const high = rig.model.read(2, DTCCRHigh, 4);
      const at = high * 2 ** 32 + (value & ~(DUMP_ALIGN - 1)) - base;
      window.fill(0xee, at, at + EXTENDED_DUMP_BYTES);
      return false;
    },
  });
  using device = rig.device;
  using bound = rig.take();
  // Memory next to the driver's, which the dump must not reach.
  using neighbour = device.dma.allocate({ what: "neighbour", bytes: 4096, align: 64, direction: "toDevice" });
  const dump = { window: device.dma.window.bytes, base: neighbour.iova - neighbour.offset };
  bound.driver.tally();
  assert.ok(dump.window.includes(0xee));
  assert.ok(neighbour.bytes.every((byte) => byte === 0));
});

test("on the RTL8125BP and later, bring-up turns off the mode in which lengths exclude the FCS", () => {
  for (const chip of CHIPS.filter(({ profile }) => profile.registers.includes("multigigabit"))) {
    const { device, clock } = open(chip.key);
    using owned = device;
    const io = owned.registers;
    io.write8(RxFormat, 0xff);
    const hw = hardwareOf({ io, clock, chip }, { mac: [], phy: [] });
    bringUp(hw, RINGS);
    assert.equal(io.read8(RxFormat), chip.profile.frames.hashedFormat === 4 ? 0xfc : 0xff, chip.key);
  }
});

const at = (address: number): BusAddress => address as BusAddress;
const RINGS = {
  others: [],
  receive: at(0x1000),
  receiveFormat: RECEIVE_8169,
  transmit: at(0x2000),
  largestFrame: 1536,
  mtu: 1500,
};
