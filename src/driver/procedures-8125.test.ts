/** Start-up procedures of the RTL8125 and later, against simulated registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { FLAG, MACOCP, PHYOCP } from "#chip/registers.ts";
import type { Procedure } from "#chip/steps.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { type Hardware, hardwareOf } from "./hardware.ts";
import { hasCage, startSerdes } from "./serdes.ts";
import { run } from "./steps.ts";

/** A simulated card. @param halts whether the PHY's controller halts when requested */
const card = (key: Parameters<typeof chipNamed>[0], halts = true) => {
  const window = new Map<number, number>();
  const mac = new Map<number, number>();
  const phy = new Map<number, number>();
  const serdes = new Map<number, number>();
  const writes: string[] = [];
  const ocp = (space: Map<number, number>, name: string, at: number, value: number, done: number): void => {
    const address = (value >>> 15) & 0xfffe;
    if (value >= FLAG) {
      writes.push(`${name} ${address.toString(16)} ${(value & 0xffff).toString(16)}`);
      space.set(address, value & 0xffff);
    }
    window.set(at, value >= FLAG ? 0 : (done + (space.get(address) ?? 0)) >>> 0);
    if (halts && name === "phy" && address === 0xb820) phy.set(0xb800, (value & 0x10) << 2);
  };
  const io = new Mmio({
    length: 65_536,
    read: (offset) => window.get(offset) ?? 0,
    write(offset, _width, value) {
      if (offset === MACOCP) return ocp(mac, "mac", offset, value, 0);
      if (offset === PHYOCP) return ocp(phy, "phy", offset, value, FLAG);
      writes.push(`${offset.toString(16)} ${value.toString(16)}`);
      window.set(offset, value);
      if (offset !== 0x2348) return;
      const at = window.get(0x234a)!;
      if ((value & 2) === 0) window.set(0x234e, serdes.get(at) ?? 0);
      else serdes.set(at, window.get(0x234c)!);
      window.set(offset, value & ~1);
    },
  });
  const clock = new VirtualClock();
  const hw: Hardware = {
    ...hardwareOf({ io, clock, chip: chipNamed(key)! }, { mac: [], phy: [] }),
    phy: { read: () => 0, write: () => {} },
  };
  return {
    hw,
    clock,
    window,
    mac,
    phy,
    serdes,
    writes,
    call: (name: Procedure, mtu?: number) => run(hw, [{ call: name }], mtu),
  };
};

test("on each chip, the fill levels at which pause begins and ends depend on the MTU", () => {
  for (const [name, mtu, full, empty] of [
    ["fifoThresholds8125", 1500, 0x3d6, 0x6be],
    ["fifoThresholds8125", 9499, 0x5ca, 0x6be],
    ["fifoThresholds8125", 9500, 0x5ca, 0x6be],
    ["fifoThresholds8126", 1500, 0x3e4, 0x107c],
    ["fifoThresholds8126", 9500, 0x5d8, 0x107c],
    ["fifoThresholds8126", 16_362, 0x932, 0xecf],
    ["fifoThresholds8127", 1500, 0x48e, 0x2c4a],
    ["fifoThresholds8127", 16_362, 0x9dc, 0x2a9d],
  ] as const) {
    const { mac, call } = card("rtl8125b");
    call(name, mtu);
    assert.deepEqual([mac.get(0xc0a6), mac.get(0xc0aa)], [full, empty], `${name}, MTU ${mtu}`);
  }
});

test("the PHY's controller is halted while the PHY's registers are changed, and continues afterwards", () => {
  const { hw, phy, writes, call } = card("rtl8125a");
  call("phyPowerSavingOff");
  assert.deepEqual(writes, ["phy b820 10", "phy c416 0", "phy c416 500", "phy b820 0"]);
  writes.length = 0;
  call("phyPowerSavingOff");
  assert.deepEqual(writes, [], "does nothing if power saving is off already");
  assert.equal(phy.get(0xb800), 0);
  assert.equal(hw.expiredWaits.count, 0);
});

test("if the PHY's controller does not halt, an expired wait is counted, and bring-up continues after a tenth of a second", () => {
  const { hw, clock, call } = card("rtl8125a", false);
  call("requestPhyPatch");
  assert.deepEqual([hw.expiredWaits.count, hw.expiredWaits.last], [1, "the PHY's controller to halt"]);
  assert.ok(clock.now() >= 100_000 && clock.now() < 102_000, String(clock.now()));
});

