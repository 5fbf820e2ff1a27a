/** What each chip can do with frames: formats, lengths, and where it is known to be wrong. */
import { type Chip, type Generation, since } from "./chips.ts";

/** Ethernet header with a tag, above the MTU. */
const OVERHEAD = 18;
/** Longest frame that is not a jumbo frame, with a tag, without FCS. */
export const STANDARD_FRAME = 1500 + OVERHEAD;

/** Bits of Config3 and Config4 that must be set before frames may be longer than standard. */
export interface JumboSwitch {
  readonly config3: number;
  readonly config4: number;
}

/** Lengths are bytes without FCS. */
export interface FrameFacts {
  /** Most descriptors in a ring: there the chip starts over even without EndOfRing. */
  readonly ringLimit: number;
  /** A ring's base counts as soon as either half is written; otherwise the low half latches both. */
  readonly eitherHalf: boolean;
  /** Transmit descriptor format. */
  readonly transmitFormat: 1 | 2;
  /** Requests of the first format are understood as well. */
  readonly eitherFormat: boolean;
  /** The newest receive descriptors with a hash, which the chip can be switched to; what has format 4 has format 3 as well. */
  readonly hashedFormat: 3 | 4 | undefined;
  /** Receive descriptors say which IP the packet is, and IPv6 is verified. */
  readonly knowsIpv6: boolean;
  /** The tag is taken out by RxConfig's bits, not by CPlusCmd's. */
  readonly stripsByRxConfig: boolean;
  /** Of a frame in several receive buffers, the last descriptor has what is in its own buffer; otherwise the whole length. */
  readonly countsLastPiece: boolean;
  /** The bytes of the multicast hash stand in reverse order. */
  readonly reversedHash: boolean;
  /** The multicast hash lets nothing in unless all of its bits are set. */
  readonly allMulticastOnly: boolean;
  /** MISC has a gate before the receive FIFO. */
  readonly receiveGate: boolean;
  /** MissedPackets counts. */
  readonly countsMissed: boolean;
  /** Longest frame, with a tag. */
  readonly longestFrame: number;
  readonly jumbo: JumboSwitch | undefined;
  /** Longest frame whose checksums the transmitter fills in, and longest that it makes when segmenting. */
  readonly longestSummed: number;
  readonly longestSegment: number;
  /** What short frames are padded with: zeros, or whatever the FIFO held. */
  readonly padding: "zeros" | "stale";
  /** A frame below 42 bytes whose IPv4 checksum is filled in is damaged. */
  readonly damagesShort: boolean;
  /** TCP and UDP checksums are made as if the packet ended with the frame. */
  readonly sumsPadding: boolean;
  /** Certain short UDP frames can stop the transmitter. */
  readonly stumblesOverUdp: boolean;
  /** The IPv4 checksum leaves options out. */
  readonly sumsNoOptions: boolean;
  /** Segmentation takes neither IPv4 options nor TCP options, nor a last fragment of six bytes or fewer. */
  readonly segmentsPlainOnly: boolean;
}

const ocp = since("8168g");
const multigigabit = since("8125");
const express = (chip: Chip): boolean => chip.bus === "pcie";
/** As Linux's r8169 sets them; FreeBSD sets Config4 bit 1 on later chips too, which do without. */
const JUMBO: Partial<Record<Generation, JumboSwitch>> = {
  "8168b": { config3: 0, config4: 1 << 0 },
  "8168c": { config3: 1 << 2, config4: 1 << 1 },
  "8168d": { config3: 1 << 2, config4: 1 << 1 },
  "8168dp": { config3: 1 << 2, config4: 1 << 0 },
  "8168e": { config3: 1 << 2, config4: 1 << 0 },
};
/** The older one of the two. */
const JUMBO_DP: JumboSwitch = { config3: 1 << 2, config4: 0 };

const hashedFormat = (chip: Chip): 3 | 4 | undefined => {
  if (!multigigabit(chip)) return undefined;
  return chip.key === "rtl8125a" || chip.key === "rtl8125b" ? 3 : 4;
};

/**
 * Sources: DPDK `drivers/net/r8169` (ring limit, formats, tags, frames in several buffers); FreeBSD if_re.c (hash order; such frames on older chips; damage to short frames without
 * RL_FLAG_AUTOPAD; 8168C's options; jumbo); Linux's r8169 and Realtek's own drivers, in what they switch off: checksums
 * and segmentation above an MTU of 1500 (the 8125 and later still sum), segmentation with options on the 8168E-VL, and
 * padding by hardware on that one, the 8125 and later.
 */
export const framesOf = (chip: Chip): FrameFacts => {
  const longestFrame = chip.largestMtu + OVERHEAD;
  const pads = chip.generation !== "8168evl" && !multigigabit(chip);
  const standard = Math.min(STANDARD_FRAME, longestFrame);
  return {
    ringLimit: ocp(chip) ? 4096 : 1024,
    // Realtek's own drivers and Fuchsia's write the low half first on all of these, and DPDK has rings above 4 GiB.
    eitherHalf: express(chip),
    transmitFormat: chip.descriptors,
    // Realtek's own driver and the BSDs' use the second format, Linux's the first.
    eitherFormat: chip.key === "rtl8401",
    hashedFormat: hashedFormat(chip),
    knowsIpv6: chip.descriptors === 2,
    stripsByRxConfig: multigigabit(chip),
    // Which of the chips between those that FreeBSD takes apart and those that DPDK does changed it is not known.
    countsLastPiece: ocp(chip),
    reversedHash: express(chip),
    // A fault for which drivers set all bits: Linux on the first revision, FreeBSD on both. What it is, nobody says.
    allMulticastOnly: chip.key === "rtl8168f-480",
    receiveGate: ocp(chip),
    countsMissed: !express(chip),
    longestFrame,
    jumbo: chip.key === "rtl8168dp-28a" ? JUMBO_DP : JUMBO[chip.generation],
    longestSummed: express(chip) && !multigigabit(chip) ? standard : longestFrame,
    longestSegment: express(chip) ? standard : longestFrame,
    padding: pads ? "zeros" : "stale",
    damagesShort: chip.descriptors === 1,
    sumsPadding: !pads,
    stumblesOverUdp: chip.key === "rtl8125a" || chip.key === "rtl8125b",
    sumsNoOptions: chip.generation === "8168c",
    segmentsPlainOnly: chip.generation === "8168evl",
  };
};
