/** Layout of receive descriptors in each format: position of the words and meaning of the bits. */
import {
  ADDRESS_LOW,
  DESCRIPTOR_BYTES,
  FirstSegment,
  HashedV2,
  LastSegment,
  OPTS1,
  OPTS2,
  Rx,
  RxV2,
  V2_BYTES,
  V2_HASH,
} from "#chip/descriptors.ts";
import {
  HashedV3,
  HashedV4,
  RxV3,
  RxV3Verdict,
  RxV4,
  V3_BYTES,
  V3Word,
  V4_BYTES,
  V4Word,
} from "#chip/descriptors-8125.ts";
import type { FrameFacts } from "#chip/frames.ts";
import { Verified } from "#wire/verify.ts";
import { Hashed } from "./rss.ts";

/** Bits for the results of checksum verification. */
interface VerdictBits {
  readonly protocolUdp: number;
  readonly protocolTcp: number;
  readonly ipChecksumFailed: number;
  readonly udpChecksumFailed: number;
  readonly tcpChecksumFailed: number;
}

/** Bits that report which headers were hashed. */
type HashedBits = Readonly<Record<"udp" | "tcp" | "ipv4" | "ipv6", number>>;

/** One format. Positions are counted in words from the start of the descriptor; statuses are bits of opts1. */
export interface ReceiveLayout {
  readonly bytes: number;
  readonly opts1: number;
  readonly opts2: number;
  /** Position of the address's low half; the high half follows. */
  readonly address: number;
  /** Position of the hash; -1 in formats without a hash. */
  readonly hash: number;
  /** Position of the hash's type; -1 without a hash. If it equals `opts2`, the type's bits are added to opts2. */
  readonly header: number;
  readonly hashed: HashedBits;
  readonly first: number;
  readonly last: number;
  /** Number of bits by which `Rx.multicast`, `Rx.physical` and `Rx.broadcast` are shifted right in this format. */
  readonly kindShift: number;
  readonly watchdog: number;
  readonly errorSummary: number;
  readonly runt: number;
  readonly crcError: number;
  /** Bits of opts1 for each combination of `Verified` bits. */
  readonly verdicts1: Int32Array;
  /** Bits of opts2 for each combination of `Verified` bits. */
  readonly verdicts2: Int32Array;
}

/** Number of combinations of the six `Verified` bits. */
const COMBINATIONS = 64;
const NO_HASH: HashedBits = { udp: 0, tcp: 0, ipv4: 0, ipv6: 0 };

const table = (say: (found: number) => number): Int32Array =>
  Int32Array.from({ length: COMBINATIONS }, (_, found) => ((found & Verified.ip) === 0 ? 0 : say(found)));

const verdict = (found: number, bits: VerdictBits): number => {
  const ip = (found & Verified.ipGood) === 0 ? bits.ipChecksumFailed : 0;
  const good = (found & Verified.transportGood) !== 0;
  if ((found & Verified.udp) !== 0) return ip | bits.protocolUdp | (good ? 0 : bits.udpChecksumFailed);
  if ((found & Verified.tcp) !== 0) return ip | bits.protocolTcp | (good ? 0 : bits.tcpChecksumFailed);
  return ip | bits.protocolUdp | bits.protocolTcp;
};
const family = (found: number): number => ((found & Verified.ipv6) === 0 ? RxV2.ipv4 : RxV2.ipv6);

const classic = {
  bytes: DESCRIPTOR_BYTES,
  opts1: OPTS1,
  opts2: OPTS2,
  address: ADDRESS_LOW,
  hash: -1,
  header: -1,
  hashed: NO_HASH,
  first: FirstSegment,
  last: LastSegment,
  kindShift: 0,
  watchdog: Rx.watchdog,
  errorSummary: Rx.errorSummary,
  runt: Rx.runt,
  crcError: Rx.crcError,
} as const;

/** The 8169 and similar chips, which do not recognise IPv6. */
const FIRST: ReceiveLayout = {
  ...classic,
  verdicts1: table((found) => ((found & Verified.ipv6) === 0 ? verdict(found, Rx) : 0)),
  verdicts2: new Int32Array(COMBINATIONS),
};
const SECOND: ReceiveLayout = {
  ...classic,
  verdicts1: table((found) => verdict(found, Rx)),
  verdicts2: table(family),
};
const SECOND_HASHED: ReceiveLayout = { ...SECOND, bytes: V2_BYTES, hash: V2_HASH, header: OPTS2, hashed: HashedV2 };
const THIRD: ReceiveLayout = {
  ...V3Word,
  ...RxV3,
  bytes: V3_BYTES,
  hashed: HashedV3,
  first: RxV3.firstSegment,
  last: RxV3.lastSegment,
  kindShift: Math.log2(Rx.multicast / RxV3.multicast),
  verdicts1: new Int32Array(COMBINATIONS),
  verdicts2: table((found) => verdict(found, RxV3Verdict) | family(found)),
};
const FOURTH: ReceiveLayout = {
  ...V4Word,
  ...RxV4,
  bytes: V4_BYTES,
  hashed: HashedV4,
  first: FirstSegment,
  last: LastSegment,
  kindShift: 0,
  verdicts1: table((found) => verdict(found, RxV4)),
  verdicts2: table(family),
};

/** The format in use: format `hashed` if descriptors with a hash are enabled, otherwise the chip's own. */
export const receiveLayout = (facts: FrameFacts, hashed: 2 | 3 | 4 | undefined): ReceiveLayout => {
  if (hashed === 2) return SECOND_HASHED;
  if (hashed === 3) return THIRD;
  if (hashed === 4) return FOURTH;
  return facts.reportsIpVersion ? SECOND : FIRST;
};

/** Bits of a descriptor for the type of hash (bits of `Hashed`). */
export const hashedBits = (hashed: number, { hashed: bits }: ReceiveLayout): number =>
  ((hashed & Hashed.ipv4) !== 0 ? bits.ipv4 : 0) |
  ((hashed & Hashed.ipv6) !== 0 ? bits.ipv6 : 0) |
  ((hashed & Hashed.tcp) !== 0 ? bits.tcp : 0) |
  ((hashed & Hashed.udp) !== 0 ? bits.udp : 0);