test("calibration values are swapped on boards with the pairs in reverse order, and on no other", () => {
  for (const [board, pairs] of [
    [0, 2],
    [1 << 5, 0],
  ] as const) {
    const { mac, phy, writes, call } = card("rtl8125a");
    mac.set(0xd442, board);
    phy.set(0xd068, pairs);
    call("swapPairs");
    assert.deepEqual(writes, []);
  }
  const { mac, phy, writes, call } = card("rtl8125a");
  mac.set(0xd442, 1 << 5);
  phy.set(0xd068, 0xa006);
  phy.set(0xbd5a, 0xe201);
  phy.set(0xbd5c, 0xe403);
  phy.set(0xbc18, 0x0605);
  phy.set(0xbc1a, 0x0807);
  call("swapPairs");
  assert.deepEqual(
    [0xbd5a, 0xbd5c, 0xbc18, 0xbc1a].map((at) => phy.get(at)!.toString(16)),
    ["e304", "e102", "708", "506"],
  );
  assert.equal(phy.get(0xd068), 0xa019, "the last pair is selected, and the result is kept");
  writes.length = 0;
  call("swapPairs");
  assert.deepEqual(writes, []);
});

test("the calibration of pair 0 goes to pair 3, that of pair 1 to pair 2, and vice versa", () => {
  const { hw, mac, phy } = card("rtl8125a");
  mac.set(0xd442, 1 << 5);
  phy.set(0xd068, 2);
  const offsets = [0x111, 0x222, 0x333, 0x444];
  const pair = (): number => (phy.get(0xd068)! >> 3) & 3;
  // PHY register 0xd06a gives access to the value of the pair that PHY register 0xd068 selects.
  const get = phy.get.bind(phy);
  const set = phy.set.bind(phy);
  phy.get = (at) => (at === 0xd06a ? offsets[pair()] : get(at));
  phy.set = (at, value) => {
    if (at === 0xd06a) offsets[pair()] = value;
    return set(at, value);
  };
  run(hw, [{ call: "swapPairs" }]);
  assert.deepEqual(offsets, [0x444, 0x333, 0x222, 0x111]);
});

test("the link saves power unless a management controller uses it", () => {
  for (const [key, kind, writes] of [
    ["rtl8125b", 0, ["d0 c0", "f2 40"]],
    ["rtl8127a", 7, ["d0 c0", "f2 40"]],
    ["rtl8125b", 5, ["d0 c0", "f2 40"]],
    ["rtl8125a", 2, []],
    ["rtl8125a", 3, []],
    ["rtl8127a", 4, []],
    ["rtl8125bp", 0, []],
  ] as const) {
    const one = card(key);
    one.mac.set(0xd006, kind);
    one.call("saveLinkPower");
    assert.deepEqual(one.writes, writes, `${key}, kind ${kind}`);
  }
});

test("the SerDes of an RTL8127ATF starts at 10 or 1 Gbit/s, with or without pause", () => {
  for (const [speed, pause, serdesWords, windowWords, atC466] of [
    [10_000, true, [0x00f7, 0x0140, 0xc, 0, 0], [0x801a, 0xdffc, 1], 3],
    [10_000, false, [0x00f7, 0x0140, 0, 0, 0], [0x801a, 0xdffc, 1], 3],
    [1000, true, [0x00ff, 0x1140, 0, 0x180, 4], [0x8004, 0xcffe, 1], 0],
    [1000, false, [0x00ff, 0x1140, 0, 0, 4], [0x8004, 0xcffe, 1], 0],
  ] as const) {
    const { hw, mac, phy, serdes, window } = card("rtl8127a");
    mac.set(0xd006, 0x1207);
    phy.set(0xc804, 0x1233);
    serdes.set((1 << 5) | 31, 0x00ff);
    serdes.set(2 << 5, 0x3100);
    window.set(0x233e, 0xffff);
    assert.equal(hasCage(hw), true);
    startSerdes(hw, speed, pause);
    assert.deepEqual(
      [(1 << 5) | 31, 2 << 5, (31 << 5) | 11, (2 << 5) | 4, 4].map((at) => serdes.get(at) ?? 0),
      serdesWords,
    );
    assert.deepEqual(
      [0x233a, 0x233e, 0x2350].map((at) => window.get(at)),
      windowWords,
    );
    assert.deepEqual(
      [0xc40a, 0xc466, 0xc808, 0xc80a, 0xc804].map((at) => phy.get(at)),
      [0, atC466, 0, 0, 0x123c],
    );
  }
});

test("an RTL8127A with a copper PHY has no SFP cage, and other chips are not checked", () => {
  assert.equal(hasCage(card("rtl8127a").hw), false);
  const other = card("rtl8126a-64a");
  other.mac.set(0xd006, 7);
  assert.equal(hasCage(other.hw), false);
});

test("`phyInterruptsOff` masks the PHY's own interrupts", () => {
  const { writes, call } = card("rtl8127a");
  call("phyInterruptsOff");
  assert.deepEqual(writes, ["phy a4d2 0"]);
});

test("steps for firmware that was not loaded are skipped", () => {
  const { hw, writes } = card("rtl8125d-688");
  run(hw, [{ firmware: "phy" }, { withFirmware: [{ on: "phy", words: [[0xa436, 0x8feb]] }] }]);
  assert.deepEqual(writes, []);
});
