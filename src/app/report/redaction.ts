/** What a report must not tell: whose card it is, where it is connected, and anything that was sent. */

/** Registers that hold addresses, or parts of frames (wake-up patterns). */
const SECRET = /^(IDR\d|MAR\d|BACKUP_ADDR\d|WakeUpMask\d+|WakeUpCrc\d+|RSS_KEY\d+|FLASH)$/;

export const REDACTED = "redacted";

/** What is left out, for whoever reads a report. */
export const REDACTIONS = [
  "station address (IDR, BACKUP_ADDR), multicast filter (MAR), wake-up patterns, hash key, boot ROM window",
  "every value in which two adjacent bytes of the station address' last three occur",
  "base addresses and message addresses in configuration space, vital product data, extended configuration space",
  "MAC, IPv4 and IPv6 addresses in messages; of the kernel's command line everything but words about the IOMMU",
] as const;

/** Neighbours among the maker's serial number in an address, which is its last three bytes. */
const pairsOf = (mac: Uint8Array): readonly (readonly [number, number])[] =>
  [3, 4]
    .map((i) => [mac[i] ?? 0, mac[i + 1] ?? 0] as const)
    // Such bytes are everywhere, and say nothing.
    .filter((pair) => pair.every((byte) => byte !== 0x00 && byte !== 0xff));

/** Decides about values, for a card with this station address. */
export class Redaction {
  readonly #pairs: readonly (readonly [number, number])[];

  constructor(mac: Uint8Array) {
    this.#pairs = pairsOf(mac);
  }

  /** Whether a register of these names, with this value of `width` bytes, must not be told. */
  hides(names: readonly string[], value: number, width: number): boolean {
    return names.some((name) => SECRET.test(name)) || this.#tells(value, width);
  }

  #tells(value: number, width: number): boolean {
    for (let at = 0; at + 1 < width; at++) {
      const [low, high] = [(value >>> (8 * at)) & 0xff, (value >>> (8 * at + 8)) & 0xff];
      if (this.#pairs.some(([a, b]) => (a === low && b === high) || (a === high && b === low))) return true;
    }
    return false;
  }
}

const MAC = /\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b/gi;
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}\b/g;
/** Two groups or more around "::", or all eight; a PCI address has neither. */
const IPV6 = /\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:)+(?::[0-9a-f]{1,4})+\b/gi;

/** Text without what looks like an address. */
export const swept = (text: string): string =>
  text.replace(MAC, "<MAC>").replace(IPV4, "<IPv4>").replace(IPV6, "<IPv6>");
