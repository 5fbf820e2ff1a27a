/** The descriptor words that differ between chips. A format is selected when a ring is created, and does not change afterwards. */
import {
  ADDRESS_LOW,
  DESCRIPTOR_BYTES,
  FirstSegment,
  HashedV2,
  LastSegment,
  OPTS1,
  OPTS2,
  Rx,
  RxCPlus,
  TxInsertTag,
  TxV1,
  TxV2,
  V2_BYTES,
  V2_HASH,
} from "#chip/descriptors.ts";
import {
  HashedV3,
  HashedV4,
  RxV3,
  RxV3Verdict,
  RxV4,
  StampV3,
  V3_BYTES,
  V3Word,
  V4_BYTES,
  V4Word,
} from "#chip/descriptors-8125.ts";
import { ReceiveFormat as FormatBits, RxConf8125 } from "#chip/registers-8125.ts";
import { Received, Send } from "#kit/link.ts";

/**
 * Receive descriptors. Positions are words from the start of the descriptor; masks are bits of opts1 unless stated
 * otherwise.
 */
export interface ReceiveFormat {
  /** Size of a descriptor in bytes: 16 or 32. */
  readonly bytes: number;
  readonly opts1: number;
  readonly opts2: number;
  /** Position of the low half of the buffer's address; the high half follows. */
  readonly address: number;
  /** True if the NIC overwrites the buffer's address when it writes the descriptor back. */
  readonly overwritesAddress: boolean;
  readonly first: number;
  readonly last: number;
  /**
   * Mask of the length field: the buffer's length in a descriptor that the NIC owns, otherwise the frame's length with
   * FCS, or on chips with `countsLastPiece` the length in the frame's last buffer.
   */
  readonly length: number;
  /** If any of these bits is set, the frame is bad. */
  readonly bad: number;
  /** The bits of `bad` that make the length unreliable. */
  readonly watchdog: number;
  /** The bits of `bad` that mean a wrong FCS or a runt. Such a frame is in memory as it was received. */
  readonly damaged: number;
  /** If none of these bits is set, the descriptor belongs to a frame. `stamp` names the other values with a meaning. */
  readonly kindMask: number;
  /**
   * If true, the checksum results are in opts2, otherwise in opts1. To get them, that word is shifted right by
   * `verdictShift` and masked with `verdictMask`.
   */
  readonly verdictInOpts2: boolean;
  readonly verdictShift: number;
  readonly verdictMask: number;
  /** `Received` bits, indexed by the shifted and masked checksum results. */
  readonly verdicts: Int32Array;
  /** Positions of the hash and of its type; undefined in formats without a hash. */
  readonly hash: HashPlaces | undefined;
  /** The descriptor with the timestamp, which may follow a frame's descriptors; undefined in formats without one. */
  readonly stamp: typeof StampV3 | undefined;
  /** Bits of RxConfig that select the format. */
  readonly config: number;
  /** Bits of RxConfig that must be clear in this format. */
  readonly cleared: number;
  /** Bits of `RxFormat` that select the format. */
  readonly select: number;
}

interface HashPlaces {
  readonly hash: number;
  /**
   * Position of the word with the type of the hash, and the bits of that word: a bit of `addresses` is set if IP
   * addresses were hashed, and one of `ports` if TCP or UDP ports were hashed too.
   */
  readonly header: number;
  readonly addresses: number;
  readonly ports: number;
  /** True if the NIC may write the hash after opts1. The word with the hash is 0 until then. */
  readonly late: boolean;
}

interface VerdictBits {
  readonly protocolUdp: number;
  readonly protocolTcp: number;
  readonly ipChecksumFailed: number;
  readonly udpChecksumFailed: number;
  readonly tcpChecksumFailed: number;
}

/**
 * Returns `Received` bits for the results in `word`. If both protocol bits are set, the packet is IP with another
 * protocol. If a checksum has failed, returns 0, so that software verifies the frame.
 */
