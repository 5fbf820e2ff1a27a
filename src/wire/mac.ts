/** MAC addresses: six bytes, written as six pairs of hexadecimal digits. */

export const MAC_BYTES = 6;
export const BROADCAST: Readonly<Uint8Array> = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

/** The text is not a MAC address. This class has the fields of the kit's errors, which this room may not import. */
export class InvalidMacAddress extends Error {
  override readonly name = "InvalidMacAddress";
  readonly code = "INVALID_MAC_ADDRESS";
  readonly hint = "Write six pairs of hexadecimal digits, such as 02:00:5e:10:00:01.";
  readonly text: string;
  constructor(text: string) {
    super(`"${text.slice(0, 40)}" is not a MAC address`);
    this.text = text;
  }
}

/**
 * Reads `02:00:5e:10:00:01` or `02-00-5e-10-00-01`, in either case.
 * @throws {InvalidMacAddress}
 */
export const parseMac = (text: string): Uint8Array => {
  const match = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i.exec(text);
  if (match === null) throw new InvalidMacAddress(text);
  return Uint8Array.from(text.split(match[1]!), (pair) => Number.parseInt(pair, 16));
};

/** Formats an address in lower case with colons. */
export const formatMac = (bytes: Uint8Array, at = 0): string =>
  Array.from(bytes.subarray(at, at + MAC_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join(":");

/** Whether the address is multicast or broadcast. */
export const isGroup = (bytes: Uint8Array, at: number): boolean => (bytes[at]! & 1) === 1;
