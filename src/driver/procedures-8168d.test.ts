/** What the procedures of the RTL8168D and 8168E write for given register values, against simulated registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChipKey, chipNamed } from "#chip/chips.ts";
import { EFUSEAR, ERIAR, ERIDR, IDR0, IDR4, SecMAC0, SecMAC4 } from "#chip/registers.ts";
import type { Procedure } from "#chip/steps.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { hardwareOf } from "./hardware.ts";
import { run } from "./steps.ts";

const FLAG = 0x8000_0000;
/** The writes to the PHY: page, register, value. */
type Written = readonly (readonly [page: number, register: number, value: number])[];

interface IdentifiedChip {
  /**
   * The bytes of the one-time programmable memory; a missing byte is blank, 0xff. If undefined, the memory never
   * responds.
   */
  readonly fuses?: Readonly<Record<number, number>>;
  /** The value of the PHY's register 0x0d on page 2. */
  readonly voltage?: number;
}

const card = (key: ChipKey, { fuses, voltage = 0 }: IdentifiedChip) => {
  const memory = new Map<number, number>([
    [IDR0, 0x4433_2211],
    [IDR4, 0x6655],
  ]);
  const extended = new Map<number, number>();
  const io = new Mmio({
    length: 256,
    read: (offset) => {
      const word = memory.get(offset) ?? 0;
      if (offset !== EFUSEAR || fuses === undefined) return word;
      return FLAG + (word & 0x3ff00) + (fuses[(word >>> 8) & 0x3ff] ?? 0xff);
    },
    write: (offset, _width, value) => {
      // An access to an extended register completes at once.
      memory.set(offset, offset === ERIAR ? value & 0xfff : value);
      if (offset === ERIAR) extended.set(value & 0xfff, memory.get(ERIDR)!);
    },
  });
  const written: (readonly [number, number, number])[] = [];
  const card = { io, clock: new VirtualClock(), chip: chipNamed(key)! };
  const hw = {
    ...hardwareOf(card, { mac: [], phy: [] }),
    phy: {
      read: (register: number, page = 0) => (page === 2 && register === 0x0d ? voltage : 0),
      write: (register: number, value: number, page = 0) => void written.push([page, register, value]),
    },
  };
  const { expiredWaits } = hw;
  return { memory, extended, expiredWaits, written, call: (name: Procedure) => run(hw, [{ call: name }]) };
};

const setting = (value: number): Written => [
  [2, 0x05, value],
  [5, 0x05, 0x8330],
  [5, 0x06, value],
];
const RAISED: Written = [0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c].map((low) => [2, 0x0d, 0x1200 | low]);

for (const [key, name, plain] of [
  ["rtl8168d-281", "regulatorOf281", 0x6662],
  ["rtl8168d-280", "regulatorOf280", 0x2642],
] as const) {
  test(`${key}: a calibrated chip's regulator is raised step by step, unless it has the final value already`, () => {
    for (const [voltage, more] of [
      [0x12ff, RAISED],
      [0x126c, []],
    ] as const) {
      const { written, call } = card(key, { fuses: { 1: 0xb1 }, voltage });
      call(name);
      assert.deepEqual(written, [...setting(0x669a), ...more]);
    }
  });

  test(`${key}: the regulator of an uncalibrated chip gets the default setting`, () => {
    for (const fuses of [{}, { 1: 0xb0, 2: 0xb1 }]) {
      const { written, expiredWaits, call } = card(key, { fuses, voltage: 0x1234 });
      call(name);
      assert.deepEqual(written, setting(plain));
      assert.equal(expiredWaits.count, 0);
    }
  });

  test(`${key}: if the one-time memory does not respond, an expired wait is counted, and the memory is treated as blank`, () => {
    const { written, expiredWaits, call } = card(key, {});
    call(name);
    assert.deepEqual(written, setting(plain));
    assert.deepEqual([expiredWaits.count, expiredWaits.last], [1, "the one-time memory to be read"]);
  });
}

test("the 8168E has a second copy of the station address", () => {
  const { memory, call } = card("rtl8168e-2c1", {});
  call("copyAddressToSecond");
  assert.equal(memory.get(SecMAC0), 0x4433_2211);
  assert.equal(memory.get(SecMAC4), 0x6655);
});

test("the 8168E-VL has two copies of the station address in extended registers, the second at an offset of two bytes", () => {
  const { extended, call } = card("rtl8168evl", {});
  call("copyAddressToExtended");
  assert.deepEqual(
    [...extended].map(([address, value]) => [address, value >>> 0]),
    [
      [0xe0, 0x4433_2211],
      [0xe4, 0x6655],
      [0xf0, 0x2211_0000],
      [0xf4, 0x6655_4433],
    ],
  );
});

for (const [key, ready] of [
  ["rtl8168d-281", 0xbf00],
  ["rtl8168d-280", 0xb300],
] as const)
  test(`${key}: firmware is loaded only if the word 0x001b of the PHY's memory shows that the PHY is ready`, () => {
    const chip = chipNamed(key)!;
    const load = chip.start.phy.filter((step) => "firmware" in step);
    for (const word of [ready, ready ^ 0x100]) {
      const written: Written[number][] = [];
      let address = 0;
      const phy = {
        read: (register: number, page = 0) => (page === 5 && register === 6 && address === 0x001b ? word : 0),
        write(register: number, value: number, page = 0) {
          if (page === 5 && register === 5) address = value;
          else written.push([page, register, value]);
        },
      };
      const io = new Mmio({ length: 256, read: () => 0, write: () => {} });
      const firmware = { file: "test.fw", version: "", words: Uint32Array.of(0x8003_1234) };
      const hw = { ...hardwareOf({ io, clock: new VirtualClock(), chip }, chip.start), phy, firmware };
      run(hw, load);
      const loaded = written.some(([, register, value]) => register === 3 && value === 0x1234);
      assert.equal(loaded, word === ready);
    }
  });
