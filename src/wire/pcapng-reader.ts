/** Capture files: reading pcapng strictly. What does not hold together is refused with the place where it broke. */
import { BYTE_ORDER_MAGIC, BlockType, LINKTYPE_ETHERNET, Option } from "./pcapng.ts";

/** Blocks longer than this are refused: no frame or list of options needs more. */
const LONGEST_BLOCK = 16 << 20;
const MOST_INTERFACES = 4096;
const SWAPPED_MAGIC = 0x4d3c_2b1a;

/** Bytes that are no pcapng file. Has the shape of the kit's errors, which this room does not import. */
export class MalformedCapture extends Error {
  override readonly name = "MalformedCapture";
  readonly code = "MALFORMED_CAPTURE";
  readonly hint = "Check the file with capinfos, or convert it with: editcap -F pcapng IN OUT";
  /** Where the block starts that broke. */
  readonly offset: number;
  constructor(offset: number, what: string) {
    super(`capture file, block at byte ${offset}: ${what}`);
    this.offset = offset;
  }
}

export interface CapturedPacket {
  readonly interfaceId: number;
  /** Name of the interface; empty when the file gives none. */
  readonly interfaceName: string;
  /** One of `Direction`. */
  readonly direction: number;
  /** Since 1970, whole; and the rest. Both 0 where the file has no time. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** What was on the wire; more than `bytes.length` when the frame was cut. */
  readonly originalLength: number;
  /** The frame, as a view of the file. */
  readonly bytes: Uint8Array;
}

interface Interface {
  readonly name: string;
  readonly snapLength: number;
  readonly unitsPerSecond: bigint;
  readonly secondsOffset: bigint;
}

interface Section {
  readonly little: boolean;
  readonly interfaces: Interface[];
}

/**
 * Goes through the packets of a file held in memory, in both byte orders, over any number of sections; blocks of unknown
 * types are skipped.
 * @throws {MalformedCapture} at the block that is wrong, after the packets before it
 */
export function* readPcapng(bytes: Uint8Array): Generator<CapturedPacket, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let section: Section | undefined;
  if (bytes.length === 0) throw new MalformedCapture(0, "the file is empty");
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 12) throw new MalformedCapture(at, "the file ends inside a block");
    if (view.getUint32(at, true) === BlockType.section) section = readSection(view, at);
    if (section === undefined) throw new MalformedCapture(at, "not a pcapng file: it starts with no section header");
    const block = new Block(view, at, section.little);
    if (block.type === BlockType.interface) declare(section, block);
    const packet =
      block.type === BlockType.packet
        ? enhancedPacket(section, block)
        : block.type === BlockType.simplePacket
          ? simplePacket(section, block)
          : undefined;
    if (packet !== undefined) yield packet;
    at += block.length;
  }
}

const readSection = (view: DataView, at: number): Section => {
  const magic = view.getUint32(at + 8, true);
  if (magic !== BYTE_ORDER_MAGIC && magic !== SWAPPED_MAGIC) throw new MalformedCapture(at, "no byte-order magic");
  const little = magic === BYTE_ORDER_MAGIC;
  const block = new Block(view, at, little);
  block.need(28, "section header");
  const major = block.u16(12);
  if (major !== 1) throw new MalformedCapture(at, `version ${major}, and only version 1 is known`);
  return { little, interfaces: [] };
};

const declare = (section: Section, block: Block): void => {
  block.need(20, "interface description");
  if (section.interfaces.length >= MOST_INTERFACES)
    throw new MalformedCapture(block.at, `more than ${MOST_INTERFACES} interfaces`);
  const linkType = block.u16(8);
  if (linkType !== LINKTYPE_ETHERNET) throw new MalformedCapture(block.at, `link type ${linkType} is not Ethernet`);
  let name = "";
  let unitsPerSecond = 1_000_000n;
  let secondsOffset = 0n;
  for (const [code, at, length] of block.options(16)) {
    if (code === Option.name) name = new TextDecoder().decode(block.slice(at, length));
    if (code === Option.resolution && length === 1)
      unitsPerSecond = resolution(block, block.view.getUint8(block.at + at));
    if (code === Option.timeOffset && length === 8) secondsOffset = block.view.getBigInt64(block.at + at, block.little);
  }
  section.interfaces.push({ name, snapLength: block.u32(12), unitsPerSecond, secondsOffset });
};

