/** Capture files of the older form (pcap): reading strictly, as `pcapng-reader.ts` does; and telling which form a file has. */
import { BlockType, LINKTYPE_ETHERNET } from "./pcapng.ts";
import { type CapturedPacket, MalformedCapture, readPcapng } from "./pcapng-reader.ts";

const MICROS = 0xa1b2_c3d4;
const NANOS = 0xa1b2_3c4d;
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
/** What libpcap refuses as well (MAXIMUM_SNAPLEN). */
const LONGEST = 262_144;

/**
 * Goes through the packets of a file held in memory, in both byte orders and both resolutions.
 * @throws {MalformedCapture} at the packet that is wrong, after those before it
 */
export function* readPcap(bytes: Uint8Array): Generator<CapturedPacket, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER) throw new MalformedCapture(0, "the file ends inside its header");
  const little = isMagic(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (!isMagic(magic)) throw new MalformedCapture(0, "not a pcap file: it has no magic number");
  const major = view.getUint16(4, little);
  if (major !== 2) throw new MalformedCapture(0, `version ${major}, and only version 2 is known`);
  // Its upper bits say something about the FCS (draft-ietf-opsawg-pcap).
  const linkType = view.getUint32(20, little) & 0xffff;
  if (linkType !== LINKTYPE_ETHERNET) throw new MalformedCapture(0, `link type ${linkType} is not Ethernet`);
  for (let at = FILE_HEADER; at < bytes.length;) {
    if (bytes.length - at < PACKET_HEADER) throw new MalformedCapture(at, "the file ends inside a packet's header");
    const captured = view.getUint32(at + 8, little);
    if (captured > LONGEST) throw new MalformedCapture(at, `a packet of ${captured} bytes cannot be`);
    const data = at + PACKET_HEADER;
    if (captured > bytes.length - data) throw new MalformedCapture(at, "the file ends inside a packet");
    const fraction = view.getUint32(at + 4, little);
    yield {
      interfaceId: 0,
      interfaceName: "",
      direction: 0,
      seconds: view.getUint32(at, little),
      nanoseconds: magic === NANOS ? fraction : fraction * 1000,
      originalLength: view.getUint32(at + 12, little),
      bytes: bytes.subarray(data, data + captured),
    };
    at = data + captured;
  }
}

const isMagic = (value: number): boolean => value === MICROS || value === NANOS;

/** Reads either form. @throws {MalformedCapture} */
export const readCapture = (bytes: Uint8Array): Generator<CapturedPacket, void, undefined> => {
  const first = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const older = isMagic(first) || (bytes.length >= 4 && isMagic(swapped(first)));
  // The section block's type is the same in both byte orders.
  return first === BlockType.section || !older ? readPcapng(bytes) : readPcap(bytes);
};

const swapped = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
