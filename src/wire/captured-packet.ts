/** A packet from a pcap or pcapng file, and the error for invalid files. */

/** The capture file is invalid. This class has the fields of the kit's errors, which this room may not import. */
export class MalformedCapture extends Error {
  override readonly name = "MalformedCapture";
  readonly code = "MALFORMED_CAPTURE";
  readonly hint = "Examine the file with: capinfos FILE";
  /** Offset of the invalid block or packet. */
  readonly offset: number;
  constructor(offset: number, what: string) {
    super(`capture file, byte ${offset}: ${what}`);
    this.offset = offset;
  }
}

export interface CapturedPacket {
  readonly interfaceId: number;
  /** Name of the interface; empty when the file gives none. */
  readonly interfaceName: string;
  /** Type of the link-layer header (tcpdump.org/linktypes.html); 1 is Ethernet, -1 is unknown. */
  readonly linkType: number;
  /** One of `Direction`. */
  readonly direction: number;
  /** The file marks the frame as damaged on the wire. */
  readonly damaged: boolean;
  /** Whether the file has a time for the packet. */
  readonly timed: boolean;
  /** Seconds since 1970, and nanoseconds. Both are 0 if the file has no time for the packet. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** The frame's length on the wire without FCS; larger than `bytes.length` if the capture has truncated it. */
  readonly originalLength: number;
  /** The captured bytes without FCS, as a view of the file; at most `originalLength` of them. */
  readonly bytes: Uint8Array;
}

/**
 * Removes from the captured bytes those beyond the original length, and an FCS of `fcsBytes` at the end of the frame.
 */
export const frameOf = (
  captured: Uint8Array,
  originalLength: number,
  fcsBytes: number,
): Pick<CapturedPacket, "originalLength" | "bytes"> => {
  const length = Math.max(0, originalLength - fcsBytes);
  return { originalLength: length, bytes: captured.subarray(0, length) };
};

/** Length of Ethernet's FCS in bytes. If a file declares a larger length, the file uses another unit. */
export const ETHERNET_FCS = 4;
