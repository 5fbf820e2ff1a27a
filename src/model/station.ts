/** The station address as the factory wrote it, and the registers that show it. */
import type { Chip } from "#chip/chips.ts";
import { IDR0, IDR4 } from "#chip/registers.ts";
import { BACKUP_ADDR0, BACKUP_ADDR1 } from "#chip/registers-8125.ts";
import { OutOfRange } from "#kit/errors.ts";
import { MAC_BYTES, parseMac } from "#wire/mac.ts";
import type { Page } from "./page.ts";

/** @throws {OutOfRange} unless it is the address of one station; @throws {InvalidMacAddress} */
export const stationAddress = (mac: string | Uint8Array): Uint8Array => {
  const bytes = typeof mac === "string" ? parseMac(mac) : Uint8Array.from(mac);
  if (bytes.length !== MAC_BYTES || (bytes[0]! & 1) !== 0 || bytes.every((byte) => byte === 0))
    throw new OutOfRange("a NIC's own address has six bytes, is not a group's and not all zero");
  return bytes;
};

/** Puts the factory's address where the chip has it after the EEPROM was loaded, and into the copy in registers. */
export const loadStation = (page: Page, chip: Chip, mac: Readonly<Uint8Array>): void => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  const low = a | (b << 8) | (c << 16) | (d << 24);
  page.put(IDR0, 4, low);
  page.put(IDR4, 2, e | (f << 8));
  if (!chip.profile.addressCopies.includes("backup")) return;
  page.put(BACKUP_ADDR0, 4, low);
  page.put(BACKUP_ADDR1, 2, e | (f << 8));
};
