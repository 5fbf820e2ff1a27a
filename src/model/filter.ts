/** The receive filter: which destinations a frame may have. */
import { Rx } from "#chip/descriptors.ts";
import { IDR0, MAR0, RxConf, RxConfig } from "#chip/registers.ts";
import { multicastHash } from "#wire/crc32.ts";
import type { Page } from "./page.ts";

// The engine folds a module's own constants into the code, but loads imported ones at every use.
const PHYSICAL = Rx.physical;
const MULTICAST = Rx.multicast;
const BROADCAST = Rx.broadcast;
/** The frame is kept out. */
const OUT = -1;

/**
 * Station address and multicast hash as the registers have them.
 *
 * On all chips but the PCI ones the hash's eight bytes stand in reverse order: both words are swapped with each other, and
 * each is byte-swapped (FreeBSD if_re.c, re_set_rxmode).
 */
export class ReceiveFilter {
  readonly #page: Page;
  readonly #reversed: boolean;
  readonly #hash = new Uint8Array(8);
  /** The station address, two bytes each. */
  #station0 = 0;
  #station1 = 0;
  #station2 = 0;
  /** What becomes of each kind of frame: its bits in opts1, or `OUT`. */
  #mine = OUT;
  #stranger = OUT;
  #broadcast = OUT;
  #multicast = OUT;

  constructor(page: Page, reversed: boolean) {
    this.#page = page;
    this.#reversed = reversed;
  }

  /** The registers changed. */
  load(): void {
    const page = this.#page;
    this.#station0 = page.get(IDR0, 2);
    this.#station1 = page.get(IDR0 + 2, 2);
    this.#station2 = page.get(IDR0 + 4, 2);
    for (let i = 0; i < 8; i++) this.#hash[i] = page.get(MAR0 + (this.#reversed ? 7 - i : i), 1);
    const accept = page.get(RxConfig, 4);
    const all = (accept & RxConf.acceptAll) !== 0;
    this.#mine = all || (accept & RxConf.acceptPhysical) !== 0 ? PHYSICAL : OUT;
    this.#stranger = all ? 0 : OUT;
    this.#broadcast = (accept & RxConf.acceptBroadcast) !== 0 ? BROADCAST : OUT;
    this.#multicast = (accept & RxConf.acceptMulticast) !== 0 ? MULTICAST : OUT;
  }

  /**
   * What opts1 says about the destination of the frame at `frame` (`Rx.physical`, `Rx.multicast`, `Rx.broadcast`, or 0
   * for one station's frame to another), or a negative number when the frame is not let in.
   */
  admit(bytes: Uint8Array, frame: number): number {
    const a = bytes[frame]! | (bytes[frame + 1]! << 8);
    const b = bytes[frame + 2]! | (bytes[frame + 3]! << 8);
    const c = bytes[frame + 4]! | (bytes[frame + 5]! << 8);
    if ((a & 1) === 0)
      return a === this.#station0 && b === this.#station1 && c === this.#station2 ? this.#mine : this.#stranger;
    if ((a & b & c) === 0xffff) return this.#broadcast;
    return this.#multicast !== OUT && this.#hashed(bytes, frame) ? MULTICAST : OUT;
  }

  #hashed(bytes: Uint8Array, frame: number): boolean {
    const bit = multicastHash(bytes, frame);
    return ((this.#hash[bit >>> 3]! >>> (bit & 7)) & 1) !== 0;
  }
}
