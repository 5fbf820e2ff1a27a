/**
 * Frames as a kernel may pass them to a TAP, for property tests. They include every kind that some chip is known to
 * process wrongly.
 */
import * as fc from "fast-check";
import { type HostFrame, NO_REQUEST } from "#host/frame-sockets.test-kit.ts";
import { Gso, NEEDS_CHECKSUM } from "#host/vnet-header.ts";
import { put16 } from "#wire/bigendian.ts";
import { finish, fold } from "#wire/checksum.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { HERE, payload, THERE } from "./frames.ts";

export interface Traffic {
  readonly ip: 4 | 6;
  readonly protocol: 6 | 17;
  /** Number of 32-bit words of IPv4 options. */
  readonly options: number;
  /** Number of 32-bit words of TCP options. */
  readonly tcpOptions: number;
  readonly payload: number;
  /** What is requested of the NIC: nothing, the checksum, or segments of `size` bytes. */
  readonly ask: "nothing" | "checksum" | "segments";
  readonly size: number;
  readonly tags: readonly number[];
  /** UDP's destination port. */
  readonly port: number;
  /** Number of bytes that a UDP header lacks, as in a fragment. */
  readonly cutOff: number;
  /** Number of zeros after the packet. */
  readonly trailer: number;
}

const words = fc.constantFrom(0, 0, 0, 1, 3, 10);

export const traffic: fc.Arbitrary<Traffic> = fc.record({
  ip: fc.constantFrom(4, 4, 6),
  protocol: fc.constantFrom(6, 6, 17),
  options: words,
  tcpOptions: words,
  payload: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 1400 })),
  ask: fc.constantFrom("nothing", "checksum", "checksum", "segments"),
  size: fc.integer({ min: 200, max: 1400 }),
  tags: fc.constantFrom([], [], [7], [0x6123], [5, 9]),
  port: fc.constantFrom(319, 320, 53, 0x013e),
  cutOff: fc.constantFrom(0, 0, 0, 1, 3, 4, 5, 8),
  trailer: fc.constantFrom(0, 0, 0, 1, 2, 7),
});

/** A super-frame has 2 to 32 segments, and the last is often a short one. */
const payloadOf = (job: Traffic, segments: boolean): number =>
  segments ? job.size * (1 + (job.payload % 31)) + 1 + (job.payload % job.size) : job.payload;

/** One frame, with the requested offloads in its virtio header. */
export const hostFrame = (job: Traffic): HostFrame => {
  const { ip, protocol } = job;
  const network = 14 + 4 * job.tags.length;
  const transport = network + (ip === 4 ? 20 + 4 * job.options : 40);
  const headers = protocol === 6 ? 20 + 4 * job.tcpOptions : 8;
  const segments = job.ask === "segments" && protocol === 6;
  const cutOff = protocol === 17 && job.ask === "nothing" && job.payload < 60 ? job.cutOff : 0;
  const length = cutOff > 0 ? headers - cutOff : headers + payloadOf(job, segments);
  const end = transport + length;
  const frame = new Uint8Array(end + (segments || cutOff > 0 ? 0 : job.trailer));
  frame.set(THERE);
  frame.set(HERE, 6);
  for (const [i, tag] of job.tags.entries()) {
    put16(frame, 12 + 4 * i, 0x8100);
    put16(frame, 14 + 4 * i, tag);
  }
  put16(frame, network - 2, ip === 4 ? 0x0800 : 0x86dd);
  if (ip === 4) buildIpv4(frame, network, job.options, end - network, protocol);
  else buildIpv6(frame, network, length, protocol);
  const addresses = slowSum(frame, ip === 4 ? network + 12 : network + 8, ip === 4 ? 8 : 32);
  frame.set(payload(length), transport);
  if (cutOff > 0) return { ...NO_REQUEST, frame };
  const field = protocol === 6 ? 16 : 6;
  if (protocol === 6) frame.set([(headers >> 2) << 4, 0x19], transport + 12);
  else {
    put16(frame, transport + 2, job.port);
    put16(frame, transport + 4, length);
  }
  put16(frame, transport + field, 0);
  const left = addresses + protocol + length;
  if (job.ask === "nothing") {
    const sum = finish(slowSum(frame, transport, length, left));
    put16(frame, transport + field, sum === 0 && protocol === 17 ? 0xffff : sum);
    return { ...NO_REQUEST, frame };
  }
  put16(frame, transport + field, fold(left));
  return {
    flags: NEEDS_CHECKSUM,
    gso: segments ? (ip === 4 ? Gso.tcp4 : Gso.tcp6) : Gso.none,
    headerBytes: transport + headers,
    segmentBytes: segments ? job.size : 0,
    checksumStart: transport,
    checksumOffset: field,
    frame,
  };
};

const buildIpv4 = (frame: Uint8Array, at: number, options: number, total: number, protocol: number): void => {
  frame[at] = 0x45 + options;
  put16(frame, at + 2, total);
  put16(frame, at + 4, 0xfffe);
  frame[at + 8] = 64;
  frame[at + 9] = protocol;
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], at + 12);
  // The options are "no operation", and at the end "end of the list".
  frame.fill(1, at + 20, at + 20 + 4 * options - 1);
  put16(frame, at + 10, finish(slowSum(frame, at, 20 + 4 * options)));
};

const buildIpv6 = (frame: Uint8Array, at: number, length: number, protocol: number): void => {
  frame[at] = 0x60;
  put16(frame, at + 4, length);
  frame[at + 6] = protocol;
  frame[at + 7] = 64;
  for (let i = 0; i < 32; i++) frame[at + 8 + i] = 0x20 + i;
};
