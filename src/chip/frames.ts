/**
 * The differences between dies that concern frames: descriptor formats, lengths, and known faults.
 *
 * Sources: DPDK `drivers/net/r8169` (ring limit, formats, tags, frames in several buffers); FreeBSD if_re.c (hash
 * order, frames in several buffers on older chips, damage to short frames on chips without RL_FLAG_AUTOPAD, IP
 * options on the 8168C, jumbo frames); Linux's r8169 and Realtek's own drivers, for what they switch off: checksums and
 * segmentation above an MTU of 1500 (on the 8125 and later: only segmentation), segmentation with options on the
 * 8168E-VL, and padding by hardware on the 8168E-VL and from the 8125 on.
 */

/** Number of bytes of a frame besides the MTU: the Ethernet header with a VLAN tag. */
const OVERHEAD = 18;
/** Frames above this MTU are jumbo frames. */
export const STANDARD_MTU = 1500;
/** Length in bytes of the longest standard frame, with a VLAN tag and without FCS. */
export const STANDARD_FRAME = STANDARD_MTU + OVERHEAD;

/** Bits of Config3 and Config4 that enable jumbo frames. */
export interface JumboSwitch {
  readonly config3: number;
  readonly config4: number;
}

/** Lengths are bytes without FCS. */
export interface FrameFacts {
  /**
   * Largest ring, in descriptors. After that number of descriptors the chip returns to the first, even without
   * EndOfRing.
   */
  readonly ringLimit: 64 | 1024 | 4096;
  /**
   * A write to either half of a ring's base takes effect at once. If false, both take effect when the low half is
   * written.
   */
  readonly eitherHalf: boolean;
  /** Transmit descriptor format. */
  readonly transmitFormat: 1 | 2;
  /** The chip also accepts transmit descriptors of the first format. */
  readonly eitherFormat: boolean;
  /** Bit layout of classic receive descriptors. */
  readonly receiveFormat: "8139" | "8169";
  /**
   * The newest format of receive descriptors with a hash that the chip supports; a chip with format 4 also supports
   * format 3.
   */
  readonly hashedFormat: 2 | 3 | 4 | undefined;
  /** Receive descriptors report the IP version, and the chip verifies checksums over IPv6. */
  readonly reportsIpVersion: boolean;
  /** Bits of RxConfig, not of CPlusCmd, enable the removal of VLAN tags. */
  readonly stripsByRxConfig: boolean;
  /**
   * The last descriptor of a frame in several receive buffers reports the length of its own piece. If false, it reports
   * the length of the frame.
   */
  readonly countsLastPiece: boolean;
  /** The bytes of the multicast hash filter are in reverse order. */
  readonly reversedHash: boolean;
  /** The multicast hash filter passes nothing unless all of its bits are set. */
  readonly allMulticastOnly: boolean;
  /** MISC has a bit that holds received frames back (`Misc.receiveGate`). */
  readonly receiveGate: boolean;
  /** The chip implements MissedPackets. */
  readonly countsMissed: boolean;
  /** Bits that enable jumbo frames. */
  readonly jumbo: JumboSwitch | undefined;
  /** Transmit checksum offload works for jumbo frames. */
  readonly checksumsJumbo: boolean;
  /** Segmentation offload works for jumbo frames. */
  readonly segmentsJumbo: boolean;
  /** The bytes with which the chip pads short frames: zeros, or old contents of the FIFO. */
  readonly padding: "zeros" | "stale";
  /** A frame shorter than 42 bytes is damaged if its IPv4 checksum is offloaded. */
  readonly damagesShortFrames: boolean;
  /** The chip computes TCP and UDP checksums as if the packet ended at the end of the frame, so padding is included. */
  readonly checksumsPadding: boolean;
  /** Certain short UDP frames can stop the transmitter. */
  readonly hangsOnShortUdp: boolean;
  /** The IPv4 checksum that the chip computes does not cover options. */
  readonly checksumOmitsOptions: boolean;
  /**
   * Segmentation fails with IPv4 options, with TCP options over IPv4, and with a last segment of six bytes or fewer.
   */
  readonly segmentsPlainOnly: boolean;
}

/** The facts of a die, and the longest frame of one of its chips, in bytes with a VLAN tag. */
export interface ChipFrames extends FrameFacts {
  readonly longestFrame: number;
}

export const framesOf = (chip: {
  readonly largestMtu: number;
  readonly profile: { readonly frames: FrameFacts };
}): ChipFrames => ({ ...chip.profile.frames, longestFrame: chip.largestMtu + OVERHEAD });

