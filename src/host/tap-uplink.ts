/**
 * The host's side of a NIC: a TAP interface and a `Link`, with super-frames kept whole in between.
 *
 * Out: one readv puts a frame of up to 64 KiB straight into DMA memory; its virtio header becomes `Send` bits. In: frames
 * of a burst are merged where they lie in the receive buffers, and one writev takes a merged frame straight from there.
 */
import type { Link, Offloads } from "#kit/link.ts";
import { SystemError } from "#sys/errno.ts";
import { Interfaces } from "#sys/interface.ts";
import { setGsoMax } from "#sys/netlink.ts";
import type { Tap } from "#sys/tap.ts";
import { UplinkIn } from "./uplink-in.ts";
import { UplinkOut } from "./uplink-out.ts";
import type { WireTap } from "./wire-tap.ts";

export interface TapUplinkOptions {
  /** Opened with `vnetHeader`. Its offloads are set here. */
  readonly tap: Tap;
  readonly link: Link;
  /** The part of the link's DMA window that outgoing frames are read into: bytes, at least 256 KiB. */
  readonly sendArena: { readonly offset: number; readonly length: number };
  /** What the NIC does at present. The kernel is told to do the rest, but for checksums over IPv6 alone, which are filled in here. */
  readonly offloads: Offloads;
  /** Sees each frame as the host sends it and as the NIC delivers it, where tags have been taken out. */
  readonly capture?: WireTap | undefined;
}

/** All that has been counted since the uplink was made. */
export interface UplinkCounters {
  /** Frames read from the host (a super-frame is one), and of these the ones summed or cut in software. */
  readonly frames: number;
  readonly softwareSums: number;
  readonly softwareCuts: number;
  /** Frames from the host that were longer than any may be, or whose virtio header does not fit them. */
  readonly sendDrops: number;
  /** Frames written to the host (a merged one is one), and frames from the wire that were merged into such. */
  readonly writes: number;
  readonly merged: number;
  /** Frames that came with a tag, which was put back. */
  readonly tagsTaken: number;
  /** Frames the kernel would not take. */
  readonly receiveDrops: number;
  /** Frames that came while the interface was down. */
  readonly hostDown: number;
}

/** Moves frames both ways when pumped, by one thread. Owns nothing: the TAP and the link are the caller's. */
export class TapUplink implements Disposable {
  readonly #out: UplinkOut;
  readonly #in: UplinkIn;
  #disposed = false;

  /** @throws {OutOfRange} {SystemError} */
  constructor(options: TapUplinkOptions) {
    const { tap, link, offloads, capture } = options;
    this.#out = new UplinkOut({ ...options, capture });
    this.#in = new UplinkIn(tap, link, capture);
    const { checksum, segmentation, ipv6 } = offloads;
    tap.setOffload({ checksum, tso4: segmentation, tso6: segmentation && ipv6 });
    if (segmentation) limitSuperFrames(tap, offloads);
  }

  /** True while reading from the TAP would be of no use: the NIC has no room. */
  get stalled(): boolean {
    return this.#out.stalled;
  }

  /** The host had no more frames when it was last asked. */
  get dry(): boolean {
    return this.#out.dry;
  }

  /** From the host to the NIC, at most `budget` frames. Returns how much was moved. @throws {SystemError} when the TAP has gone */
  pumpOut(budget: number): number {
    return this.#disposed ? 0 : this.#out.pump(budget);
  }

  /** From the NIC to the host, at most `budget` frames. Returns how many. @throws {SystemError} when the TAP has gone */
  pumpIn(budget: number): number {
    return this.#disposed ? 0 : this.#in.pump(budget);
  }

  get counters(): UplinkCounters {
    const { frames, softwareSums, softwareCuts, drops } = this.#out;
    const { merged, tagsTaken, writer } = this.#in;
    const { writes, refused, down } = writer;
    return {
      frames,
      softwareSums,
      softwareCuts,
      sendDrops: drops,
      writes,
      merged,
      tagsTaken,
      receiveDrops: refused,
      hostDown: down,
    };
  }

  /** Stops. Frames that were read and wait for the NIC are forgotten, as those in its ring are when it is reset. */
  [Symbol.dispose](): void {
    this.#disposed = true;
  }
}

/** The kernel makes no longer super-frames than the chips cut. Where it cannot be told, longer ones are cut in software. */
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
