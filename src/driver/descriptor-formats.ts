/** What the words of a descriptor mean, where chips differ: chosen when a ring is made, and constant from then on. */
import { Rx, RxCPlus, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Send } from "#kit/link.ts";

/** Receive, first word. */
export interface ReceiveFormat {
  /** The frame's length with FCS, and the buffer's when posted. */
  readonly length: number;
  /** Any of these: the frame is bad. */
  readonly bad: number;
  /** From here on, five bits: which of TCP's, UDP's and IP's sums failed, and the protocol. */
  readonly verdictShift: number;
}

/** RTL8169 and later. */
export const RECEIVE_8169: ReceiveFormat = {
  length: Rx.length,
  bad: Rx.watchdog | Rx.errorSummary | Rx.runt | Rx.crcError,
  verdictShift: 14,
};

/** RTL8139C+. */
export const RECEIVE_8139: ReceiveFormat = {
  length: RxCPlus.length,
  bad: RxCPlus.watchdog | RxCPlus.errorSummary | RxCPlus.runt | RxCPlus.crcError | RxCPlus.fifoOverflow,
  verdictShift: 13,
};

/** Transmit: how `Send` bits and the segment size are encoded in a descriptor. */
export interface TransmitFormat {
  /** Bits of the first word. */
  readonly first: (flags: number) => number;
  /** The second word. */
  readonly second: (flags: number, tag: number) => number;
}

const TRANSPORT = Send.tcpChecksum | Send.udpChecksum;

const tagWord = (flags: number, tag: number): number =>
  (flags & Send.tag) === 0 ? 0 : TxInsertTag | ((tag & 0xff) << 8) | ((tag >>> 8) & 0xff);

/** First format, IPv4 alone. The NIC finds the headers itself. */
export const TRANSMIT_V1: TransmitFormat = {
  /** @throws {OutOfRange} for a sum or segments over IPv6 */
  first(flags) {
    const size = flags & Send.segmentSize;
    const transport = flags & TRANSPORT;
    if (size === 0 && transport === 0) return 0;
    if ((flags & Send.ipv6) !== 0)
      throw new OutOfRange("this chip can neither sum nor segment IPv6", "Do both in software.");
    if (size !== 0) return TxV1.segment | (size << TxV1.segmentSizeShift);
    return TxV1.ipChecksum | (transport === Send.tcpChecksum ? TxV1.tcpChecksum : TxV1.udpChecksum);
  },
  second: tagWord,
};

/** Second format, IPv4 and IPv6. IPv4 has a header checksum besides; the NIC fills in both. */
export const TRANSMIT_V2: TransmitFormat = {
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

/** By what a die's frame facts say. */
export const RECEIVE_FORMATS = { "8139": RECEIVE_8139, "8169": RECEIVE_8169 } as const;
export const TRANSMIT_FORMATS = { 1: TRANSMIT_V1, 2: TRANSMIT_V2 } as const;
