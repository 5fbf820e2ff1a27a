/**
 * Builds the responder's replies to ARP requests, neighbour solicitations, pings and UDP requests, each in place of its
 * request.
 */
import * as answer from "#wire/answer.ts";
import { ArpOperation, isArp, OPERATION, TARGET_IP } from "#wire/arp.ts";
import { get16, get32, put16 } from "#wire/bigendian.ts";
import { BulkServer } from "#wire/bulk.ts";
import { intact, sum } from "#wire/checksum.ts";
import * as d from "#wire/dissect.ts";
import { DESTINATION, EtherType, SOURCE } from "#wire/ethernet.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "#wire/fill.ts";
import { Icmpv6Type, IcmpType, NEIGHBOUR_BYTES, NEIGHBOUR_TARGET } from "#wire/icmp.ts";
import * as ipv4 from "#wire/ipv4.ts";
import * as ipv6 from "#wire/ipv6.ts";
import { isGroup, MAC_BYTES } from "#wire/mac.ts";
import { type Memory, same } from "#wire/memory.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import * as udp from "#wire/udp.ts";
import { Verified, verifyDissected } from "#wire/verify.ts";

/** Addresses and UDP ports of the responder. */
export interface Identity {
  readonly mac: Uint8Array;
  readonly ipv4: number;
  readonly ipv6: Uint8Array;
  readonly echoPorts: readonly number[];
  readonly bulkPort: number;
}

/** Number of answered requests by kind, and number of frames without a reply by reason. */
export interface AnswerCounts {
  arp: number;
  ping: number;
  neighbour: number;
  echo: number;
  bulk: number;
  /**
   * Other frames without a reply, such as those that are not addressed to the responder or have an unsupported type.
   */
  ignored: number;
  /** Requests to the responder with a wrong checksum. */
  damaged: number;
}

const FIRST_GROUP_IPV4 = 0xe000_0000;
const NEIGHBOUR_HOPS = 255;

/** Replies to one frame at a time. There is no neighbour table: a reply goes to the sender of the request. */
export class Answerer {
  readonly bulk = new BulkServer();
  readonly #counts: AnswerCounts;
  readonly #memory: Memory;
  readonly #bytes: Uint8Array;
  readonly #identity: Identity;
  /** Maximum length of a reply in bytes. */
  readonly #room: number;
  readonly #parts = new Int32Array(d.DISSECTION_WORDS);

  /** @param room maximum length of a reply's frame in bytes, at least 128 */
  constructor(memory: Memory, room: number, identity: Identity, counts: AnswerCounts) {
    this.#memory = memory;
    this.#bytes = memory.bytes;
    this.#room = room;
    this.#identity = identity;
    this.#counts = counts;
  }

