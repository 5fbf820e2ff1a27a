/** A packet as a capture file has it, in either form, and what makes a file none. */

/** Bytes that are no capture file. Has the shape of the kit's errors, which this room does not import. */
export class MalformedCapture extends Error {
  override readonly name = "MalformedCapture";
  readonly code = "MALFORMED_CAPTURE";
  readonly hint = "Look at the file with: capinfos FILE";
  /** Where the block or packet starts that is wrong. */
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
  /** What the bytes start with (tcpdump.org/linktypes.html); 1 is Ethernet, -1 is not known. */
  readonly linkType: number;
  /** One of `Direction`. */
  readonly direction: number;
  /** The file says that the frame was damaged on the wire. */
  readonly damaged: boolean;
  /** Whether the file has a time for it. */
  readonly timed: boolean;
  /** Since 1970, whole; and the rest. Both 0 where there is no time. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** The frame's length on the wire without FCS; more than `bytes.length` when it was cut. */
  readonly originalLength: number;
  /** The frame without FCS, as a view of the file; never more than `originalLength`. */
  readonly bytes: Uint8Array;
}

/**
 * The frame among captured bytes: what exceeds the original length is not part of it, nor is an FCS of `fcsBytes` at its end.
 */
export const frameOf = (
  captured: Uint8Array,
  originalLength: number,
  fcsBytes: number,
): Pick<CapturedPacket, "originalLength" | "bytes"> => {
  const length = Math.max(0, originalLength - fcsBytes);
  return { originalLength: length, bytes: captured.subarray(0, length) };
};

/** The FCS of Ethernet, in bytes. A file that declares a longer one counts in a unit of its own. */
export const ETHERNET_FCS = 4;
