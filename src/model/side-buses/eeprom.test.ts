/** The serial EEPROM, controlled pin by pin as drivers do, and the fuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed } from "#chip/chips.ts";
import { Pins } from "#chip/eeprom.ts";
import { Eeprom, Efuse, imageOf } from "./eeprom.ts";

const MAC = Uint8Array.of(0x02, 0x11, 0x22, 0x33, 0x44, 0x55);
const CHIP = chipNamed("rtl8169sc-180")!;

class Driver {
  readonly eeprom = new Eeprom(imageOf(CHIP, 0x8169, MAC));
  #pins = Pins.programming | Pins.select;
  select(on: boolean): void {
    this.#pins = Pins.programming | (on ? Pins.select : 0);
    this.eeprom.setPins(this.#pins);
  }
  clock(bit: number): number {
    const pins = this.#pins | (bit === 0 ? 0 : Pins.input);
    this.eeprom.setPins(pins);
    const out = this.eeprom.setPins(pins | Pins.clock);
    this.eeprom.setPins(pins);
    return out;
  }
  command(bits: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.clock((bits >>> i) & 1);
  }
  word(): number {
    let word = 0;
    for (let i = 0; i < 16; i++) word = (word << 1) | this.clock(0);
    return word;
  }
  read(address: number, bits = 6): number {
    this.select(true);
    this.command((6 << bits) | address, 3 + bits);
    const word = this.word();
    this.select(false);
    return word;
  }
  write(address: number, value: number): void {
    this.select(true);
    this.command((5 << 6) | address, 9);
    this.command(value, 16);
    this.select(false);
  }
  special(kind: number): void {
    this.select(true);
    this.command((4 << 6) | (kind << 4), 9);
    this.select(false);
  }
}

test("a driver finds the signature, the identity and the station address", () => {
  const driver = new Driver();
  assert.equal(driver.read(0), 0x8129);
  assert.deepEqual([driver.read(1), driver.read(2)], [0x10ec, 0x8169]);
  assert.deepEqual([driver.read(7), driver.read(8), driver.read(9)], [0x1102, 0x3322, 0x5544]);
});

test("a driver that assumes the larger EEPROM does not find the signature", () => {
  assert.notEqual(new Driver().read(0, 8), 0x8129);
});

test("a read continues with the next word", () => {
  const driver = new Driver();
  driver.select(true);
  driver.command((6 << 6) | 7, 9);
  assert.deepEqual([driver.word(), driver.word(), driver.word()], [0x1102, 0x3322, 0x5544]);
});

test("writing has to be enabled, and can be disabled again", () => {
  const driver = new Driver();
  driver.write(20, 0x1234);
  assert.equal(driver.read(20), 0xffff);
  driver.special(3);
  driver.write(20, 0x1234);
  assert.equal(driver.read(20), 0x1234);
  driver.special(0);
  driver.write(20, 0x4321);
  assert.equal(driver.read(20), 0x1234);
});

test("an incomplete command has no effect", () => {
  const driver = new Driver();
  driver.special(3);
  driver.select(true);
  driver.command((5 << 6) | 20, 9);
  driver.command(0x12, 8);
  driver.select(false);
  assert.equal(driver.read(20), 0xffff);
});

test("outside programming mode the pins have no effect, and after any changes of the pins the EEPROM still responds", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xff), { maxLength: 200 }), (script) => {
      const driver = new Driver();
      for (const pins of script) {
        const out = driver.eeprom.setPins(pins & ~Pins.select);
        assert.equal(out, 0);
      }
      assert.equal(driver.read(0), 0x8129);
    }),
  );
});

test("fuses are blank, are programmed in one direction, and can be read", () => {
  const efuse = new Efuse();
  assert.equal(efuse.access(0x01 << 8, false) & 0xff, 0xff);
  efuse.access((0x01 << 8) | 0xb1, true);
  efuse.access((0x01 << 8) | 0xf1, true);
  assert.equal(efuse.access(0x01 << 8, false), (0x01 << 8) | 0xb1);
  assert.equal(efuse.access(0x3ff << 8, false) & 0xff, 0xff);
});
