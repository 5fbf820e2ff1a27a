/**
 * A host without a network stack. It resolves its neighbour's address, sends pings, and runs the checked stream of
 * `wire/bulk.ts`.
 */
import { createHash, type Hash } from "node:crypto";
import { RESPONDER_IPV4 } from "#host/responder.ts";
import { Received, Send } from "#kit/link.ts";
import { ARP_BYTES, ArpOperation, buildArp, isArp, OPERATION, SENDER_IP, SENDER_MAC } from "#wire/arp.ts";
import { get16, get32, put16 } from "#wire/bigendian.ts";
import { BULK_HEADER_BYTES, BULK_PORT, buildBulkRequest, EXPECTED, isBulkAnswer, SEQUENCE } from "#wire/bulk.ts";
import { fold, intact, sum } from "#wire/checksum.ts";
import { buildEthernet, ETHERNET_BYTES, EtherType, TYPE } from "#wire/ethernet.ts";
import { fillIpv4Checksum } from "#wire/fill.ts";
import { buildEchoFrame, buildNetwork } from "#wire/frames.ts";
import { ICMP_BYTES, IcmpType, SEQUENCE as ICMP_SEQUENCE, TYPE as ICMP_TYPE } from "#wire/icmp.ts";
import { IPV4_BYTES, PROTOCOL, Protocol } from "#wire/ipv4.ts";
import { BROADCAST, MAC_BYTES } from "#wire/mac.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import { buildUdp, CHECKSUM as UDP_CHECKSUM, LENGTH as UDP_LENGTH, UDP_BYTES } from "#wire/udp.ts";
import { type DirectStation, SEND_SLOTS } from "./direct-station.ts";
import { TransferFailed } from "./peer-messages.ts";

const OUR_IPV4 = 0x0a46_0001;
const NETWORK = ETHERNET_BYTES;
const TRANSPORT = NETWORK + IPV4_BYTES;
const DATA = TRANSPORT + UDP_BYTES;
const PORTS = { sourcePort: 40_000, destinationPort: BULK_PORT } as const;
const ECHO_BYTES = 56;
/** Number of content bytes in a bulk datagram that fills an MTU of 1500. */
export const BULK_BYTES = 1500 - IPV4_BYTES - UDP_BYTES - BULK_HEADER_BYTES;
/** Maximum number of outstanding requests. The NIC and the responder have room for more. */
const MAX_IN_FLIGHT = SEND_SLOTS / 2;
/**
 * Flags that make the NIC compute the UDP checksum. The checksum field of such a frame contains the sum of the pseudo
 * header.
 */
const SUMMED = Send.udpChecksum | (TRANSPORT << Send.transportOffsetShift);
const NOTHING = new Uint8Array(0);

/** Results of a stream at this end. */
export interface StreamEnd {
  readonly sent: Hash;
  readonly received: Hash;
}

export class UserHost {
  readonly #station: DirectStation;
  #neighbour: Uint8Array = BROADCAST;

  constructor(station: DirectStation) {
    this.#station = station;
  }

