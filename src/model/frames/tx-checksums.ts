/** Transmit checksums: filled in as asked, and as wrongly as some chips do it. */
import type { FrameFacts } from "#chip/frames.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { finish, sum } from "#wire/checksum.ts";
import { dissect, DISSECTION_WORDS, Layer, NETWORK, NETWORK_LENGTH, PROTOCOL } from "#wire/dissect.ts";
import { networkOffset } from "#wire/ethernet.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "#wire/fill.ts";
import * as ipv4 from "#wire/ipv4.ts";
import type { Memory } from "#wire/memory.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import * as tcp from "#wire/tcp.ts";
import * as udp from "#wire/udp.ts";
import type { OffloadRequest } from "./offload.ts";

/** Below this, with an IPv4 packet of fewer than 28 bytes, chips without RL_FLAG_AUTOPAD damage a frame that they sum (FreeBSD). */
const DAMAGED_BELOW = 42;

/**
 * Fills in what is asked for in the frame of `length` bytes at `frame`, into which a tag of `tagBytes` was put. False when
 * the frame is not what the request says; it leaves as it is then.
 */
export type FillChecksums = (
  request: OffloadRequest,
  memory: Memory,
  frame: number,
  length: number,
  tagBytes: number,
) => boolean;

/** Where in the frame the transport header starts. */
const transportOf = (request: OffloadRequest, bytes: Uint8Array, frame: number, network: number, tag: number): number =>
  request.transport < 0 ? network + ((bytes[frame + network]! & 0xf) << 2) : request.transport + tag;

const fillChecksums: FillChecksums = (request, memory, frame, length, tagBytes) => {
  const { ipChecksum, protocol } = request;
  if (!ipChecksum && protocol === 0) return !request.vain;
  const network = networkOffset(memory.bytes, frame, length);
  const end = frame + length;
  if (network < 0 || (ipChecksum && !fillIpv4Checksum(memory, frame + network, end))) return false;
  if (protocol === 0) return true;
  const transport = transportOf(request, memory.bytes, frame, network, tagBytes);
  return fillTransportChecksum(memory, frame + network, frame + transport, end, protocol);
};

/**
 * As `fillChecksums`, on chips that take the length of a TCP or UDP packet from the frame: padding that software has
 * put behind it is counted. Linux's log has it as "wrong by the count of added bytes" (8168E-VL), and of the 8125 that it
 * has the same or a similar fault.
 */
const fillWithPadding: FillChecksums = (request, memory, frame, length, tagBytes) => {
  if (!fillChecksums(request, memory, frame, length, tagBytes)) return false;
  const { protocol } = request;
  if (protocol === 0) return true;
  const { bytes } = memory;
  const network = networkOffset(bytes, frame, length);
  const transport = transportOf(request, bytes, frame, network, tagBytes);
  const rest = length - transport;
  const field = frame + transport + (protocol === ipv4.Protocol.tcp ? tcp.CHECKSUM : udp.CHECKSUM);
  put16(bytes, field, 0);
  const total = pseudoHeaderSum(memory, frame + network, protocol, rest) + sum(memory, frame + transport, rest);
  const checksum = finish(total);
  put16(bytes, field, checksum === 0 && protocol === ipv4.Protocol.udp ? 0xffff : checksum);
  return true;
};

/** As `fillChecksums`, on chips that sum only the first 20 bytes of an IPv4 header: what exactly they get wrong is not known. */
const fillWithoutOptions: FillChecksums = (request, memory, frame, length, tagBytes) => {
  if (!fillChecksums(request, memory, frame, length, tagBytes)) return false;
  if (!request.ipChecksum) return true;
  const at = frame + networkOffset(memory.bytes, frame, length);
  put16(memory.bytes, at + ipv4.CHECKSUM, 0);
  put16(memory.bytes, at + ipv4.CHECKSUM, finish(sum(memory, at, ipv4.IPV4_BYTES)));
  return true;
};

/** As `fillChecksums`, on chips that garble what follows the header of a very short packet: how, is not known. */
const fillAndDamage: FillChecksums = (request, memory, frame, length, tagBytes) => {
  if (!fillChecksums(request, memory, frame, length, tagBytes)) return false;
  if (!request.ipChecksum || length - tagBytes >= DAMAGED_BELOW) return true;
  const { bytes } = memory;
  const at = frame + networkOffset(bytes, frame, length);
  const end = Math.min(frame + length, at + get16(bytes, at + ipv4.TOTAL_LENGTH));
  for (let i = at + ((bytes[at]! & 0xf) << 2); i < end; i++) bytes[i]! ^= 0xff;
  return false;
};

/** UDP datagrams to PTP's ports, as long as this or shorter, and what of them these chips need. */
const STUMBLE_BELOW = 175;
const SHORTEST_PTP = 47;
const PTP_PORTS = [319, 320];
const UDP_BYTES = 8;
const parts = new Int32Array(DISSECTION_WORDS);

/**
 * As `fillWithPadding`, on chips that certain short UDP frames can stop: fragments with less than a header, and PTP below a
 * certain length. Drivers pad them (DPDK `drivers/net/r8169`, rtl8125_get_patch_pad_len). On hardware it takes heavy load;
 * here the frame leaves, and it is said.
 */
const fillAndStumble: FillChecksums = (request, memory, frame, length, tagBytes) => {
  const filled = fillWithPadding(request, memory, frame, length, tagBytes);
  return filled && !(length - tagBytes < STUMBLE_BELOW && stumbles(memory.bytes, frame, length));
};

const stumbles = (bytes: Uint8Array, frame: number, length: number): boolean => {
  const layer = dissect(bytes, frame, length, parts);
  if (layer < Layer.network || parts[PROTOCOL] !== ipv4.Protocol.udp) return false;
  const at = parts[NETWORK]! + parts[NETWORK_LENGTH]!;
  const rest = length - at;
  if (rest < UDP_BYTES) return true;
  return rest < SHORTEST_PTP && PTP_PORTS.includes(get16(bytes, frame + at + 2));
};

/** How this chip does it. */
export const checksumFiller = (facts: FrameFacts): FillChecksums => {
  if (facts.stumblesOverUdp) return fillAndStumble;
  if (facts.sumsPadding) return fillWithPadding;
  if (facts.sumsNoOptions) return fillWithoutOptions;
  return facts.damagesShort ? fillAndDamage : fillChecksums;
};
