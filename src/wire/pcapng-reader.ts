/** Reads pcapng capture files (draft-ietf-opsawg-pcapng). Errors in a file are reported with their offset. */
import { type CapturedPacket, ETHERNET_FCS, frameOf, MalformedCapture } from "./captured-packet.ts";
import { BYTE_ORDER_MAGIC, BlockType, Option } from "./pcapng.ts";

const MAX_INTERFACES = 4096;
const SWAPPED_MAGIC = 0x4d3c_2b1a;

/** Bits of a packet's flags: direction, bytes of FCS at its end (0 if unknown), and errors on the wire. */
const Flags = { direction: 3, fcsShift: 5, fcs: 15, damage: 0xff00_0000 } as const;

interface Interface {
  readonly name: string;
  readonly linkType: number;
  readonly fcsBytes: number;
  readonly snapLength: number;
  readonly unitsPerSecond: bigint;
  readonly secondsOffset: bigint;
}

interface Section {
  readonly little: boolean;
  readonly interfaces: Interface[];
}

/** Takes the place of an interface whose description is invalid, because later interfaces are numbered after it. */
const UNKNOWN_INTERFACE: Interface = {
  name: "",
  linkType: -1,
  fcsBytes: 0,
  snapLength: 0,
  unitsPerSecond: 1_000_000n,
  secondsOffset: 0n,
};

const throwIt = (fault: MalformedCapture): void => {
  throw fault;
};

/**
 * Yields the packets of a file in memory, in either byte order, with any number of sections; blocks of unknown types
 * are skipped.
 * @param skip called with the error of each block whose contents are invalid; reading then continues after that block
 * @throws {MalformedCapture} if the next block cannot be found; without `skip`, at the first invalid block
 */
export function* readPcapng(bytes: Uint8Array, skip = throwIt): Generator<CapturedPacket, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let section: Section | undefined;
  if (bytes.length === 0) throw new MalformedCapture(0, "the file is empty");
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 12) throw new MalformedCapture(at, "the file ends inside a block");
    if (view.getUint32(at, true) === BlockType.section) section = readSection(view, at);
    if (section === undefined)
      throw new MalformedCapture(at, "not a pcapng file: it does not start with a section header");
    const block = new Block(view, at, section.little);
    const packet = tried(section, block, skip);
    if (packet !== undefined) yield packet;
    at += block.length;
  }
}

const tried = (section: Section, block: Block, skip: (fault: MalformedCapture) => void): CapturedPacket | undefined => {
  try {
    return readBlock(section, block);
  } catch (error) {
    if (!(error instanceof MalformedCapture)) throw error;
    skip(error);
    return undefined;
  }
};

const readBlock = (section: Section, block: Block): CapturedPacket | undefined => {
  switch (block.type) {
    case BlockType.interface:
      declare(section, block);
      return undefined;
    case BlockType.packet:
      return timedPacket(section, block, block.u32(8));
    case BlockType.obsoletePacket:
      return timedPacket(section, block, block.u16(8));
    case BlockType.simplePacket:
      return simplePacket(section, block);
    default:
      return undefined;
  }
};

const readSection = (view: DataView, at: number): Section => {
  const magic = view.getUint32(at + 8, true);
  if (magic !== BYTE_ORDER_MAGIC && magic !== SWAPPED_MAGIC) throw new MalformedCapture(at, "no byte-order magic");
  const little = magic === BYTE_ORDER_MAGIC;
  const block = new Block(view, at, little);
  block.need(28, "a section header");
  const major = block.u16(12);
  if (major !== 1) throw new MalformedCapture(at, `version ${major} is not supported, only version 1 is`);
  return { little, interfaces: [] };
};

const declare = (section: Section, block: Block): void => {
  if (section.interfaces.length >= MAX_INTERFACES)
    throw new MalformedCapture(block.at, `the section declares more than ${MAX_INTERFACES} interfaces`);
  const id = section.interfaces.push(UNKNOWN_INTERFACE) - 1;
  block.need(20, "an interface description");
  let name = "";
  let fcsBytes = 0;
  let unitsPerSecond = 1_000_000n;
  let secondsOffset = 0n;
  for (const [code, at, length] of block.options(16)) {
    if (code === Option.name) name = new TextDecoder().decode(block.slice(at, length));
    if (code === Option.resolution && length === 1) unitsPerSecond = resolution(block.u8(at));
    if (code === Option.fcsLength && length === 1) fcsBytes = fcsLength(block.u8(at));
    if (code === Option.timeOffset && length === 8) secondsOffset = block.view.getBigInt64(block.at + at, block.little);
  }
  const [linkType, snapLength] = [block.u16(8), block.u32(12)];
  section.interfaces[id] = { name, linkType, fcsBytes, snapLength, unitsPerSecond, secondsOffset };
};

