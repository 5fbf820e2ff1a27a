/**
 * Writes pcapng capture files (draft-ietf-opsawg-pcapng) into a buffer, in whole blocks.
 *
 * Each block starts on a 4-byte boundary and is little-endian. Each packet is marked with its direction.
 */
import { copyAndSum } from "./checksum.ts";
import type { Memory } from "./memory.ts";

export const BlockType = { section: 0x0a0d_0d0a, interface: 1, obsoletePacket: 2, simplePacket: 3, packet: 6 } as const;
export const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
export const LINKTYPE_ETHERNET = 1;
export const Option = {
  end: 0,
  name: 2,
  packetFlags: 2,
  application: 4,
  resolution: 9,
  fcsLength: 13,
  timeOffset: 14,
} as const;

/** Direction as seen from the interface: low two bits of a packet's flags. */
export const Direction = { unknown: 0, inbound: 1, outbound: 2 } as const;

/** Number of decimal digits of a fraction of a second in time stamps. */
export const Resolution = { micro: 6, nano: 9 } as const;
export type Resolution = (typeof Resolution)[keyof typeof Resolution];

/** Number of bytes of an enhanced packet block besides data and padding. */
export const PACKET_OVERHEAD = 44;
const PACKET_DATA = 28;
const MAX_NAME = 255;
const TWO_TO_32 = 4_294_967_296;

/**
 * Writes blocks one after the other. If a block does not fit, the method writes nothing and returns false; the owner
 * must then empty the buffer and call the method again.
 *
 * Invariants: `memory[0, used)` is whole blocks; `used` is a multiple of 4.
 */
export class PcapngWriter {
  readonly memory: Memory;
  /** Longer frames are truncated to this length. */
  readonly snapLength: number;
  readonly #resolutions: Resolution[] = [];
  #used = 0;

  constructor(memory: Memory, snapLength: number) {
    this.memory = memory;
    this.snapLength = snapLength;
  }

  /** Number of bytes written and not yet consumed. */
  get used(): number {
    return this.#used;
  }

  /** Writes a section header, the first block of a file. */
  section(application: string): boolean {
    const name = textBytes(application);
    const length = 24 + optionLength(name) + 4 + 4;
    if (!this.#fits(length)) return false;
    const at = this.#begin(BlockType.section, length);
    const { words } = this.memory;
    words[at + 2] = BYTE_ORDER_MAGIC;
    words[at + 3] = 1; // version 1.0: major in the low half
    words[at + 4] = words[at + 5] = -1; // section length unknown
    this.#options(at + 6, [[Option.application, name]]);
    return this.#end(at, length);
  }

  /** Declares the next interface; the first has identifier 0. */
  interface(name: string, resolution: Resolution): boolean {
    const text = textBytes(name);
    const length = 16 + optionLength(text) + 8 + 4 + 4;
    if (!this.#fits(length)) return false;
    const at = this.#begin(BlockType.interface, length);
    this.memory.words[at + 2] = LINKTYPE_ETHERNET;
    this.memory.words[at + 3] = this.snapLength;
    this.#options(at + 4, [
      [Option.name, text],
      [Option.resolution, Uint8Array.of(resolution)],
    ]);
    this.#resolutions.push(resolution);
    return this.#end(at, length);
  }

  /**
   * Adds a frame of `length` bytes at `offset` of `from`. Its time is `seconds` since 1970, an integer, and
   * `nanoseconds` below 1,000,000,000. Does not allocate.
   * @param direction one of `Direction`
   */
  packet(
    interfaceId: number,
    direction: number,
    seconds: number,
    nanoseconds: number,
    from: Memory,
    offset: number,
    length: number,
  ): boolean {
    const captured = Math.min(length, this.snapLength);
    const padded = (captured + 3) & ~3;
    const block = PACKET_OVERHEAD + padded;
    if (!this.#fits(block)) return false;
    const at = this.#begin(BlockType.packet, block);
    const { bytes, words } = this.memory;
    words[at + 2] = interfaceId;
    this.#stamp(at + 3, seconds, nanoseconds, this.#resolutions[interfaceId] ?? Resolution.micro);
    words[at + 5] = captured;
    words[at + 6] = length;
    const data = (at << 2) + PACKET_DATA;
    copyAndSum(from, offset, this.memory, data, captured);
    bytes.fill(0, data + captured, data + padded);
    const options = (data + padded) >> 2;
    words[options] = Option.packetFlags | (4 << 16);
    words[options + 1] = direction;
    words[options + 2] = Option.end;
    return this.#end(at, block);
  }

  /** Removes the first `count` bytes and moves the rest to the front. */
  consume(count: number): void {
    this.memory.bytes.copyWithin(0, count, this.#used);
    this.#used -= count;
  }

  /** Offset of the end of the last block that is completely in the first `count` bytes. */
  wholeBlocks(count: number): number {
    let at = 0;
    while (at < this.#used) {
      const next = at + this.memory.words[(at >> 2) + 1]!;
      if (next > count) break;
      at = next;
    }
    return at;
  }

  #fits(length: number): boolean {
    return this.#used + length <= this.memory.words.length * 4;
  }

  /** Writes the type and the length of the next block; returns the block's word index. */
  #begin(type: number, length: number): number {
    const at = this.#used >> 2;
    this.memory.words[at] = type;
    this.memory.words[at + 1] = length;
    return at;
  }

  #end(at: number, length: number): true {
    this.memory.words[at + (length >> 2) - 1] = length;
    this.#used += length;
    return true;
  }

  #options(at: number, options: readonly (readonly [code: number, value: Uint8Array])[]): void {
    const { bytes, words } = this.memory;
    let word = at;
    for (const [code, value] of options) {
      words[word] = code | (value.length << 16);
      const end = word + (optionLength(value) >> 2);
      words.fill(0, word + 1, end);
      bytes.set(value, (word + 1) << 2);
      word = end;
    }
    words[word] = Option.end;
  }

  /**
   * Writes a time stamp: 64 bits, upper half first. 10^9 seconds in nanoseconds need 60 bits, more than a JavaScript
   * number can represent exactly.
   */
  #stamp(word: number, seconds: number, nanoseconds: number, resolution: Resolution): void {
    const { words } = this.memory;
    if (resolution === Resolution.micro) {
      const micros = seconds * 1_000_000 + Math.floor(nanoseconds / 1000);
      words[word] = Math.floor(micros / TWO_TO_32);
      words[word + 1] = micros % TWO_TO_32;
      return;
    }
    const upper = Math.floor(seconds / 0x1_0000) * 1_000_000_000; // in units of 2^16 ns
    const lower = (seconds % 0x1_0000) * 1_000_000_000 + nanoseconds + (upper % 0x1_0000) * 0x1_0000;
    words[word] = Math.floor(upper / 0x1_0000) + Math.floor(lower / TWO_TO_32);
    words[word + 1] = lower % TWO_TO_32;
  }
}

/** The text as UTF-8, truncated to the longest possible name. */
const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text).subarray(0, MAX_NAME);

const optionLength = (value: Uint8Array): number => 4 + ((value.length + 3) & ~3);
