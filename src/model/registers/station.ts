/** The station address from the factory, and the registers that contain it. */
import type { Chip } from "#chip/chips.ts";
import { IDR0, IDR4 } from "#chip/registers.ts";
import { BACKUP_ADDR0, BACKUP_ADDR1 } from "#chip/registers-8125.ts";
import { OutOfRange } from "#kit/errors.ts";
import { isStationAddress } from "#kit/station-address.ts";
import { parseMac } from "#wire/mac.ts";
import type { Page } from "./page.ts";

/**
 * @throws {OutOfRange} unless `mac` is a unicast address other than zero
 * @throws {InvalidMacAddress} if `mac` is a string and not a MAC address
 */
export const stationAddress = (mac: string | Uint8Array): Uint8Array => {
  const bytes = typeof mac === "string" ? parseMac(mac) : Uint8Array.from(mac);
  if (!isStationAddress(bytes)) throw new OutOfRange("a station address has six bytes, is unicast and not all zero");
  return bytes;
};

const put = (
  page: Page,
  low: number,
  high: number,
  [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0]: Iterable<number>,
): void => {
  page.put(low, 4, a | (b << 8) | (c << 16) | (d << 24));
  page.put(high, 2, e | (f << 8));
};

/**
 * Sets the registers to their values after the EEPROM was loaded. @param copy the factory's address for the backup
 * registers; undefined leaves them unchanged
 */
export const loadStation = (page: Page, chip: Chip, mac: Readonly<Uint8Array>, copy: Uint8Array | undefined): void => {
  put(page, IDR0, IDR4, mac);
  if (copy !== undefined && chip.profile.addressCopies.includes("backup")) put(page, BACKUP_ADDR0, BACKUP_ADDR1, copy);
};
