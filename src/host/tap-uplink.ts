/**
 * The host's side of a NIC: a TAP interface and a `Link`, between which super-frames stay whole.
 *
 * To the NIC: one readv puts a frame of up to 64 KiB directly into DMA memory; its virtio header is translated to
 * `Send` bits. From the NIC: frames of a burst are merged in the receive buffers, and one writev writes a merged frame
 * directly from there.
 */
import type { Link, Offloads } from "#kit/link.ts";
import { SystemError } from "#sys/errno.ts";
import { Interfaces } from "#sys/interface.ts";
import { setGsoMax } from "#sys/netlink.ts";
import type { Tap } from "#sys/tap.ts";
import { UplinkIn } from "./uplink-in.ts";
import { UplinkOut } from "./uplink-out.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * The state of the link, and the offloads that users can switch on and off. The kernel does the work of those that are
 * off.
 */
export interface UplinkSwitches {
  /** The NIC has a link. Without one, the host's frames wait. */
  readonly carrier: boolean;
  /** Checksums of frames to be sent. */
  readonly checksum: boolean;
  /** Segmentation of TCP over IPv4. */
  readonly tso4: boolean;
  /** Segmentation of TCP over IPv6. */
  readonly tso6: boolean;
  /** Remove the tag of a frame to be sent, and let the NIC insert it. */
  readonly insertTag: boolean;
  /** Use the NIC's checksum results. */
  readonly verified: boolean;
  /** Merge received segments. */
  readonly merge: boolean;
}

const ALL_ON: UplinkSwitches = {
  carrier: true,
  checksum: true,
  tso4: true,
  tso6: true,
  insertTag: true,
  verified: true,
  merge: true,
};

export interface TapUplinkOptions {
  /** The TAP must have been opened with `vnetHeader`. Its offloads are set here. */
  readonly tap: Tap;
  /**
   * The TAP queues whose frames are sent through the link; default: `tap` itself. Empty for a link that only receives.
   */
  readonly sources?: readonly Tap[];
  readonly link: Link;
  /**
   * The part of the link's DMA window for outgoing frames, in bytes. It needs space for three frames of `FRAME_ROOM`;
   * 256 KiB suffice.
   */
  readonly sendArena: { readonly offset: number; readonly length: number };
  /**
   * The NIC's present offloads. The kernel does the work of offloads that the NIC lacks. Requests that remain and that
   * the NIC cannot carry out are carried out here: for example, checksums over IPv6 if the NIC has only those over
   * IPv4.
   */
  readonly offloads: Offloads;
  /** State of the link, and offloads that users have left on; default: link up, all on. */
  readonly switches?: UplinkSwitches | undefined;
  /**
   * Receives each frame: as the host sends it, with its tag, or as the NIC delivers it, when the tag is already
   * stripped.
   */
  readonly capture?: FrameObserver | undefined;
}

/** Counters since the uplink was created. */
export interface UplinkCounters {
  /** Number of frames read from the host; a super-frame counts once. */
  readonly frames: number;
  /** Number of frames from the host that were checksummed in software. */
  readonly softwareSums: number;
  /** Number of frames from the host that were segmented in software. */
  readonly softwareCuts: number;
  /**
   * Number of frames from the host that were dropped: too short, too long, or with a virtio header that did not match.
   */
  readonly sendDrops: number;
  /** Number of frames and segments read but not passed to the NIC; counted when the uplink is disposed. */
  readonly sendDiscards: number;
  /** Number of frames written to the host; a merged frame counts once. */
  readonly writes: number;
  /** Number of frames from the wire that were merged. */
  readonly merged: number;
  /** Number of frames that arrived with a tag, which was inserted again. */
  readonly tagsTaken: number;
  /** Number of frames that the kernel rejected or had no memory for, or that were in too many buffers. */
  readonly receiveDrops: number;
  /** Number of frames that arrived while the interface was down. */
  readonly hostDown: number;
}

const NOTHING_SENT = { frames: 0, softwareSums: 0, softwareCuts: 0, drops: 0, discards: 0 } as const;

