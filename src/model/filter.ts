/** The receive filter: which destinations a frame may have. */
import { RxConf } from "#chip/registers.ts";
import { multicastHash } from "#wire/crc32.ts";
import { IDR0, MAR0, RxConfig } from "#chip/registers.ts";
import type { Page } from "./page.ts";

/** What a frame's destination is. */
export const Destination = { unicast: 0, multicast: 1, broadcast: 2 } as const;

/**
 * Station address and multicast hash as the registers have them.
 *
 * On all chips but the PCI ones the hash's eight bytes stand in reverse order: both words are swapped with each other, and
 * each is byte-swapped (FreeBSD if_re.c, re_set_rxmode).
 */
export class ReceiveFilter {
  readonly #page: Page;
  readonly #reversed: boolean;
  readonly #station = new Uint8Array(6);
  readonly #hash = new Uint8Array(8);
  #accept = 0;

  constructor(page: Page, reversed: boolean) {
    this.#page = page;
    this.#reversed = reversed;
  }

  /** The registers changed. */
  load(): void {
    for (let i = 0; i < 6; i++) this.#station[i] = this.#page.get(IDR0 + i, 1);
    for (let i = 0; i < 8; i++) this.#hash[i] = this.#page.get(MAR0 + (this.#reversed ? 7 - i : i), 1);
    this.#accept = this.#page.get(RxConfig, 4) & RxConf.acceptMask;
  }

  destination(bytes: Uint8Array, frame: number): number {
    if ((bytes[frame]! & 1) === 0) return Destination.unicast;
    for (let i = 0; i < 6; i++) if (bytes[frame + i] !== 0xff) return Destination.multicast;
    return Destination.broadcast;
  }

  /** Whether the frame is for the station's own address. */
  isMine(bytes: Uint8Array, frame: number): boolean {
    for (let i = 0; i < 6; i++) if (bytes[frame + i] !== this.#station[i]) return false;
    return true;
  }

  accepts(bytes: Uint8Array, frame: number, destination: number, mine: boolean): boolean {
    const accept = this.#accept;
    if (destination === Destination.broadcast) return (accept & RxConf.acceptBroadcast) !== 0;
    if (destination === Destination.multicast) {
      if ((accept & RxConf.acceptMulticast) === 0) return false;
      const bit = multicastHash(bytes, frame);
      return ((this.#hash[bit >>> 3]! >>> (bit & 7)) & 1) !== 0;
    }
    return (accept & RxConf.acceptAll) !== 0 || (mine && (accept & RxConf.acceptPhysical) !== 0);
  }
}