  /**
   * Waits for the link and resolves the responder's address.
   * @throws {Timeout}
   */
  resolveResponder(): void {
    const station = this.#station;
    station.until("the link", () => station.nic.link.up);
    let found = false;
    station.onFrame = (offset, length) => {
      const { bytes } = station.memory;
      const arp = offset + ETHERNET_BYTES;
      if (get16(bytes, offset + TYPE) !== EtherType.arp || !isArp(bytes, arp, offset + length)) return;
      if (get16(bytes, arp + OPERATION) !== ArpOperation.reply || get32(bytes, arp + SENDER_IP) !== RESPONDER_IPV4)
        return;
      this.#neighbour = bytes.slice(arp + SENDER_MAC, arp + SENDER_MAC + MAC_BYTES);
      found = true;
    };
    station.send(0, (offset) => this.#arpRequest(offset));
    station.until("the reply to ARP", () => found);
  }

  /**
   * Sends one echo request, and waits for a reply with the complete payload. Returns the round trip time in
   * microseconds of real, not virtual, time.
   */
  ping(sequence: number): number {
    const station = this.#station;
    const data = Uint8Array.from({ length: ECHO_BYTES }, (_, i) => i);
    const echo = { type: IcmpType.echoRequest, identifier: 1, sequence };
    let answered = false;
    station.onFrame = (offset, length) => (answered ||= this.#isEchoReply(offset, length, sequence));
    const start = performance.now();
    station.send(0, (offset) => buildEchoFrame(station.memory, offset, this.#ends(), echo, data));
    station.until("the reply to a ping", () => answered);
    return (performance.now() - start) * 1000;
  }

  /**
   * Sends the pieces to the responder, and requests `asked` bytes in each reply. Yields the number of bytes moved so
   * far, so that other work can run. The digests cover the sent and the received data, in order.
   * @throws {TransferFailed} for a reply that is out of order, or whose checksum the NIC did not confirm; {Timeout}
   */
  *stream(pieces: Iterator<{ data: Uint8Array; asked: number }, unknown>): Generator<number, StreamEnd, undefined> {
    const station = this.#station;
    const end = { sent: createHash("sha256"), received: createHash("sha256") };
    let [requests, answers, moved] = [0, 0, 0];
    station.onFrame = (offset, length, flags) => {
      const given = this.#takeAnswer(offset, length, flags, answers);
      if (given === undefined) return;
      answers++;
      moved += given.length;
      end.received.update(given);
    };
    for (let piece = pieces.next(); ;) {
      while (piece.done !== true && requests - answers < MAX_IN_FLIGHT) {
        const { data, asked } = piece.value;
        if (!station.send(SUMMED, (offset) => this.#request(offset, requests, asked, data))) break;
        end.sent.update(data);
        moved += data.length;
        requests++;
        piece = pieces.next();
      }
      if (piece.done === true && answers === requests) return end;
      const before = answers;
      station.until("a reply of the stream", () => answers > before);
      yield moved;
    }
  }

  #ends() {
    return { source: this.#station.nic.address, destination: this.#neighbour, from: OUR_IPV4, to: RESPONDER_IPV4 };
  }

  #arpRequest(offset: number): number {
    const { bytes } = this.#station.memory;
    const source = this.#station.nic.address;
    const arp = buildEthernet(bytes, offset, { destination: BROADCAST, source, type: EtherType.arp });
    const nobody = new Uint8Array(MAC_BYTES);
    const { request: operation } = ArpOperation;
    buildArp(bytes, arp, {
      operation,
      senderMac: source,
      senderIp: OUR_IPV4,
      targetMac: nobody,
      targetIp: RESPONDER_IPV4,
    });
    return ETHERNET_BYTES + ARP_BYTES;
  }

  #isEchoReply(offset: number, length: number, sequence: number): boolean {
    const { memory } = this.#station;
    const icmp = offset + TRANSPORT;
    return (
      length >= TRANSPORT + ICMP_BYTES + ECHO_BYTES &&
      memory.bytes[offset + NETWORK + PROTOCOL] === Protocol.icmp &&
      memory.bytes[icmp + ICMP_TYPE] === IcmpType.echoReply &&
      get16(memory.bytes, icmp + ICMP_SEQUENCE) === sequence &&
      intact(sum(memory, icmp, ICMP_BYTES + ECHO_BYTES))
    );
  }

  #request(offset: number, sequence: number, asked: number, data: Uint8Array): number {
    const { memory } = this.#station;
    const length = UDP_BYTES + BULK_HEADER_BYTES + data.length;
    const udp = buildNetwork(memory.bytes, offset, this.#ends(), Protocol.udp, length);
    memory.bytes.set(
      data,
      buildBulkRequest(memory.bytes, buildUdp(memory.bytes, udp, { ...PORTS, length }), sequence, asked),
    );
    fillIpv4Checksum(memory, offset + NETWORK, udp + length);
    const pseudo = pseudoHeaderSum(memory, offset + NETWORK, Protocol.udp, length);
    put16(memory.bytes, udp + UDP_CHECKSUM, fold(pseudo));
    return TRANSPORT + length;
  }

  /** Payload of reply number `expected`; undefined for a frame that is not a reply of the stream. */
  #takeAnswer(offset: number, length: number, flags: number, expected: number): Uint8Array | undefined {
    const { bytes } = this.#station.memory;
    const data = offset + DATA;
    if (length < DATA || !isBulkAnswer(bytes, data, length - DATA)) return undefined;
    const end = offset + TRANSPORT + get16(bytes, offset + TRANSPORT + UDP_LENGTH);
    if ((flags & Received.udpChecksumGood) === 0 || end > offset + length)
      throw new TransferFailed("TRANSFER_CUT", `reply ${expected} of the stream arrived damaged`);
    const sequence = get32(bytes, data + SEQUENCE);
    if (sequence !== expected || get32(bytes, data + EXPECTED) !== expected + 1)
      throw new TransferFailed("TRANSFER_CUT", `reply ${sequence} of the stream arrived instead of ${expected}`);
    return end === data + BULK_HEADER_BYTES ? NOTHING : bytes.subarray(data + BULK_HEADER_BYTES, end);
  }
}