/** Moves frames in both directions when its methods are called, in one thread. The caller owns the TAP and the link. */
export class TapUplink implements Disposable {
  readonly #tap: Tap;
  readonly #offloads: Offloads;
  readonly #out: UplinkOut | undefined;
  readonly #in: UplinkIn;
  #disposed = false;

  /** @throws {OutOfRange} if `UplinkOut` cannot use the send arena; {SystemError} for errors of the TAP */
  constructor(options: TapUplinkOptions) {
    const { tap, sources = [tap], link, offloads, capture, switches = ALL_ON } = options;
    this.#tap = tap;
    this.#offloads = offloads;
    if (sources.length > 0) this.#out = new UplinkOut({ ...options, taps: sources, capture });
    this.#in = new UplinkIn(tap, link, capture);
    this.switch(switches);
    if (offloads.segmentation) limitSuperFrames(tap, offloads);
  }

  /** Applies the switches. The offloads of frames that were read already do not change. @throws {SystemError} */
  switch({ carrier, checksum, tso4, tso6, insertTag, verified, merge }: UplinkSwitches): void {
    const { segmentation, ipv6 } = this.#offloads;
    const sums = this.#offloads.checksum && checksum;
    const segments = sums && segmentation;
    this.#tap.setOffload({ checksum: sums, tso4: segments && tso4, tso6: segments && ipv6 && tso6 });
    if (this.#out !== undefined) {
      this.#out.carrier = carrier;
      this.#out.insertsTag = insertTag;
    }
    this.#in.setOffloads({ verified, merge });
  }

  /** False if the link only receives. */
  get sends(): boolean {
    return this.#out !== undefined;
  }

  /** True if frames of the host can be sent: there is a link, and the NIC has room. */
  accepts(): boolean {
    return this.#out !== undefined && this.#out.carrier && !this.#out.stalled;
  }

  /** True while the NIC has a link but no room: reading from the TAP is then useless. */
  stalled(): boolean {
    return this.#out?.stalled ?? false;
  }

  /** True if the last read found no more frames from the host, and while the NIC has no link. */
  get drained(): boolean {
    return this.#out?.drained ?? true;
  }

  /**
   * Moves at most `budget` new frames from the host to the NIC; see `UplinkOut.pump` for what is counted and returned.
   * @throws {InterfaceGone} if the TAP is gone; {SystemError} if it cannot be read for another reason
   */
  pumpOut(budget: number): number {
    return this.#disposed || this.#out === undefined ? 0 : this.#out.pump(budget);
  }

  /**
   * Moves at most `budget` entries of the link from the NIC to the host. Returns their number.
   * @throws {InterfaceGone} if the TAP is gone
   */
  pumpIn(budget: number): number {
    return this.#disposed ? 0 : this.#in.pump(budget);
  }

  get counters(): UplinkCounters {
    const { frames, softwareSums, softwareCuts, drops, discards } = this.#out ?? NOTHING_SENT;
    const { merged, tagsTaken, writer } = this.#in;
    const { writes, refused, down } = writer;
    return {
      frames,
      softwareSums,
      softwareCuts,
      sendDrops: drops,
      sendDiscards: discards,
      writes,
      merged,
      tagsTaken,
      receiveDrops: refused,
      hostDown: down,
    };
  }

  /** Stops the uplink. Frames that wait for the NIC are discarded and counted. */
  [Symbol.dispose](): void {
    if (!this.#disposed) this.#out?.discard();
    this.#disposed = true;
  }
}

/**
 * Limits the kernel's super-frames to what the chip can segment. If the kernel does not support this, longer ones are
 * segmented in software.
 */
const limitSuperFrames = (tap: Tap, { superFrameBytes, segments }: Offloads): void => {
  const set = (): void => {
    using interfaces = Interfaces.open();
    setGsoMax(interfaces.index(tap.currentName()), superFrameBytes, segments);
  };
  try {
    using namespace = tap.namespace();
    if (namespace === undefined) set();
    else namespace.within(set);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
