/** From a NIC to a TAP: the frames of a burst are merged, and written directly from the receive buffers. */
import { FRAME_FLAGS, FRAME_LENGTH, FRAME_OFFSET, FRAME_TAG, FRAME_WORDS, type Link, Received } from "#kit/link.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { fold } from "#wire/checksum.ts";
import { Coalescer } from "#wire/coalesce.ts";
import {
  dissect,
  DISSECTION_WORDS,
  Layer,
  NETWORK,
  PAYLOAD,
  PAYLOAD_LENGTH,
  PROTOCOL,
  TRANSPORT,
} from "#wire/dissect.ts";
import { Protocol } from "#wire/ipv4.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import type { SegmentRun } from "#wire/segment-run.ts";
import { CHECKSUM as TCP_CHECKSUM } from "#wire/tcp.ts";
import { CHECKSUM as UDP_CHECKSUM } from "#wire/udp.ts";
import { type FrameQueue, NO_TAG, TapWriter } from "./tap-writer.ts";
import { Gso, TAG_BYTES } from "./vnet-header.ts";
import type { FrameObserver } from "./frame-observer.ts";

/** Maximum number of entries that one call receives. The link puts them into its first entries. */
const BURST = 256;
/** In frames shorter than this, marking the checksum as verified costs more than the kernel's own check. */
const MIN_VERIFIED_BYTES = 256;

// Local copies, because V8 folds only a module's own constants into the code and loads imported ones at every use.
const STRIDE = FRAME_WORDS;
const OFFSET = FRAME_OFFSET;
const LENGTH = FRAME_LENGTH;
const FLAGS = FRAME_FLAGS;
const VLAN = FRAME_TAG;
const TAGGED = Received.tagged;
const MORE = Received.more;
const TCP_GOOD = Received.tcpChecksumGood;
const UNTAGGED = NO_TAG;
const ALL_GOOD = Received.ipChecksumGood | Received.tcpChecksumGood | Received.udpChecksumGood;

/**
 * Invariant: frames are written to the TAP before `pump` returns, because the next burst gives their buffers to the
 * NIC.
 */
export class UplinkIn {
  /** Number of frames that were merged. */
  merged = 0;
  /** Number of frames whose tag was inserted again. */
  tagsTaken = 0;
  readonly writer: TapWriter;
  readonly #link: Link;
  /** Mask for the flags of received frames; it selects which of the NIC's results are used. */
  #flagMask = -1;
  /** Only frames with one of these flags are merged. */
  #mergeable = TCP_GOOD;
  readonly #capture: FrameObserver | undefined;
  readonly #coalescer: Coalescer;
  readonly #parts = new Int32Array(DISSECTION_WORDS);

