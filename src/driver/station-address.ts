/**
 * Finds the station address that a chip has stored. The places are tried in the order of Linux's and DPDK's drivers:
 * first the factory's copy, because another system may have changed the station address registers; then the station
 * address registers; then the EEPROM of older chips, as FreeBSD's re(4) reads it.
 */
import { ADDRESS_BITS, EEPROM_WORDS, MAC_WORD, Pins, READ, SIGNATURE } from "#chip/eeprom.ts";
import { Cfg9346, Lock } from "#chip/registers.ts";
import { BACKUP_ADDR0, BACKUP_ADDR1 } from "#chip/registers-8125.ts";
import { DeviceGone } from "#kit/errors.ts";
import { isStationAddress } from "#kit/station-address.ts";
import { setStationAddress, stationAddress } from "./bring-up.ts";
import { SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { run } from "./steps.ts";

/** Extended register with the factory's address. */
const MAC_COPY = 0xe0;
/** Half a period of the EEPROM's clock. A 93C46 supports 250 kHz at its lowest voltage. */
const HALF_CLOCK_MICROS = 2;

const bytesOf = (low: number, high: number): Uint8Array =>
  Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8);

type Source = (hw: Hardware) => Uint8Array;

const fromExtendedRegister: Source = ({ side }) => bytesOf(side.eriRead(MAC_COPY), side.eriRead(MAC_COPY + 4));

const fromBackupRegister: Source = ({ io }) => bytesOf(io.read32(BACKUP_ADDR0), io.read16(BACKUP_ADDR1));

/**
 * Reads one word of the EEPROM. The driver sends a start bit, the opcode and the address, and the EEPROM replies with a
 * 0 and the data.
 */
const readWord = ({ io, clock }: Hardware, addressBits: number, address: number): number => {
  const move = (pins: number): void => {
    io.write8(Cfg9346, Pins.programming | Pins.select | pins);
    clock.delay(HALF_CLOCK_MICROS);
  };
  const command = (READ << addressBits) | address;
  for (let bit = addressBits + 2; bit >= 0; bit--) {
    const input = (command >>> bit) & 1 ? Pins.input : 0;
    move(input);
    move(input | Pins.clock);
  }
  let word = 0;
  for (let bit = 0; bit < 16; bit++) {
    move(0);
    move(Pins.clock);
    word = (word << 1) | (io.read8(Cfg9346) & Pins.output);
  }
  io.write8(Cfg9346, Pins.programming);
  clock.delay(HALF_CLOCK_MICROS);
  return word;
};

const addressBits = (hw: Hardware): (typeof ADDRESS_BITS)[number] | undefined =>
  ADDRESS_BITS.find((width) => readWord(hw, width, 0) === SIGNATURE);

/**
 * Yields the words of the EEPROM; none on a chip or a board without an EEPROM. While the driver controls the EEPROM's
 * pins, about 150 µs for each word, the chip cannot access the bus. The pins are released before each word is yielded,
 * so traffic continues between words.
 */
export function* eepromWords(hw: Hardware): Generator<number, void> {
  if (hw.chip.profile.memory !== "eeprom") return;
  const locked = <T>(read: () => T): T => {
    try {
      return read();
    } finally {
      hw.io.write8(Cfg9346, Lock.lock);
    }
  };
  const bits = locked(() => addressBits(hw));
  if (bits === undefined) return;
  for (let address = 0; address < EEPROM_WORDS[bits]; address++) yield locked(() => readWord(hw, bits, address));
}

const fromEeprom: Source = (hw) => {
  try {
    const bits = addressBits(hw);
    if (bits === undefined) return new Uint8Array(6);
    const [a = 0, b = 0, c = 0] = [0, 1, 2].map((i) => readWord(hw, bits, MAC_WORD + i));
    return bytesOf((a | (b << 16)) >>> 0, c);
  } finally {
    hw.io.write8(Cfg9346, Lock.lock);
  }
};

/** The places where this chip may have stored its address, in order of preference. */
const sourcesOf = ({ chip: { profile } }: Hardware): readonly Source[] => [
  ...(profile.addressCopies.includes("backup") ? [fromBackupRegister] : []),
  ...(profile.addressCopies.includes("eri") ? [fromExtendedRegister] : []),
  stationAddress,
  ...(profile.memory === "eeprom" ? [fromEeprom] : []),
];

/** The chip's own address; undefined if none of the places has one. @throws {SideBusTimeout} */
export const findStationAddress = (hw: Hardware): Uint8Array | undefined => {
  for (const source of sourcesOf(hw)) {
    const address = source(hw);
    if (isStationAddress(address)) return address;
  }
  return undefined;
};

/** Sets the station address, and the copies that the chip has of it. @throws {SideBusTimeout} */
export const changeStationAddress = (hw: Hardware, address: Uint8Array): void => {
  setStationAddress(hw, address);
  run(hw, hw.start.address ?? []);
};

/** Restores the station address that a card had before this driver. Does nothing if the card is gone. */
export const restoreStationAddress = (hw: Hardware, address: Uint8Array): void => {
  try {
    const now = stationAddress(hw);
    const gone = now.every((byte) => byte === 0xff) && hw.interrupts.status(hw.io) === hw.interrupts.absent;
    if (!gone && !now.every((byte, i) => byte === address[i])) changeStationAddress(hw, address);
  } catch (error) {
    if (error instanceof SideBusTimeout) hw.expiredWaits.note("the chip's copies of the station address");
    else if (!(error instanceof DeviceGone)) throw error;
  }
};
