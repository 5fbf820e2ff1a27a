/** The receive filter: accepts or rejects frames by destination address. */
import { Rx } from "#chip/descriptors.ts";
import type { FrameFacts } from "#chip/frames.ts";
import { CPlus, CPlusCmd, IDR0, MAR0, PHYstatus, PhyStatus, RxConf, RxConfig } from "#chip/registers.ts";
import { isPause } from "./flow-control.ts";
import { multicastHash } from "#wire/crc32.ts";
import type { Page } from "../registers/page.ts";

// Local copies of imported constants, for speed: decision 8.
const PHYSICAL = Rx.physical;
const MULTICAST = Rx.multicast;
const BROADCAST = Rx.broadcast;
/** Result for a frame that is rejected. */
const OUT = -1;
/** Result for a MAC control frame to the address of pause frames, which the MAC consumes. */
export const PAUSE = -2;

/**
 * Compares a frame's destination with the station address and the multicast hash in the registers. Except on PCI chips,
 * the eight bytes of the hash are in reverse order: the two words are exchanged, and each is byte-swapped (FreeBSD
 * if_re.c, re_set_rxmode).
 */
export class ReceiveFilter {
  readonly #page: Page;
  readonly #reversed: boolean;
  readonly #allOnly: boolean;
  readonly #hash = new Uint8Array(8);
  /** The station address, in three parts of two bytes. */
  #station0 = 0;
  #station1 = 0;
  #station2 = 0;
  /**
   * For each kind of destination, its bits in opts1, or `OUT`. `#otherStations` is for unicast addresses of other
   * stations.
   */
  #ownAddress = OUT;
  #otherStations = OUT;
  #broadcast = OUT;
  #multicast = OUT;
  /** Whether receive flow control is enabled. */
  #pauses = false;

  constructor(page: Page, facts: Pick<FrameFacts, "reversedHash" | "allMulticastOnly">) {
    this.#page = page;
    this.#reversed = facts.reversedHash;
    this.#allOnly = facts.allMulticastOnly;
  }

  /** Reads the registers again; call this when they changed. */
  load(): void {
    const page = this.#page;
    this.#station0 = page.get(IDR0, 2);
    this.#station1 = page.get(IDR0 + 2, 2);
    this.#station2 = page.get(IDR0 + 4, 2);
    for (let i = 0; i < 8; i++) this.#hash[i] = page.get(MAR0 + (this.#reversed ? 7 - i : i), 1);
    const accept = page.get(RxConfig, 4);
    const all = (accept & RxConf.acceptAll) !== 0;
    this.#ownAddress = all || (accept & RxConf.acceptPhysical) !== 0 ? PHYSICAL : OUT;
    this.#otherStations = all ? 0 : OUT;
    this.#broadcast = (accept & RxConf.acceptBroadcast) !== 0 ? BROADCAST : OUT;
    const hashes = !this.#allOnly || this.#hash.every((byte) => byte === 0xff);
    this.#multicast = (accept & RxConf.acceptMulticast) !== 0 && hashes ? MULTICAST : OUT;
    this.#pauses =
      (page.get(PHYstatus, 1) & PhyStatus.receiveFlow) !== 0 || (page.get(CPlusCmd, 2) & CPlus.forceReceiveFlow) !== 0;
  }

  /**
   * Returns the bits of opts1 for the destination of the frame at `frame`: `Rx.physical`, `Rx.multicast`,
   * `Rx.broadcast`, or 0 for a unicast frame to another station. Returns a negative number if the frame is not
   * delivered: `PAUSE` or `OUT`.
   */
  admit(bytes: Uint8Array, frame: number): number {
    const a = bytes[frame]! | (bytes[frame + 1]! << 8);
    const b = bytes[frame + 2]! | (bytes[frame + 3]! << 8);
    const c = bytes[frame + 4]! | (bytes[frame + 5]! << 8);
    if ((a & 1) === 0)
      return a === this.#station0 && b === this.#station1 && c === this.#station2
        ? this.#ownAddress
        : this.#otherStations;
    if ((a & b & c) === 0xffff) return this.#broadcast;
    if (this.#pauses && isPause(bytes, frame)) return PAUSE;
    return this.#multicast !== OUT && this.#hashed(bytes, frame) ? MULTICAST : OUT;
  }

  #hashed(bytes: Uint8Array, frame: number): boolean {
    const bit = multicastHash(bytes, frame);
    return ((this.#hash[bit >>> 3]! >>> (bit & 7)) & 1) !== 0;
  }
}