const received = (word: number, bits: VerdictBits): number => {
  if ((word & (bits.ipChecksumFailed | bits.udpChecksumFailed | bits.tcpChecksumFailed)) !== 0) return 0;
  const udp = (word & bits.protocolUdp) !== 0;
  const tcp = (word & bits.protocolTcp) !== 0;
  if (!udp && !tcp) return 0;
  if (udp && tcp) return Received.ipChecksumGood;
  return Received.ipChecksumGood | (udp ? Received.udpChecksumGood : Received.tcpChecksumGood);
};

/** A table of `Received` bits, indexed by the bits from "TCP checksum failed" to "UDP packet". */
const verdictsOf = (bits: VerdictBits): Pick<ReceiveFormat, "verdictShift" | "verdictMask" | "verdicts"> => {
  const verdictShift = Math.log2(bits.tcpChecksumFailed) | 0;
  const count = (2 * bits.protocolUdp) / bits.tcpChecksumFailed;
  const verdicts = Int32Array.from({ length: count }, (_, i) => received(i << verdictShift, bits));
  return { verdictShift, verdictMask: count - 1, verdicts };
};

const CLASSIC = {
  bytes: DESCRIPTOR_BYTES,
  opts1: OPTS1,
  opts2: OPTS2,
  address: ADDRESS_LOW,
  overwritesAddress: false,
  first: FirstSegment,
  last: LastSegment,
  kindMask: 0,
  verdictInOpts2: false,
  hash: undefined,
  stamp: undefined,
  config: 0,
  cleared: 0,
  select: 0,
} as const;

/** RTL8169 and later, for descriptors without a hash. */
export const RECEIVE_8169: ReceiveFormat = {
  ...CLASSIC,
  ...verdictsOf(Rx),
  length: Rx.length,
  bad: Rx.watchdog | Rx.errorSummary | Rx.runt | Rx.crcError,
  watchdog: Rx.watchdog,
  damaged: Rx.runt | Rx.crcError,
};

/** RTL8139C+. */
export const RECEIVE_8139: ReceiveFormat = {
  ...CLASSIC,
  ...verdictsOf(RxCPlus),
  length: RxCPlus.length,
  bad: RxCPlus.watchdog | RxCPlus.errorSummary | RxCPlus.runt | RxCPlus.crcError | RxCPlus.fifoOverflow,
  watchdog: RxCPlus.watchdog | RxCPlus.fifoOverflow,
  damaged: RxCPlus.runt | RxCPlus.crcError,
};

/** Descriptors of 32 bytes with a hash: RTL8168H. */
const RECEIVE_V2: ReceiveFormat = {
  ...RECEIVE_8169,
  bytes: V2_BYTES,
  hash: {
    hash: V2_HASH,
    header: OPTS2,
    addresses: HashedV2.ipv4 | HashedV2.ipv6,
    ports: HashedV2.tcp,
    late: true,
  },
  config: RxConf8125.descriptorsV3,
  cleared: RxConf8125.singleFetch,
};

/** Descriptors of 32 bytes with a hash: RTL8125A and 8125B. */
const RECEIVE_V3: ReceiveFormat = {
  ...V3Word,
  ...verdictsOf(RxV3Verdict),
  bytes: V3_BYTES,
  overwritesAddress: false,
  first: RxV3.firstSegment,
  last: RxV3.lastSegment,
  length: Rx.length,
  bad: RxV3.watchdog | RxV3.errorSummary | RxV3.runt | RxV3.crcError,
  watchdog: RxV3.watchdog,
  damaged: RxV3.runt | RxV3.crcError,
  kindMask: RxV3.kind,
  verdictInOpts2: true,
  hash: {
    hash: V3Word.hash,
    header: V3Word.header,
    addresses: HashedV3.ipv4 | HashedV3.ipv6,
    ports: HashedV3.tcp | HashedV3.udp,
    late: false,
  },
  stamp: undefined,
  config: RxConf8125.descriptorsV3,
  cleared: 0,
  select: 0,
};

