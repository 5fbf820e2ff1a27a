/** The PTP clock and the cable test: addresses and bits typed in from their sources, not from the register maps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CABLE_8125A, CABLE_8125B, CABLE_8168H, CableResult, CableTest, CableWiring } from "./cable-test.ts";
import { CHIPS } from "./chips.ts";
import { StampV3 } from "./descriptors-8125.ts";
import * as ptp from "./ptp.ts";

const where = (place: "mac" | "phy"): string[] =>
  CHIPS.filter(({ profile }) => profile.ptp === place).map(({ key }) => key);

// Realtek's r8125 9.016.01 for Linux: r8125.h, r8125_ptp.h, and the values that r8125_ptp.c writes.
test("the PTP clock in the MAC has the bits that Realtek's driver uses", () => {
  const { enable, on } = ptp.PtpControl;
  assert.deepEqual([enable, on], [0x0001, 0x0001 | 0x0008 | 0x0010 | 0x0040 | 0x0400 | 0x1000]);
  assert.deepEqual({ ...ptp.PtpEvent }, { sent: 0x02, failed: 0x04 });
  assert.deepEqual({ ...ptp.PtpCommand }, { execute: 0x80, set: 0, drift: 1, latch: 2, code: 3 });
  assert.deepEqual(ptp.MacClock.source, { macOcp: 0xdc00, mac: 0x40 });
  // Places of 16 bytes, each with nanoseconds (the first at 0xcf20) and seconds (the first at 0xcf24). In At2032, bits
  // 11:10 are the number of the next place.
  assert.deepEqual(ptp.MacClock.sent, {
    macOcp: 0xcf20,
    bytes: 16,
    seconds: 0xcf24 - 0xcf20,
    places: 4,
    nextShift: 10,
  });
  // 8 ns in units of 2^-30 ns, with a sign in bit 30.
  assert.deepEqual([ptp.MacClock.driftScale, ptp.MacClock.driftBits], [8 * 2 ** 30, 31]);
});

test("the PTP clock in the PHY has the addresses and bits that Realtek's driver uses", () => {
  const { control, interrupts, events, synchronous, configuration, command, time, stampCommand, stamp } = ptp.PhyClock;
  assert.deepEqual(
    [control, interrupts, events, synchronous, configuration, command, time, stampCommand, stamp],
    [0xe400, 0xe402, 0xe404, 0xe406, 0xe408, 0xe410, 0xe412, 0xe430, 0xe446],
  );
  assert.deepEqual(ptp.PhyClockControl, { enable: 0x0001, on: 0x00ff | 0x1000 });
  assert.deepEqual(ptp.PhyClockEvent, { received: 0x0004, sent: 0x0008 });
  const { execute, read, set, add, subtract, setRate } = ptp.PhyClockCommand;
  assert.deepEqual([execute, read, set, add, subtract, setRate], [1, 4, 6, 8, 10, 14]);
  // The largest rate is 0x1fffff / 2^32.
  assert.equal((2 ** (ptp.PhyClock.rateBits - 1) - 1) / ptp.PhyClock.rateScale, 0x1fffff / 2 ** 32);
  const { received, fixed, sentReady, receivedReady } = ptp.PhyStamp;
  assert.deepEqual([received, fixed], [0x0002, 0x0010]);
  // The message types 0 to 3 are Sync, Delay_Req, Pdelay_Req and Pdelay_Resp.
  assert.deepEqual(
    [0, 1, 2, 3].map((message) => 1 << (sentReady - message)),
    [0x8000, 0x4000, 0x2000, 0x1000],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((message) => 1 << (receivedReady - message)),
    [0x0800, 0x0400, 0x0200, 0x0100],
  );
});

test("a descriptor with a timestamp has the layout that Realtek's driver uses", () => {
  const { followed, stamp, nanoseconds, seconds, secondsHigh } = StampV3;
  assert.deepEqual([followed >>> 26, stamp >>> 26], [1, 2]);
  assert.deepEqual([nanoseconds * 4, seconds * 4, secondsHigh * 4], [0x10, 0x14, 0x18]);
});

test("the chips with a PTP clock are those with one in Realtek's drivers, and other chips of the same dies", () => {
  assert.deepEqual(where("mac").toSorted(), ["rtl8125b", "rtl8168kb"]);
  assert.deepEqual(where("phy").toSorted(), [
    "rtl8125cp",
    "rtl8125d-688",
    "rtl8125d-689",
    "rtl8125k",
    "rtl8126a-649",
    "rtl8126a-64a",
    "rtl8127a",
    "rtl8168kd",
    "rtl9151a",
    "rtl9151as",
  ]);
});

// r8125 9.016.01, r8125_n.c; r8168 8.055.00, r8168_n.c.
test("the cable test has the addresses and results that Realtek's drivers use", () => {
  assert.deepEqual(CableTest, { address: 0xa422, start: 0x0001, pairs: 0x00f0, done: 0x8000 });
  assert.deepEqual([CABLE_8125A.results, CABLE_8125B.results, CABLE_8168H.results], [0x8027, 0x8027, 0x802b]);
  assert.deepEqual([CABLE_8125A.wiring, CABLE_8125B.wiring, CABLE_8168H.wiring], [0x8284, 0x81aa, undefined]);
  assert.deepEqual(
    { ...CableResult.states },
    { 0x42: "mismatch", 0x44: "mismatch", 0x48: "open", 0x50: "short", 0x60: "ok" },
  );
  assert.deepEqual(
    [CableResult.pairStep, CableResult.distance, CableResult.distanceMask, CableResult.unitsPerMetre],
    [4, 0x8029 - 0x8027, 0x3fff, 80],
  );
  assert.deepEqual(CableWiring, { macOcp: 0xd440, swappedShift: 12, order: 0xd442, reversed: 0x20, asTested: 0xa });
});