/** Bit 7 clear: a power of ten; set: of two. */
const resolution = (block: Block, value: number): bigint => {
  const exponent = value & 0x7f;
  if (exponent > ((value & 0x80) === 0 ? 18 : 60))
    throw new MalformedCapture(block.at, `a time resolution of 0x${value.toString(16)} is not known`);
  return ((value & 0x80) === 0 ? 10n : 2n) ** BigInt(exponent);
};

const enhancedPacket = (section: Section, block: Block): CapturedPacket => {
  block.need(32, "packet");
  const interfaceId = block.u32(8);
  const from = interfaceOf(section, block, interfaceId);
  const captured = block.u32(20);
  const padded = Math.ceil(captured / 4) * 4;
  if (padded > block.length - 32)
    throw new MalformedCapture(block.at, `${captured} bytes of packet do not fit into it`);
  const units = BigInt(block.u32(12)) * 4_294_967_296n + BigInt(block.u32(16));
  let direction = 0;
  for (const [code, at, length] of block.options(28 + padded))
    if (code === Option.packetFlags && length === 4) direction = block.u32(at) & 3;
  return {
    interfaceId,
    interfaceName: from.name,
    direction,
    seconds: Number(units / from.unitsPerSecond + from.secondsOffset),
    nanoseconds: Number(((units % from.unitsPerSecond) * 1_000_000_000n) / from.unitsPerSecond),
    originalLength: block.u32(24),
    bytes: block.slice(28, captured),
  };
};

/** A simple packet is of interface 0 and says only its original length. */
const simplePacket = (section: Section, block: Block): CapturedPacket => {
  block.need(16, "simple packet");
  const from = interfaceOf(section, block, 0);
  const originalLength = block.u32(8);
  const captured = Math.min(originalLength, from.snapLength === 0 ? originalLength : from.snapLength);
  if (captured > block.length - 16)
    throw new MalformedCapture(block.at, `${captured} bytes of packet do not fit into it`);
  const bytes = block.slice(12, captured);
  return { interfaceId: 0, interfaceName: from.name, direction: 0, seconds: 0, nanoseconds: 0, originalLength, bytes };
};

const interfaceOf = (section: Section, block: Block, id: number): Interface => {
  const found = section.interfaces[id];
  if (found === undefined) throw new MalformedCapture(block.at, `interface ${id} was not declared`);
  return found;
};

/** One block. Invariant: it lies wholly in the file, and both its lengths agree. Offsets are from its start. */
class Block {
  readonly view: DataView;
  readonly at: number;
  readonly little: boolean;
  readonly type: number;
  readonly length: number;

  constructor(view: DataView, at: number, little: boolean) {
    this.view = view;
    this.at = at;
    this.little = little;
    this.type = view.getUint32(at, little);
    this.length = view.getUint32(at + 4, little);
    const { length } = this;
    if (length < 12 || length % 4 !== 0 || length > LONGEST_BLOCK)
      throw new MalformedCapture(at, `a length of ${length} bytes cannot be`);
    if (length > view.byteLength - at) throw new MalformedCapture(at, "the file ends inside a block");
    if (view.getUint32(at + length - 4, little) !== length)
      throw new MalformedCapture(at, "its two lengths do not agree");
  }

  need(length: number, what: string): void {
    if (this.length < length) throw new MalformedCapture(this.at, `too short for a ${what}`);
  }
  u16(offset: number): number {
    return this.view.getUint16(this.at + offset, this.little);
  }
  u32(offset: number): number {
    return this.view.getUint32(this.at + offset, this.little);
  }
  slice(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.at + offset, length);
  }
  /** The options from `offset` on: code, where the value lies, its length. */
  *options(offset: number): Generator<readonly [code: number, at: number, length: number]> {
    for (let at = offset; at < this.length - 4;) {
      if (at + 4 > this.length - 4) throw new MalformedCapture(this.at, "an option is cut short");
      const code = this.u16(at);
      const length = this.u16(at + 2);
      if (code === Option.end) return;
      if (at + 4 + length > this.length - 4) throw new MalformedCapture(this.at, `option ${code} does not fit into it`);
      yield [code, at + 4, length];
      at += 4 + Math.ceil(length / 4) * 4;
    }
  }
}