/** Some drafts of the format define the length of the FCS in bits, others in bytes: Ethernet's is 32 or 4. */
const fcsLength = (value: number): number => Math.min(value >= 8 ? value >> 3 : value, ETHERNET_FCS);

/** Units per second: a power of ten if bit 7 is clear, a power of two if it is set. */
const resolution = (value: number): bigint => ((value & 0x80) === 0 ? 10n : 2n) ** BigInt(value & 0x7f);

/**
 * Reads an enhanced packet, or an obsolete one. They differ in the width of the interface number, which the caller has
 * read.
 */
const timedPacket = (section: Section, block: Block, interfaceId: number): CapturedPacket => {
  block.need(32, "a packet");
  const from = interfaceOf(section, block, interfaceId);
  const captured = block.u32(20);
  const padded = Math.ceil(captured / 4) * 4;
  if (padded > block.length - 32)
    throw new MalformedCapture(block.at, `the ${captured} bytes of the packet do not fit into the block`);
  const units = BigInt(block.u32(12)) * 4_294_967_296n + BigInt(block.u32(16));
  let flags = 0;
  for (const [code, at, length] of block.options(28 + padded))
    if (code === Option.packetFlags && length === 4) flags = block.u32(at);
  const fcsBytes = (flags >>> Flags.fcsShift) & Flags.fcs || from.fcsBytes;
  return {
    interfaceId,
    interfaceName: from.name,
    linkType: from.linkType,
    direction: flags & Flags.direction,
    damaged: (flags & Flags.damage) !== 0,
    timed: true,
    seconds: Number(units / from.unitsPerSecond + from.secondsOffset),
    nanoseconds: Number(((units % from.unitsPerSecond) * 1_000_000_000n) / from.unitsPerSecond),
    ...frameOf(block.slice(28, captured), block.u32(24), fcsBytes),
  };
};

/** A simple packet belongs to interface 0. Its block states the original length, but not the captured length. */
const simplePacket = (section: Section, block: Block): CapturedPacket => {
  block.need(16, "a simple packet");
  const from = interfaceOf(section, block, 0);
  const original = block.u32(8);
  const captured = Math.min(original, from.snapLength === 0 ? original : from.snapLength);
  if (captured > block.length - 16)
    throw new MalformedCapture(block.at, `the ${captured} bytes of the packet do not fit into the block`);
  return {
    interfaceId: 0,
    interfaceName: from.name,
    linkType: from.linkType,
    direction: 0,
    damaged: false,
    timed: false,
    seconds: 0,
    nanoseconds: 0,
    ...frameOf(block.slice(12, captured), original, from.fcsBytes),
  };
};

const interfaceOf = (section: Section, block: Block, id: number): Interface => {
  const found = section.interfaces[id];
  if (found === undefined) throw new MalformedCapture(block.at, `interface ${id} was not declared`);
  return found;
};

/**
 * One block. Invariant: the whole block is in the file, and its two lengths agree. Offsets are from the block's start.
 */
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
    if (length < 12 || length % 4 !== 0)
      throw new MalformedCapture(at, `the block has an invalid length of ${length} bytes`);
    if (length > view.byteLength - at) throw new MalformedCapture(at, "the file ends inside a block");
    if (view.getUint32(at + length - 4, little) !== length)
      throw new MalformedCapture(at, "the block's two lengths do not agree");
  }

  need(length: number, what: string): void {
    if (this.length < length) throw new MalformedCapture(this.at, `the block is too short for ${what}`);
  }
  u8(offset: number): number {
    return this.view.getUint8(this.at + offset);
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
  /** Yields the code, the offset of the value and the length of the value for each option from `offset` on. */
  *options(offset: number): Generator<readonly [code: number, at: number, length: number]> {
    for (let at = offset; at < this.length - 4;) {
      if (at + 4 > this.length - 4) throw new MalformedCapture(this.at, "an option is incomplete");
      const code = this.u16(at);
      const length = this.u16(at + 2);
      if (code === Option.end) return;
      if (at + 4 + length > this.length - 4)
        throw new MalformedCapture(this.at, `option ${code} does not fit into the block`);
      yield [code, at + 4, length];
      at += 4 + Math.ceil(length / 4) * 4;
    }
  }
}