  constructor(tap: FrameQueue, link: Link, capture: FrameObserver | undefined) {
    this.#link = link;
    this.#capture = capture;
    this.writer = new TapWriter(tap, link.memory.bytes.buffer);
    this.#coalescer = new Coalescer({
      bytes: link.memory.bytes,
      checksum: "partial",
      sink: {
        single: (offset, length, flags, tag) => this.#writeSingle(offset, length, flags, tag),
        run: (run) => this.#writeRun(run),
      },
    });
  }

  /**
   * `verified`: whether the NIC's checksum results are used. `merge`: whether segments with a correct checksum are
   * merged.
   */
  setOffloads({ verified, merge }: { readonly verified: boolean; readonly merge: boolean }): void {
    this.#flagMask = verified ? -1 : ~ALL_GOOD;
    this.#mergeable = merge ? TCP_GOOD : 0;
  }

  /**
   * Moves up to `budget` entries, and at most `BURST`. Returns their number; a frame in several buffers has several.
   * @throws {InterfaceGone} if the TAP is gone
   */
  pump(budget: number): number {
    const { burst } = this.#link;
    const count = this.#link.receive(0, Math.min(budget, BURST));
    for (let i = 0; i < count;) i += this.#add(burst, i * STRIDE);
    if (count > 0) this.#coalescer.flush();
    return count;
  }

  /** Adds the frame at `word` of the burst. Returns the number of the frame's entries. */
  #add(burst: Int32Array, word: number): number {
    const offset = burst[word + OFFSET]!;
    const length = burst[word + LENGTH]!;
    const flags = burst[word + FLAGS]! & this.#flagMask;
    const tagged = (flags & TAGGED) !== 0;
    if (tagged) this.tagsTaken++;
    const tag = tagged ? burst[word + VLAN]! & 0xffff : UNTAGGED;
    if ((flags & MORE) !== 0) return this.#writePieces(burst, word, tag);
    this.#capture?.frame(this.#link.memory.bytes, offset, length, false);
    this.#coalescer.add(offset, length, (flags & this.#mergeable) !== 0, flags, tag);
    return 1;
  }

  /**
   * Writes a frame that is in several buffers, and does not merge it. Earlier frames are written first. Returns the
   * number of the frame's entries.
   */
  #writePieces(burst: Int32Array, word: number, tag: number): number {
    this.#coalescer.flush();
    const offset = burst[word + OFFSET]!;
    const first = burst[word + LENGTH]!;
    let length = first;
    let pieces = 1;
    for (let at = word; (burst[at + FLAGS]! & MORE) !== 0; at += STRIDE) {
      length += burst[at + STRIDE + LENGTH]!;
      pieces++;
    }
    if (this.#capture !== undefined) this.#capture.frame(this.#joined(burst, word, pieces, length), 0, length, false);
    this.writer.header.clear();
    const good = burst[word + FLAGS]! & this.#flagMask & (Received.tcpChecksumGood | Received.udpChecksumGood);
    if (good !== 0) this.#markVerified(offset, length, tag === NO_TAG ? 0 : TAG_BYTES, first);
    this.writer.writePieces(burst, word, pieces, tag);
    return pieces;
  }

  /** Copies the frame into one piece, for a capture. */
  #joined(burst: Int32Array, word: number, pieces: number, length: number): Uint8Array {
    const whole = new Uint8Array(length);
    let end = 0;
    for (let at = word; at < word + pieces * STRIDE; at += STRIDE) {
      const offset = burst[at + OFFSET]!;
      whole.set(this.#link.memory.bytes.subarray(offset, offset + burst[at + LENGTH]!), end);
      end += burst[at + LENGTH]!;
    }
    return whole;
  }

  #writeSingle(offset: number, length: number, flags: number, tag: number): void {
    const { header } = this.writer;
    header.clear();
    const good = flags & (Received.tcpChecksumGood | Received.udpChecksumGood);
    if (good !== 0 && length >= MIN_VERIFIED_BYTES) this.#markVerified(offset, length, tag === NO_TAG ? 0 : TAG_BYTES);
    this.writer.writeFrame(offset, length, tag);
  }

  #writeRun(run: SegmentRun): void {
    const { header } = this.writer;
    const shift = run.tag === NO_TAG ? 0 : TAG_BYTES;
    header.clear();
    header.setSegments(run.ipv6 ? Gso.tcp6 : Gso.tcp4, run.segmentBytes, run.headerBytes + shift);
    header.setChecksum(run.transportOffset + shift, TCP_CHECKSUM);
    this.merged += run.segments;
    this.writer.writeRun(run, run.tag);
  }

  /**
   * Marks a frame that the NIC has verified, so that the kernel does not verify it again. A TAP ignores
   * VIRTIO_NET_HDR_F_DATA_VALID (tested on Linux 6.18). Therefore the frame gets a partial checksum, like a frame that
   * this machine sends; every kernel trusts such a checksum.
   * @param first number of the frame's bytes at `offset`, if the rest is elsewhere; the frame is marked only if they
   * include all headers
   */
  #markVerified(offset: number, length: number, shift: number, first = length): void {
    const { memory } = this.#link;
    const parts = this.#parts;
    if (dissect(memory.bytes, offset, length, parts) < Layer.transport) return;
    const transport = parts[TRANSPORT]!;
    const end = parts[PAYLOAD]! + parts[PAYLOAD_LENGTH]!;
    const udp = parts[PROTOCOL] === Protocol.udp;
    if (end !== length || parts[PAYLOAD]! > first || (!udp && parts[PROTOCOL] !== Protocol.tcp)) return;
    const checksum = udp ? UDP_CHECKSUM : TCP_CHECKSUM;
    const field = offset + transport + checksum;
    // A UDP datagram without checksum is not changed.
    if (get16(memory.bytes, field) === 0) return;
    put16(
      memory.bytes,
      field,
      fold(pseudoHeaderSum(memory, offset + parts[NETWORK]!, parts[PROTOCOL]!, end - transport)),
    );
    this.writer.header.setChecksum(transport + shift, checksum);
  }
}
