/** Private data that a report must not contain: data about the card's owner and network, and payload. */

/** Registers that hold addresses, or parts of frames (wake-up patterns). */
const SECRET = /^(IDR\d|MAR\d|BACKUP_ADDR\d|WakeUpMask\d+|WakeUpCrc\d+|RSS_KEY\d+|FLASH)$/;

export const REDACTED = "redacted";

/** Description of the omitted data, for readers of a report. */
export const REDACTIONS = [
  "station address (IDR, BACKUP_ADDR), multicast filter (MAR), wake-up patterns, hash key, boot ROM window",
  "every value that contains the last three bytes of the station address, or two adjacent ones of them",
  "base addresses and message addresses in configuration space, vital product data, extended configuration space",
  "what looks like a MAC, IP or other hardware address, a UUID or a serial number, in any spelling; names of hosts and users; paths",
  "the kernel's command line, except words about the IOMMU",
] as const;

/** Whether a byte can reveal an address. 0x00 and 0xff cannot, because they are common. */
const isDistinctive = (byte: number): boolean => byte !== 0x00 && byte !== 0xff;

/** The pairs of adjacent bytes in the card's serial number, which is the last three bytes of its station address. */
const pairsOf = (mac: Uint8Array): readonly (readonly [number, number])[] =>
  [3, 4].map((i) => [mac[i] ?? 0, mac[i + 1] ?? 0] as const).filter((pair) => pair.every(isDistinctive));

/** Decides which values are private, for a card with this station address. */
export class Redaction {
  readonly #pairs: readonly (readonly [number, number])[];
  /** The last three bytes as one number, in both byte orders. */
  readonly #tails: readonly number[];

  constructor(mac: Uint8Array) {
    this.#pairs = pairsOf(mac);
    const [a = 0, b = 0, c = 0] = mac.subarray(3);
    const distinctive = [a, b, c].filter(isDistinctive).length > 1;
    this.#tails = distinctive ? [(a << 16) | (b << 8) | c, (c << 16) | (b << 8) | a] : [];
  }

  /**
   * Whether the value of a register, `width` bytes long, must not be shown, because of the register's names or of the
   * value itself.
   */
  isPrivate(names: readonly string[], value: number, width: number): boolean {
    return names.some((name) => SECRET.test(name)) || this.#containsSerial(value, width);
  }

  #containsSerial(value: number, width: number): boolean {
    for (let at = 0; at + 2 < width; at++) if (this.#tails.includes((value >>> (8 * at)) & 0xff_ffff)) return true;
    for (let at = 0; at + 1 < width; at++) {
      const [low, high] = [(value >>> (8 * at)) & 0xff, (value >>> (8 * at + 8)) & 0xff];
      if (this.#pairs.some(([a, b]) => (a === low && b === high) || (a === high && b === low))) return true;
    }
    return false;
  }
}