/** Descriptors of 16 bytes with a hash: RTL8125BP and later. */
const RECEIVE_V4: ReceiveFormat = {
  ...V4Word,
  ...verdictsOf(RxV4),
  bytes: V4_BYTES,
  overwritesAddress: true,
  first: FirstSegment,
  last: LastSegment,
  length: Rx.length,
  bad: RxV4.watchdog | RxV4.errorSummary | RxV4.runt | RxV4.crcError,
  watchdog: RxV4.watchdog,
  damaged: RxV4.runt | RxV4.crcError,
  kindMask: 0,
  verdictInOpts2: false,
  hash: {
    hash: V4Word.hash,
    header: V4Word.header,
    addresses: HashedV4.ipv4 | HashedV4.ipv6,
    ports: HashedV4.tcp | HashedV4.udp,
    late: false,
  },
  stamp: undefined,
  config: 0,
  cleared: 0,
  select: FormatBits.format4,
};

/** The RTL8125B's format while it stamps received event messages. */
export const RECEIVE_STAMPED: ReceiveFormat = { ...RECEIVE_V3, stamp: StampV3 };

/** Formats with a hash, by `FrameFacts.hashedFormat`. */
export const RECEIVE_HASHED = { 2: RECEIVE_V2, 3: RECEIVE_V3, 4: RECEIVE_V4 } as const;

/** The encoding of `Send` bits and of the segment size in a transmit descriptor. */
export interface TransmitFormat {
  /** True if checksums and segmentation work over IPv6 too. */
  readonly ipv6: boolean;
  /** Bits of the descriptor's first word. */
  readonly first: (flags: number) => number;
  /** Bits of the descriptor's second word. */
  readonly second: (flags: number, tag: number) => number;
}

const TRANSPORT = Send.tcpChecksum | Send.udpChecksum;

const tagWord = (flags: number, tag: number): number =>
  (flags & Send.tag) === 0 ? 0 : TxInsertTag | ((tag & 0xff) << 8) | ((tag >>> 8) & 0xff);

/** First format, IPv4 only: the NIC parses the headers. */
export const TRANSMIT_V1: TransmitFormat = {
  ipv6: false,
  first(flags) {
    const size = flags & Send.segmentSize;
    const transport = flags & TRANSPORT;
    if (size === 0 && transport === 0) return 0;
    if (size !== 0) return TxV1.segment | (size << TxV1.segmentSizeShift);
    return TxV1.ipChecksum | (transport === Send.tcpChecksum ? TxV1.tcpChecksum : TxV1.udpChecksum);
  },
  second: tagWord,
};

/** Second format, IPv4 and IPv6. For IPv4 the NIC fills in the header checksum too. */
export const TRANSMIT_V2: TransmitFormat = {
  ipv6: true,
  first(flags) {
    if ((flags & Send.segmentSize) === 0) return 0;
    const offset = (flags & Send.transportOffset) >>> Send.transportOffsetShift;
    return ((flags & Send.ipv6) !== 0 ? TxV2.segment6 : TxV2.segment4) | (offset << TxV2.segmentOffsetShift);
  },
  second(flags, tag) {
    let word = tagWord(flags, tag);
    const size = flags & Send.segmentSize;
    if (size !== 0) return word | (size << TxV2.segmentSizeShift);
    const transport = flags & TRANSPORT;
    if (transport === 0) return word;
    word |= (flags & Send.ipv6) !== 0 ? TxV2.ipv6Checksum : TxV2.ipv4Checksum;
    word |= transport === Send.tcpChecksum ? TxV2.tcpChecksum : TxV2.udpChecksum;
    return word | (((flags & Send.transportOffset) >>> Send.transportOffsetShift) << TxV2.checksumOffsetShift);
  },
};

/** The formats by the values of `FrameFacts.receiveFormat` and `FrameFacts.transmitFormat`. */
export const RECEIVE_FORMATS = { "8139": RECEIVE_8139, "8169": RECEIVE_8169 } as const;
export const TRANSMIT_FORMATS = { 1: TRANSMIT_V1, 2: TRANSMIT_V2 } as const;
