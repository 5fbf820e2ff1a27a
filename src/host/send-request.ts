/** Checks the virtio header of a frame from the host against the frame, and translates it to the `Send` bits of `kit/link.ts`. */
import { Send } from "#kit/link.ts";
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
import { ETHERNET_BYTES, EtherType, SHORTEST_FRAME } from "#wire/ethernet.ts";
import { Protocol } from "#wire/ipv4.ts";
import { IPV6_BYTES } from "#wire/ipv6.ts";
import { CHECKSUM as TCP_CHECKSUM } from "#wire/tcp.ts";
import { CHECKSUM as UDP_CHECKSUM } from "#wire/udp.ts";
import { Gso, NEEDS_CHECKSUM, type VnetHeader } from "./vnet-header.ts";

/** Results of `translate` that are not `Send` bits: the NIC cannot do what is asked, so software does. */
export const SUM_IN_SOFTWARE = -1;
export const CUT_IN_SOFTWARE = -2;
/** What is asked does not fit the frame. */
export const NONSENSE = -3;

/** Longest frame the chips cut (Linux's r8169 sets this limit), and furthest TCP header: the descriptor has 7 bits. */
export const LONGEST_SUPER_FRAME = 64_000;
const FURTHEST_CUT = 0x7f;
const FURTHEST_SUM = Send.transportOffset >>> Send.transportOffsetShift;

/** One per sender: it remembers where the parts of the last frame were. */
export class SendRequest {
  /** What `dissect` found in the last frame that asked for anything. */
  readonly parts = new Int32Array(DISSECTION_WORDS);

  /**
   * Translates the header of the frame of `length` bytes at `frame`. Returns `Send` bits, or one of the negative results.
   * @param shift bytes by which the frame has become shorter in front of its network header since the kernel described it
   * @param offloads the NIC can sum and cut at present (with jumbo frames it cannot, as Linux's r8169 has it)
   * @param overIpv6 it can do so over IPv6 too
   */
  translate(
    header: VnetHeader,
    bytes: Uint8Array,
    frame: number,
    length: number,
    shift: number,
    offloads: boolean,
    overIpv6 = offloads,
  ): number {
    const cut = header.gso !== Gso.none;
    // A forwarded frame may have its checksum already (DATA_VALID, or no flag): each segment still needs its own.
    const summed = (header.flags & NEEDS_CHECKSUM) === 0;
    if (summed && !cut) return 0;
    const start = header.checksumStart - shift;
    if (!summed && (start < ETHERNET_BYTES || start + header.checksumOffset + 2 > length)) return NONSENSE;
    const layer = dissect(bytes, frame, length, this.parts);
    const there = layer === Layer.transport && (summed || this.parts[TRANSPORT] === start);
    const transport = there ? this.#transport(summed ? TCP_CHECKSUM : header.checksumOffset) : 0;
    const offered = (transport & Send.ipv6) === 0 ? offloads : overIpv6;
    // What fits into one segment is not cut, whatever the header says. Linux ignores the request as well.
    const fits = transport !== 0 && length - this.parts[PAYLOAD]! <= header.segmentBytes;
    if (cut && !fits) return this.#cut(header, length, transport, offered && !summed);
    if (summed) return 0;
    // The chips get the checksum of frames below 60 bytes wrong: they sum the padding (Linux's r8169 sums these itself).
    const able = offered && this.#isPlain() && length >= SHORTEST_FRAME && start <= FURTHEST_SUM;
    return transport !== 0 && able ? transport | (start << Send.transportOffsetShift) : SUM_IN_SOFTWARE;
  }

  /** `Send` bits of the dissected frame's protocol if that keeps its checksum at `field`; otherwise 0. */
  #transport(field: number): number {
    const family = this.parts[ETHER_TYPE] === EtherType.ipv6 ? Send.ipv6 : 0;
    if (this.parts[PROTOCOL] === Protocol.tcp && field === TCP_CHECKSUM) return family | Send.tcpChecksum;
    if (this.parts[PROTOCOL] === Protocol.udp && field === UDP_CHECKSUM) return family | Send.udpChecksum;
    return 0;
  }

  /** Whether the NIC takes the dissected frame apart as we do: no tag left in it, and no extension headers. */
  #isPlain(): boolean {
    const parts = this.parts;
    return parts[TRAITS] === 0 && (parts[ETHER_TYPE] !== EtherType.ipv6 || parts[NETWORK_LENGTH] === IPV6_BYTES);
  }

  #cut(header: VnetHeader, length: number, transport: number, offloads: boolean): number {
    const type = header.gso & ~Gso.ecn;
    if (type !== Gso.tcp4 && type !== Gso.tcp6) return NONSENSE;
    if (transport !== (type === Gso.tcp6 ? Send.ipv6 | Send.tcpChecksum : Send.tcpChecksum)) return NONSENSE;
    const size = header.segmentBytes;
    const payload = this.parts[PAYLOAD_LENGTH]!;
    if (size === 0 || this.parts[PAYLOAD]! + payload !== length) return NONSENSE;
    const start = this.parts[TRANSPORT]!;
    // Whether the chips leave CWR to the first segment is not known, so they are not asked to.
    const able = offloads && this.#isPlain() && (header.gso & Gso.ecn) === 0 && length <= LONGEST_SUPER_FRAME;
    if (!able || start > FURTHEST_CUT || size > Send.segmentSize) return CUT_IN_SOFTWARE;
    return transport | (start << Send.transportOffsetShift) | size;
  }
}