  /**
   * Replies to the frame of `length` bytes at `frame` in place; returns the reply's length, or 0 if there is no reply.
   */
  answer(frame: number, length: number): number {
    const bytes = this.#bytes;
    const damaged = this.#counts.damaged;
    const layer = d.dissect(bytes, frame, length, this.#parts);
    let answered = 0;
    if (layer !== d.Layer.none && !isGroup(bytes, frame + SOURCE) && this.#isForUs(frame)) {
      const etherType = this.#parts[d.ETHER_TYPE];
      if (etherType === EtherType.arp) answered = this.#answerArp(frame, length);
      else if (layer === d.Layer.transport)
        answered = etherType === EtherType.ipv4 ? this.#answerIpv4(frame, length) : this.#answerIpv6(frame, length);
    }
    if (answered === 0 && this.#counts.damaged === damaged) this.#counts.ignored++;
    return answered;
  }

  #isForUs(frame: number): boolean {
    return (
      isGroup(this.#bytes, frame + DESTINATION) || same(this.#bytes, frame + DESTINATION, this.#identity.mac, MAC_BYTES)
    );
  }

  #answerArp(frame: number, length: number): number {
    const bytes = this.#bytes;
    const at = frame + this.#parts[d.NETWORK]!;
    if (!isArp(bytes, at, frame + length) || get16(bytes, at + OPERATION) !== ArpOperation.request) return 0;
    if (get32(bytes, at + TARGET_IP) !== this.#identity.ipv4) return 0;
    this.#counts.arp++;
    answer.reverseEthernet(bytes, frame, this.#identity.mac);
    answer.answerArp(bytes, at, this.#identity.mac, this.#identity.ipv4);
    return length;
  }

  #answerIpv4(frame: number, length: number): number {
    const bytes = this.#bytes;
    const network = frame + this.#parts[d.NETWORK]!;
    const transport = frame + this.#parts[d.TRANSPORT]!;
    const source = get32(bytes, network + ipv4.SOURCE);
    if (get32(bytes, network + ipv4.DESTINATION) !== this.#identity.ipv4 || source === 0 || source >= FIRST_GROUP_IPV4)
      return 0;
    const protocol = this.#parts[d.PROTOCOL];
    let answered = 0;
    if (protocol === ipv4.Protocol.udp) answered = this.#answerUdp(frame, length);
    else if (protocol === ipv4.Protocol.icmp && bytes[transport] === IcmpType.echoRequest) {
      const size = this.#transportLength();
      if (!this.#undamaged(frame, intact(sum(this.#memory, transport, size)))) return 0;
      this.#counts.ping++;
      answer.answerPing(this.#memory, transport, size);
      answered = length;
    }
    if (answered === 0) return 0;
    answer.reverseEthernet(bytes, frame, this.#identity.mac);
    answer.reverseIpv4(bytes, network);
    fillIpv4Checksum(this.#memory, network, frame + answered);
    return answered;
  }

  #answerIpv6(frame: number, length: number): number {
    const bytes = this.#bytes;
    const network = frame + this.#parts[d.NETWORK]!;
    const transport = frame + this.#parts[d.TRANSPORT]!;
    if (bytes[network + ipv6.SOURCE] === 0xff) return 0;
    const icmp = this.#parts[d.PROTOCOL] === ipv4.Protocol.icmpv6;
    if (icmp && bytes[transport] === Icmpv6Type.neighbourSolicitation) return this.#answerSolicitation(frame);
    if (!same(bytes, network + ipv6.DESTINATION, this.#identity.ipv6, ipv6.ADDRESS_BYTES)) return 0;
    const echo = icmp && bytes[transport] === Icmpv6Type.echoRequest;
    if (echo && !this.#undamaged(frame, this.#icmpv6Intact(frame))) return 0;
    const udpAnswer = this.#parts[d.PROTOCOL] === ipv4.Protocol.udp ? this.#answerUdp(frame, length) : 0;
    if (!echo && udpAnswer === 0) return 0;
    answer.reverseEthernet(bytes, frame, this.#identity.mac);
    answer.reverseIpv6(bytes, network);
    if (!echo) return udpAnswer;
    this.#counts.ping++;
    answer.answerPing6(this.#memory, network, transport, frame + length);
    return length;
  }

  #answerSolicitation(frame: number): number {
    const bytes = this.#bytes;
    const network = frame + this.#parts[d.NETWORK]!;
    const at = network + ipv6.IPV6_BYTES;
    const plain = this.#parts[d.NETWORK_LENGTH] === ipv6.IPV6_BYTES && this.#transportLength() >= NEIGHBOUR_BYTES;
    if (!plain || bytes[network + ipv6.HOP_LIMIT] !== NEIGHBOUR_HOPS) return 0;
    if (!same(bytes, at + NEIGHBOUR_TARGET, this.#identity.ipv6, ipv6.ADDRESS_BYTES)) return 0;
    if (!this.#undamaged(frame, this.#icmpv6Intact(frame))) return 0;
    this.#counts.neighbour++;
    return answer.answerSolicitation(this.#memory, frame, network, this.#identity.mac, this.#identity.ipv6);
  }

  /**
   * Builds the reply to a datagram, except for the Ethernet and IP addresses, which the caller sets. A reply of the
   * bulk stream also gets new lengths and a checksum.
   */
  #answerUdp(frame: number, length: number): number {
    const bytes = this.#bytes;
    const transport = frame + this.#parts[d.TRANSPORT]!;
    const port = get16(bytes, transport + udp.DESTINATION_PORT);
    const from = get16(bytes, transport + udp.SOURCE_PORT);
    // Two echo services that reply to each other would never stop (CERT CA-1996-01), so a datagram from a served port
    // or from port 0 gets no reply.
    if (!this.#serves(port) || this.#serves(from) || from === 0) return 0;
    if (!this.#undamaged(frame, true)) return 0;
    const answered = port === this.#identity.bulkPort ? this.#answerBulk(frame) : length;
    if (answered > 0) answer.reverseUdp(bytes, transport);
    if (answered > 0) this.#counts[port === this.#identity.bulkPort ? "bulk" : "echo"]++;
    return answered;
  }

  #answerBulk(frame: number): number {
    const bytes = this.#bytes;
    const payload = this.#parts[d.PAYLOAD]!;
    const network = frame + this.#parts[d.NETWORK]!;
    const transport = frame + this.#parts[d.TRANSPORT]!;
    const given = this.bulk.answer(bytes, frame + payload, this.#parts[d.PAYLOAD_LENGTH]!, this.#room - payload);
    if (given === 0) return 0;
    const end = frame + payload + given;
    put16(bytes, transport + udp.LENGTH, end - transport);
    if (this.#parts[d.ETHER_TYPE] === EtherType.ipv4) put16(bytes, network + ipv4.TOTAL_LENGTH, end - network);
    else put16(bytes, network + ipv6.PAYLOAD_LENGTH, end - network - ipv6.IPV6_BYTES);
    // The checksum is computed before addresses and ports are swapped; the swap does not change the checksum.
    fillTransportChecksum(this.#memory, network, transport, end, ipv4.Protocol.udp);
    return end - frame;
  }

  #serves(port: number): boolean {
    return port === this.#identity.bulkPort || this.#identity.echoPorts.includes(port);
  }

  #transportLength(): number {
    return this.#parts[d.PAYLOAD]! + this.#parts[d.PAYLOAD_LENGTH]! - this.#parts[d.TRANSPORT]!;
  }

  #icmpv6Intact(frame: number): boolean {
    const length = this.#transportLength();
    const pseudo = pseudoHeaderSum(this.#memory, frame + this.#parts[d.NETWORK]!, ipv4.Protocol.icmpv6, length);
    return intact(pseudo + sum(this.#memory, frame + this.#parts[d.TRANSPORT]!, length));
  }

  /**
   * Returns true if the checksums of the IP header and of UDP are correct and `icmpGood` is true. Otherwise counts the
   * frame as damaged.
   */
  #undamaged(frame: number, icmpGood: boolean): boolean {
    const found = verifyDissected(this.#memory, frame, d.Layer.transport, this.#parts);
    const good =
      (found & Verified.ipGood) !== 0 && ((found & Verified.udp) === 0 || (found & Verified.transportGood) !== 0);
    if (!good || !icmpGood) this.#counts.damaged++;
    return good && icmpGood;
  }
}
