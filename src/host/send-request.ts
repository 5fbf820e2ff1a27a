/**
 * Checks the virtio header of a frame from the host against the frame, and translates it to `Send` bits
 * (`kit/link.ts`).
 */
import { type Offloads, Send } from "#kit/link.ts";
import {
  dissect,
  DISSECTION_WORDS,
  ETHER_TYPE,
  Layer,
  NETWORK_LENGTH,
  PAYLOAD,
  PAYLOAD_LENGTH,
  PROTOCOL,
  TRAITS,
  TRANSPORT,
} from "#wire/dissect.ts";
import { ETHERNET_BYTES, EtherType, MIN_FRAME } from "#wire/ethernet.ts";
import { Protocol } from "#wire/ipv4.ts";
import { IPV6_BYTES } from "#wire/ipv6.ts";
import { CHECKSUM as TCP_CHECKSUM } from "#wire/tcp.ts";
import { CHECKSUM as UDP_CHECKSUM } from "#wire/udp.ts";
import { Gso, NEEDS_CHECKSUM, type VnetHeader } from "./vnet-header.ts";

/** Results of `translate` other than `Send` bits: the NIC does not support the offload, so software must do it. */
export const CHECKSUM_IN_SOFTWARE = -1;
export const SEGMENT_IN_SOFTWARE = -2;
/** Result of `translate`: the request does not match the frame. */
export const INVALID = -3;

/** The `Offloads` of a NIC that has none. */
export const NO_OFFLOADS: Offloads = {
  checksum: false,
  segmentation: false,
  ipv6: false,
  superFrameBytes: 0,
  segments: 0,
  refuses: undefined,
};

/**
 * Largest offsets of the transport header. The second descriptor format has 7 bits for the offset with segmentation and
 * 10 with checksums; the first format has no such field.
 */
const MAX_SEGMENT_OFFSET = 0x7f;
const MAX_CHECKSUM_OFFSET = Send.transportOffset >>> Send.transportOffsetShift;

/** Each sender needs an instance of its own, because an instance stores the dissection of the last frame. */
export class SendRequest {
  /** The headers that `dissect` found in the last frame whose virtio header requests an offload. */
  readonly parts = new Int32Array(DISSECTION_WORDS);
  readonly #offloads: Offloads;

  constructor(offloads: Offloads) {
    this.#offloads = offloads;
  }

  /**
   * Translates the virtio header of the frame of `length` bytes at `frame`. Returns `Send` bits (0 if there is nothing
   * to do), or one of the negative results.
   * @param shift number of bytes (of a tag) that were removed before the network header, but are still included in the
   * header's offsets
   */
  translate(header: VnetHeader, bytes: Uint8Array, frame: number, length: number, shift: number): number {
    const segment = header.gso !== Gso.none;
    // A forwarded super-frame may have a complete checksum (DATA_VALID, or no flag), but each of its segments needs
    // a checksum of its own.
    const summed = (header.flags & NEEDS_CHECKSUM) === 0;
    if (summed && !segment) return 0;
    const start = header.checksumStart - shift;
    if (!summed && (start < ETHERNET_BYTES || start + header.checksumOffset + 2 > length)) return INVALID;
    const layer = dissect(bytes, frame, length, this.parts);
    const there = layer === Layer.transport && (summed || this.parts[TRANSPORT] === start);
    const transport = there ? this.#transport(summed ? TCP_CHECKSUM : header.checksumOffset) : 0;
    // A frame that fits into one segment is not segmented, even if the header requests it. Linux ignores the request
    // too.
    const fits = transport !== 0 && length - this.parts[PAYLOAD]! <= header.segmentBytes;
    const request =
      segment && !fits
        ? this.#segmentation(header, length, transport, summed)
        : summed
          ? 0
          : this.#checksum(length, transport);
    if (request <= 0 || this.#offloads.refuses?.(bytes, frame, length, request) !== true) return request;
    return (request & Send.segmentSize) === 0 ? CHECKSUM_IN_SOFTWARE : SEGMENT_IN_SOFTWARE;
  }

  /** `Send` bits for the dissected frame's protocol if its checksum field is at `field`; otherwise 0. */
  #transport(field: number): number {
    const family = this.parts[ETHER_TYPE] === EtherType.ipv6 ? Send.ipv6 : 0;
    if (this.parts[PROTOCOL] === Protocol.tcp && field === TCP_CHECKSUM) return family | Send.tcpChecksum;
    if (this.parts[PROTOCOL] === Protocol.udp && field === UDP_CHECKSUM) return family | Send.udpChecksum;
    return 0;
  }

  /**
   * True if the NIC finds the same headers in the dissected frame as this code: there is no tag in it, and there are no
   * extension headers.
   */
  #isPlain(): boolean {
    const parts = this.parts;
    return parts[TRAITS] === 0 && (parts[ETHER_TYPE] !== EtherType.ipv6 || parts[NETWORK_LENGTH] === IPV6_BYTES);
  }

  /**
   * True if the NIC's offloads apply to the headers of the dissected frame: they are plain, and not IPv6 if it lacks
   * that.
   */
  #offers(transport: number): boolean {
    return this.#isPlain() && ((transport & Send.ipv6) === 0 || this.#offloads.ipv6);
  }

  #checksum(length: number, transport: number): number {
    const start = this.parts[TRANSPORT]!;
    // The chips compute a wrong checksum for frames below 60 bytes, because they include the padding (Linux's r8169
    // checksums such frames in software).
    const supported = this.#offloads.checksum && length >= MIN_FRAME && start <= MAX_CHECKSUM_OFFSET;
    if (transport === 0 || !supported || !this.#offers(transport)) return CHECKSUM_IN_SOFTWARE;
    return transport | (start << Send.transportOffsetShift);
  }

  /** @param summed whether the frame's checksum is complete */
  #segmentation(header: VnetHeader, length: number, transport: number, summed: boolean): number {
    const type = header.gso & ~Gso.ecn;
    if (type !== Gso.tcp4 && type !== Gso.tcp6) return INVALID;
    if (transport !== (type === Gso.tcp6 ? Send.ipv6 | Send.tcpChecksum : Send.tcpChecksum)) return INVALID;
    const size = header.segmentBytes;
    const payload = this.parts[PAYLOAD_LENGTH]!;
    if (size === 0 || this.parts[PAYLOAD]! + payload !== length) return INVALID;
    const { segmentation, superFrameBytes, segments } = this.#offloads;
    // With ECN, only the first segment may have the TCP flag CWR. It is not known whether the chips ensure this, so
    // software segments these frames.
    const supported = segmentation && !summed && (header.gso & Gso.ecn) === 0 && this.#offers(transport);
    const fits = length <= superFrameBytes && payload <= segments * size && size <= Send.segmentSize;
    const start = this.parts[TRANSPORT]!;
    if (!supported || !fits || start > MAX_SEGMENT_OFFSET) return SEGMENT_IN_SOFTWARE;
    return transport | (start << Send.transportOffsetShift) | size;
  }
}
