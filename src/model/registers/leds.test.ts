/** LEDs: which are lit at which speed, by generation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { LED_CTRL } from "#chip/registers.ts";
import { LEDSEL0, LEDSEL1, LEDSEL2, LEDSEL3 } from "#chip/registers-8125.ts";
import { ledsOf } from "./leds.ts";
import { Page } from "./page.ts";

const chipOf = (key: string): Chip => CHIPS.find((row) => row.key === key)!;
const newPage = (): Page => new Page(new ArrayBuffer(0x1000), 0, 0x1000);

test("three LEDs of a PCIe gigabit chip have four bits each", () => {
  const page = newPage();
  page.put(LED_CTRL, 2, 0x0_c_3_8 | 0x4);
  const lit = (speed: number): string =>
    ledsOf(chipOf("rtl8168h"), page, speed)
      .map((led) => `${led.lit ? "lit" : "dark"}${led.activity ? "*" : ""}`)
      .join(" ");
  // LED 0: 1000 and activity; LED 1: 10 and 100; LED 2: 1000 and activity.
  assert.equal(lit(1000), "lit* dark lit*");
  assert.equal(lit(100), "dark* lit dark*");
  assert.equal(lit(0), "dark* dark dark*");
});

test("four LEDs of an RTL8125 have a register each", () => {
  const page = newPage();
  page.put(LEDSEL0, 2, 1 << 5);
  page.put(LEDSEL1, 2, (1 << 3) | (1 << 9));
  page.put(LEDSEL2, 2, 1 << 1);
  page.put(LEDSEL3, 2, 1 << 0);
  const chip = chipOf("rtl8125b");
  const at = (speed: number): boolean[] => ledsOf(chip, page, speed).map(({ lit }) => lit);
  assert.deepEqual(at(2500), [true, false, false, false]);
  assert.deepEqual(at(1000), [false, true, false, false]);
  assert.deepEqual(at(10), [false, false, false, true]);
  assert.deepEqual(
    ledsOf(chip, page, 0).map(({ activity }) => activity),
    [false, true, false, false],
  );
});

test("the LEDs of PCI chips are not modelled", () => {
  assert.deepEqual(ledsOf(chipOf("rtl8169s"), newPage(), 1000), []);
});