/** The PCI chips. */
export const FRAMES_PCI: FrameFacts = {
  ringLimit: 1024,
  eitherHalf: false,
  transmitFormat: 1,
  eitherFormat: false,
  receiveFormat: "8169",
  hashedFormat: undefined,
  reportsIpVersion: false,
  stripsByRxConfig: false,
  countsLastPiece: false,
  reversedHash: false,
  allMulticastOnly: false,
  receiveGate: false,
  countsMissed: true,
  jumbo: undefined,
  checksumsJumbo: true,
  segmentsJumbo: true,
  padding: "zeros",
  damagesShortFrames: true,
  checksumsPadding: false,
  hangsOnShortUdp: false,
  checksumOmitsOptions: false,
  segmentsPlainOnly: false,
};

/** RTL8139C+: the first chip with these descriptors; most bits of its receive descriptors are one place lower. */
export const FRAMES_8139CP: FrameFacts = { ...FRAMES_PCI, ringLimit: 64, receiveFormat: "8139" };

/** RTL8101E, the first chip on PCI Express. */
export const FRAMES_8101: FrameFacts = {
  ...FRAMES_PCI,
  // On PCI Express, Realtek's own drivers and Fuchsia's write the low half first, and DPDK uses rings above 4 GiB. So a
  // high half that is written last must take effect, too.
  eitherHalf: true,
  reversedHash: true,
  countsMissed: false,
  checksumsJumbo: false,
  segmentsJumbo: false,
};

/**
 * Config3 and Config4 as Linux's r8169 sets them. FreeBSD also sets bit 1 of Config4 on later chips, which do not need
 * it.
 */
export const FRAMES_8168B: FrameFacts = { ...FRAMES_8101, jumbo: { config3: 0, config4: 1 << 0 } };

/** RTL8102E, 8105E, 8106E, 8402. */
export const FRAMES_8102: FrameFacts = {
  ...FRAMES_8101,
  transmitFormat: 2,
  reportsIpVersion: true,
  damagesShortFrames: false,
};

/** Realtek's own driver and those of the BSDs use the second transmit format; Linux's driver uses the first. */
export const FRAMES_8401: FrameFacts = { ...FRAMES_8102, eitherFormat: true };

export const FRAMES_8168C: FrameFacts = {
  ...FRAMES_8102,
  jumbo: { config3: 1 << 2, config4: 1 << 1 },
  checksumOmitsOptions: true,
};

export const FRAMES_8168D: FrameFacts = { ...FRAMES_8102, jumbo: { config3: 1 << 2, config4: 1 << 1 } };
export const FRAMES_8168DP_28A: FrameFacts = { ...FRAMES_8102, jumbo: { config3: 1 << 2, config4: 0 } };
/** RTL8168E, and the later stepping of the RTL8168DP. */
export const FRAMES_8168E: FrameFacts = { ...FRAMES_8102, jumbo: { config3: 1 << 2, config4: 1 << 0 } };

export const FRAMES_8168EVL: FrameFacts = {
  ...FRAMES_8102,
  padding: "stale",
  checksumsPadding: true,
  segmentsPlainOnly: true,
};

export const FRAMES_8168F: FrameFacts = FRAMES_8102;

/**
 * Drivers set all bits of the hash filter: Linux on the first stepping, FreeBSD on both. No source describes the fault.
 */
export const FRAMES_8168F_480: FrameFacts = { ...FRAMES_8168F, allMulticastOnly: true };

/** RTL8168G, 8168EP, 8117. */
export const FRAMES_8168G: FrameFacts = {
  ...FRAMES_8168F,
  ringLimit: 4096,
  // According to FreeBSD's source this is false for older chips; according to DPDK's source it is true for newer ones.
  // Which chip was the first is not known.
  countsLastPiece: true,
  receiveGate: true,
};

/** RTL8168H. */
export const FRAMES_8168H: FrameFacts = { ...FRAMES_8168G, hashedFormat: 2 };

/** RTL8125A and 8125B. */
export const FRAMES_8125A: FrameFacts = {
  ...FRAMES_8168G,
  hashedFormat: 3,
  stripsByRxConfig: true,
  checksumsJumbo: true,
  padding: "stale",
  checksumsPadding: true,
  hangsOnShortUdp: true,
};

/** RTL8125BP and later. */
export const FRAMES_8125D: FrameFacts = { ...FRAMES_8125A, hashedFormat: 4, hangsOnShortUdp: false };
