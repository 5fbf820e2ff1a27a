/** A packet from a capture file of either format, and the error for invalid files. */

/** Not a valid capture file. Has the shape of the kit's errors, which this room does not import. */
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
  /** Whether the file has a time for it. */
  readonly timed: boolean;
  /** Seconds since 1970, and nanoseconds. Both 0 without a time. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** The frame's length on the wire without FCS; larger than `bytes.length` if it was truncated. */
  readonly originalLength: number;
  /** The frame without FCS, as a view of the file; never more than `originalLength`. */
  readonly bytes: Uint8Array;
}

/**
 * The frame in the captured bytes: without bytes beyond the original length, and without an FCS of `fcsBytes` at its
 * end.
 */
export const frameOf = (
  captured: Uint8Array,
  originalLength: number,
  fcsBytes: number,
): Pick<CapturedPacket, "originalLength" | "bytes"> => {
  const length = Math.max(0, originalLength - fcsBytes);
  return { originalLength: length, bytes: captured.subarray(0, length) };
};

/** Bytes of Ethernet's FCS. A file that declares a longer one uses another unit. */
export const ETHERNET_FCS = 4;
