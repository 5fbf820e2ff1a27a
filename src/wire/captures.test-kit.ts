/** Capture files built byte by byte, in both formats and byte orders. */

/** Bytes to which numbers of 1, 2 or 4 bytes are appended, all in one byte order. */
class Bytes {
  readonly bytes: number[] = [];
  readonly #little: boolean;
  constructor(little: boolean) {
    this.#little = little;
  }
  put(width: 1 | 2 | 4, ...values: readonly number[]): this {
    for (const value of values) {
      const bytes = Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** i) & 255);
      this.bytes.push(...(this.#little ? bytes : bytes.toReversed()));
    }
    return this;
  }
  add(bytes: Iterable<number>): this {
    this.bytes.push(...bytes);
    return this;
  }
}

/** A broadcast frame of `length` bytes; the bytes after the header are `fill`. */
export const frame = (length = 60, fill = 0): Uint8Array => {
  const bytes = new Uint8Array(length).fill(fill);
  bytes.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5].slice(0, length));
  return bytes;
};

export interface PcapPacket {
  readonly seconds?: number;
  readonly fraction?: number;
  readonly bytes?: Uint8Array;
  readonly original?: number;
  /** Packet type; only in the packet headers of "modified pcap". */
  readonly type?: number;
}

/** A pcap file. `link` is the whole link-type word. */
export const pcap = (
  packets: readonly PcapPacket[],
  { link = 1, magic = 0xa1b2_c3d4, little = true } = {},
): Uint8Array => {
  const file = new Bytes(little).put(4, magic).put(2, 2, 4).put(4, 0, 0, 65_535, link);
  for (const { seconds = 0, fraction = 0, bytes = frame(), original = bytes.length, type = 0 } of packets) {
    file.put(4, seconds, fraction, bytes.length, original);
    if (magic === 0xa1b2_cd34) file.put(4, 1).put(2, 0).put(1, type, 0);
    file.add(bytes);
  }
  return Uint8Array.from(file.bytes);
};

type Option = readonly [code: number, value: readonly number[]];

/** Blocks of one section, in one byte order. */
export class Section {
  readonly #file: Bytes;
  readonly #little: boolean;

  constructor(little = true) {
    this.#little = little;
    this.#file = new Bytes(little);
    this.block(0x0a0d_0d0a, (body) => body.put(4, 0x1a2b_3c4d).put(2, 1, 0).put(4, 0xffff_ffff, 0xffff_ffff));
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#file.bytes);
  }

  block(type: number, fill: (body: Bytes) => unknown): this {
    const body = new Bytes(this.#little);
    fill(body);
    const { bytes } = body;
    while (bytes.length % 4 !== 0) bytes.push(0);
    this.#file
      .put(4, type, bytes.length + 12)
      .add(bytes)
      .put(4, bytes.length + 12);
    return this;
  }

  interface(link = 1, options: readonly Option[] = [], snap = 0): this {
    return this.block(1, (body) => this.#options(body.put(2, link, 0).put(4, snap), options));
  }

  /** Adds an enhanced packet block. Its time is in microseconds. */
  packet(
    micros: number,
    bytes = frame(),
    more: { id?: number; original?: number; options?: readonly Option[] } = {},
  ): this {
    const { id = 0, original = bytes.length, options = [] } = more;
    return this.block(6, (body) => {
      body.put(4, id, Math.floor(micros / 2 ** 32), micros % 2 ** 32, bytes.length, original).add(bytes);
      while (body.bytes.length % 4 !== 0) body.put(1, 0);
      this.#options(body, options);
    });
  }

  obsolete(micros: number, bytes = frame(), id = 0): this {
    return this.block(2, (body) =>
      body
        .put(2, id, 0xffff)
        .put(4, Math.floor(micros / 2 ** 32), micros % 2 ** 32, bytes.length, bytes.length)
        .add(bytes),
    );
  }

  simple(bytes = frame()): this {
    return this.block(3, (body) => body.put(4, bytes.length).add(bytes));
  }

  /**
   * Writes options. A value of four bytes is a little-endian word, which is written in the section's byte order. Other
   * values are written as they are.
   */
  #options(body: Bytes, options: readonly Option[]): void {
    for (const [code, value] of options) {
      body.put(2, code, value.length).add(this.#little || value.length !== 4 ? value : value.toReversed());
      while (body.bytes.length % 4 !== 0) body.put(1, 0);
    }
    if (options.length > 0) body.put(4, 0);
  }
}

/** A packet's flags, as a little-endian word. */
export const flags = (value: number): Option => [2, [0, 8, 16, 24].map((shift) => (value >>> shift) & 255)];
