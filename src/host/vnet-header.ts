/**
 * struct virtio_net_hdr, which precedes each frame of a TAP and describes its outstanding offloads.
 *
 * Source: virtio 1.2, 5.1.6; Documentation/networking/tuntap.rst. A TAP uses the machine's byte order (little-endian
 * here) and ignores the buffer count of the longer form.
 */

/** Length in bytes of the longer form of the header, which has a buffer count. */
export const VNET_HEADER_BYTES = 12;
/**
 * Number of bytes in a VLAN tag. A tag that must be inserted is stored after the header; `writev` takes it from there,
 * between the pieces of a frame.
 */
export const TAG_BYTES = 4;

/** `flags`: the checksum field holds only the pseudo header's sum; the receiver of the header must add the rest. */
export const NEEDS_CHECKSUM = 1;
/** `flags`: the frame's checksum was already verified. */
export const DATA_VALID = 2;

/** `gso`: the type of segmentation, and a bit (`ecn`) that requests the TCP flag CWR in the first segment only. */
export const Gso = { none: 0, tcp4: 1, tcp6: 4, ecn: 0x80 } as const;

const TYPE_VLAN = 0x8100;

/** One header, in memory that an `Iovecs` uses as its side buffer. */
export class VnetHeader {
  readonly buffer = new ArrayBuffer(VNET_HEADER_BYTES + TAG_BYTES);
  readonly #halves = new Uint16Array(this.buffer);

  get flags(): number {
    return this.#halves[0]! & 0xff;
  }
  get gso(): number {
    return this.#halves[0]! >>> 8;
  }
  /** Number of bytes in all headers of a super-frame. */
  get headerBytes(): number {
    return this.#halves[1]!;
  }
  /** Number of payload bytes in each segment of a super-frame. */
  get segmentBytes(): number {
    return this.#halves[2]!;
  }
  /** Offset in the frame of the first checksummed byte. */
  get checksumStart(): number {
    return this.#halves[3]!;
  }
  /** Offset of the checksum field from `checksumStart`. */
  get checksumOffset(): number {
    return this.#halves[4]!;
  }

  /** Requests no offload. */
  clear(): void {
    this.#halves.fill(0, 0, VNET_HEADER_BYTES / 2);
  }

  /** Requests segmentation, with `segmentBytes` of payload in each segment. Call `clear` before. */
  setSegments(gso: number, segmentBytes: number, headerBytes: number): void {
    this.#halves[0] = (this.#halves[0]! & 0xff) | (gso << 8);
    this.#halves[1] = headerBytes;
    this.#halves[2] = segmentBytes;
  }

  /** Requests the checksum at `start` + `offset`. Call `clear` before. */
  setChecksum(start: number, offset: number): void {
    this.#halves[0]! |= NEEDS_CHECKSUM;
    this.#halves[3] = start;
    this.#halves[4] = offset;
  }

  /** Stores the tag after the header in network order. */
  setTag(tag: number): void {
    const at = VNET_HEADER_BYTES / 2;
    this.#halves[at] = ((TYPE_VLAN & 0xff) << 8) | (TYPE_VLAN >>> 8);
    this.#halves[at + 1] = ((tag & 0xff) << 8) | (tag >>> 8);
  }
}
