/** Reads capture files of the older format (pcap, draft-ietf-opsawg-pcap), and detects the format of a file. */
import { type CapturedPacket, ETHERNET_FCS, frameOf, MalformedCapture } from "./captured-packet.ts";
import { BlockType, Direction } from "./pcapng.ts";
import { readPcapng } from "./pcapng-reader.ts";

const Magic = { micros: 0xa1b2_c3d4, nanos: 0xa1b2_3c4d, modified: 0xa1b2_cd34 } as const;
const MAGICS: readonly number[] = Object.values(Magic);
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
/**
 * Length in bytes of a packet's header in "modified pcap" (Kuznetsov's patch for Linux), which adds interface, protocol
 * and packet type.
 */
const LONGER_HEADER = 24;
const PACKET_TYPE = 22;
/** PACKET_OUTGOING of packet(7). */
const OUTGOING = 4;
/** Largest number of captured bytes of a packet, as in libpcap (MAXIMUM_SNAPLEN). */
const MAX_PACKET = 262_144;
/**
 * Parts of the link-type word: the type; a flag that says whether the word contains the length of the FCS; and that
 * length, in units of 16 bits.
 */
const LinkType = { type: 0x03ff_ffff, fcsPresent: 1 << 26, fcsShift: 28 } as const;
/**
 * A fraction of a second from `NO_MICROS` to below `NO_NANOS` must be in nanoseconds. A fraction that is only slightly
 * above a million is in microseconds, with a rounding error.
 */
const NO_MICROS = 2_000_000;
const NO_NANOS = 1_000_000_000;

interface FileHeader {
  readonly view: DataView;
  readonly little: boolean;
  readonly magic: number;
  readonly packetHeader: number;
  readonly linkType: number;
  readonly fcsBytes: number;
}

const readHeader = (view: DataView): FileHeader => {
  if (view.byteLength < FILE_HEADER) throw new MalformedCapture(0, "the file ends inside its header");
  const little = isMagic(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (!isMagic(magic)) throw new MalformedCapture(0, "not a pcap file: wrong magic number");
  const major = view.getUint16(4, little);
  if (major !== 2) throw new MalformedCapture(0, `version ${major} is not supported, only version 2 is`);
  const word = view.getUint32(20, little);
  const linkType = word & LinkType.type;
  // Some programs give the length in bytes, not 16-bit units; the limit makes both lead to Ethernet's 4 bytes.
  const fcsBytes = (word & LinkType.fcsPresent) === 0 ? 0 : Math.min(2 * (word >>> LinkType.fcsShift), ETHERNET_FCS);
  return {
    view,
    little,
    magic,
    packetHeader: magic === Magic.modified ? LONGER_HEADER : PACKET_HEADER,
    linkType,
    fcsBytes,
  };
};

/** Offset of the end of the packet at `at`. @throws {MalformedCapture} */
const endOf = ({ view, little, packetHeader }: FileHeader, at: number): number => {
  const rest = view.byteLength - at;
  if (rest < packetHeader) throw new MalformedCapture(at, "the file ends inside a packet's header");
  const captured = view.getUint32(at + 8, little);
  if (captured > MAX_PACKET) throw new MalformedCapture(at, `a packet of ${captured} bytes exceeds the limit`);
  if (captured > rest - packetHeader) throw new MalformedCapture(at, "the file ends inside a packet");
  return at + packetHeader + captured;
};

/**
 * Whether fractions of a second are nanoseconds. Some programs write nanoseconds although the magic number says
 * microseconds.
 */
const holdsNanos = (file: FileHeader): boolean => {
  const { view, little, magic } = file;
  if (magic === Magic.nanos) return true;
  try {
    for (let at = FILE_HEADER; at < view.byteLength; at = endOf(file, at)) {
      if (at + 8 > view.byteLength) return false;
      const fraction = view.getUint32(at + 4, little);
      if (fraction >= NO_MICROS && fraction < NO_NANOS) return true;
    }
  } catch (error) {
    if (!(error instanceof MalformedCapture)) throw error;
  }
  return false;
};

/**
 * Yields the packets of a file in memory, in either byte order and resolution.
 * @throws {MalformedCapture} at the first invalid packet; the packets before it are yielded first
 */
export function* readPcap(bytes: Uint8Array): Generator<CapturedPacket, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file = readHeader(view);
  const { little, magic, packetHeader, linkType, fcsBytes } = file;
  const perUnit = holdsNanos(file) ? 1 : 1000;
  for (let at = FILE_HEADER, end = at; at < bytes.length; at = end) {
    end = endOf(file, at);
    const outgoing = magic === Magic.modified && view.getUint8(at + PACKET_TYPE) === OUTGOING;
    yield {
      interfaceId: 0,
      interfaceName: "",
      linkType,
      direction: outgoing ? Direction.outbound : Direction.unknown,
      damaged: false,
      timed: true,
      seconds: view.getUint32(at, little),
      nanoseconds: view.getUint32(at + 4, little) * perUnit,
      ...frameOf(bytes.subarray(at + packetHeader, end), view.getUint32(at + 12, little), fcsBytes),
    };
  }
}

const isMagic = (value: number): boolean => MAGICS.includes(value);

/**
 * Reads a file of either format by `readPcap` or `readPcapng`.
 * @param skip as for `readPcapng`; not used for the older format
 * @throws {MalformedCapture}
 */
export const readCapture = (
  bytes: Uint8Array,
  skip?: (fault: MalformedCapture) => void,
): Generator<CapturedPacket, void, undefined> => {
  const first = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const older = isMagic(first) || (bytes.length >= 4 && isMagic(swapped(first)));
  // The section block's type is the same in both byte orders.
  return first === BlockType.section || !older ? readPcapng(bytes, skip) : readPcap(bytes);
};

const swapped = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
