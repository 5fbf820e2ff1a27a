/**
 * struct virtio_net_hdr: what stands before each frame of a TAP and says what is still to be done to it.
 *
 * Source: virtio 1.2, 5.1.6; Documentation/networking/tuntap.rst. A TAP uses the machine's own byte order (which for
 * Ferrule is little-endian) and calls the buffer count of the longer form unused.
 */

/** Bytes of the header with the buffer count. */
export const VNET_HEADER_BYTES = 12;
/** A VLAN tag to be inserted is kept behind the header, where `writev` takes it between the pieces of a frame. */
export const TAG_BYTES = 4;

/** `flags`: the checksum field holds the pseudo header's sum; the rest is to be added. */
export const NEEDS_CHECKSUM = 1;
/** `flags`: whoever handed the frame over has verified its checksum. */
export const DATA_VALID = 2;

/** `gso`, how the frame is to be cut: the type, and a bit that says the first segment alone carries CWR. */
export const Gso = { none: 0, tcp4: 1, tcp6: 4, ecn: 0x80 } as const;

const TYPE_VLAN = 0x8100;

/** One header in memory of its own, which an `Iovecs` takes as its side buffer. */
export class VnetHeader {
  readonly buffer = new ArrayBuffer(VNET_HEADER_BYTES + TAG_BYTES);
  readonly #halves = new Uint16Array(this.buffer);

  get flags(): number {
    return this.#halves[0]! & 0xff;
  }
  get gso(): number {
    return this.#halves[0]! >>> 8;
  }
  /** Bytes of all headers of a super-frame. */
  get headerBytes(): number {
    return this.#halves[1]!;
  }
  /** Payload of each segment of a super-frame. */
  get segmentBytes(): number {
    return this.#halves[2]!;
  }
  /** Where summing starts, in bytes from the start of the frame, and where the sum goes, from there. */
  get checksumStart(): number {
    return this.#halves[3]!;
  }
  get checksumOffset(): number {
    return this.#halves[4]!;
  }

  /** Nothing is to be done. */
  clear(): void {
    this.#halves.fill(0, 0, VNET_HEADER_BYTES / 2);
  }

  /** A super-frame, in segments of `segmentBytes` of payload. Call after `clear`. */
  setSegments(gso: number, segmentBytes: number, headerBytes: number): void {
    this.#halves[0] = (this.#halves[0]! & 0xff) | (gso << 8);
    this.#halves[1] = headerBytes;
    this.#halves[2] = segmentBytes;
  }

  /** The checksum at `start` + `offset` is to be completed. Call after `clear`. */
  setChecksum(start: number, offset: number): void {
    this.#halves[0]! |= NEEDS_CHECKSUM;
    this.#halves[3] = start;
    this.#halves[4] = offset;
  }

  /** The tag behind the header, ready for the frame. */
  setTag(tag: number): void {
    const at = VNET_HEADER_BYTES / 2;
    this.#halves[at] = ((TYPE_VLAN & 0xff) << 8) | (TYPE_VLAN >>> 8);
    this.#halves[at + 1] = ((tag & 0xff) << 8) | (tag >>> 8);
  }
}
