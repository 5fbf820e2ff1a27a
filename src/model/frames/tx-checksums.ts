/** Transmit checksums, including the errors of some chips. */
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

/**
 * Some chips (those without RL_FLAG_AUTOPAD in FreeBSD's driver) damage a frame shorter than this, whose IPv4 packet
 * has fewer than 28 bytes, if they fill in its checksums.
 */
const DAMAGED_BELOW = 42;

/**
 * Fills in the requested checksums of the frame of `length` bytes at `frame`, which contains an inserted tag of
 * `tagBytes` (0 or 4) bytes. Returns false if the frame does not match the request, or if the chip's error stalls it or
 * damages the frame. The frame is sent in any case.
 */
export type FillChecksums = (
  request: OffloadRequest,
  memory: Memory,
  frame: number,
  length: number,
  tagBytes: number,
) => boolean;

/** Offset of the transport header in the frame. */
const transportOf = (request: OffloadRequest, bytes: Uint8Array, frame: number, network: number, tag: number): number =>
  request.transport < 0 ? network + ((bytes[frame + network]! & 0xf) << 2) : request.transport + tag;

const fillChecksums: FillChecksums = (request, memory, frame, length, tagBytes) => {
  const { ipChecksum, protocol } = request;
  if (!ipChecksum && protocol === 0) return !request.ipBitMissing;
  const network = networkOffset(memory.bytes, frame, length);
  const end = frame + length;
  if (network < 0 || (ipChecksum && !fillIpv4Checksum(memory, frame + network, end))) return false;
  if (protocol === 0) return true;
  const transport = transportOf(request, memory.bytes, frame, network, tagBytes);
  return fillTransportChecksum(memory, frame + network, frame + transport, end, protocol);
};

/**
 * Like `fillChecksums`, but for chips that take the length of a TCP or UDP packet from the frame, so that the length
 * includes padding added by software. Linux's commit log says "wrong by the count of added bytes" about the 8168E-VL,
 * and describes the same or a similar fault of the 8125.
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

/**
 * Like `fillChecksums`, but for chips that sum only 20 bytes of an IPv4 header with options. Which wrong result real
 * chips produce is not known.
 */
const fillWithoutOptions: FillChecksums = (request, memory, frame, length, tagBytes) => {
  if (!fillChecksums(request, memory, frame, length, tagBytes)) return false;
  if (!request.ipChecksum) return true;
  const at = frame + networkOffset(memory.bytes, frame, length);
  put16(memory.bytes, at + ipv4.CHECKSUM, 0);
  put16(memory.bytes, at + ipv4.CHECKSUM, finish(sum(memory, at, ipv4.IPV4_BYTES)));
  return true;
};

/**
 * Like `fillChecksums`, but for chips that damage the payload of a very short packet. The kind of damage is not known.
 */
const fillAndDamage: FillChecksums = (request, memory, frame, length, tagBytes) => {
  if (!fillChecksums(request, memory, frame, length, tagBytes)) return false;
  if (!request.ipChecksum || length - tagBytes >= DAMAGED_BELOW) return true;
  const { bytes } = memory;
  const at = frame + networkOffset(bytes, frame, length);
  const end = Math.min(frame + length, at + get16(bytes, at + ipv4.TOTAL_LENGTH));
  for (let i = at + ((bytes[at]! & 0xf) << 2); i < end; i++) bytes[i]! ^= 0xff;
  return false;
};

/**
 * A frame shorter than this can stall the transmitter if its UDP header is incomplete, or if its UDP datagram is to a
 * PTP port and shorter than `SHORTEST_PTP`.
 */
const STALL_BELOW = 175;
const SHORTEST_PTP = 47;
const PTP_PORTS = [319, 320];
const UDP_BYTES = 8;
const parts = new Int32Array(DISSECTION_WORDS);

/**
 * Like `fillWithPadding`, but for chips that certain short UDP frames can stall: those with an incomplete header, and
 * short PTP messages. Drivers pad these frames (DPDK `drivers/net/r8169`, rtl8125_get_patch_pad_len). Hardware stalls
 * only under heavy load; the model sends the frame and reports an offence.
 */
const fillOrStall: FillChecksums = (request, memory, frame, length, tagBytes) => {
  const filled = fillWithPadding(request, memory, frame, length, tagBytes);
  return filled && !(length - tagBytes < STALL_BELOW && stalls(memory.bytes, frame, length));
};

const stalls = (bytes: Uint8Array, frame: number, length: number): boolean => {
  const layer = dissect(bytes, frame, length, parts);
  if (layer < Layer.network || parts[PROTOCOL] !== ipv4.Protocol.udp) return false;
  const at = parts[NETWORK]! + parts[NETWORK_LENGTH]!;
  const rest = length - at;
  if (rest < UDP_BYTES) return true;
  return rest < SHORTEST_PTP && PTP_PORTS.includes(get16(bytes, frame + at + 2));
};

/** Returns the function that has the errors of this chip. */
export const checksumFiller = (facts: FrameFacts): FillChecksums => {
  if (facts.hangsOnShortUdp) return fillOrStall;
  if (facts.checksumsPadding) return fillWithPadding;
  if (facts.checksumOmitsOptions) return fillWithoutOptions;
  return facts.damagesShortFrames ? fillAndDamage : fillChecksums;
};
