/** The chip's bus master port: guest memory, the bus master bit, and what happens when the chip is sent astray. */
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";
import type { ConfigSpace } from "../pci/config-space.ts";
import type { Offences } from "../observation/strict.ts";

const GIB4 = 2 ** 32;
/** Offsets above this are no small integers any more; a bus splits larger memory into several regions. */
const LARGEST_OFFSET = 2 ** 31 - 1;
const MEGABYTE = 20;
const PLACES = 64;
const NOWHERE: MemoryRegion = { address: 0, length: 0, bytes: new Uint8Array(0), words: new Int32Array(0) };

/**
 * Finds guest memory, remembering where it was found last.
 *
 * Addresses come as the two words of a descriptor and places go as byte offsets: both are small integers, which cost
 * nothing to hand over, while an address in one number would be allocated on the heap for every frame.
 *
 * Invariant: memory is found only while the bus has not said that it changed.
 */
export class Dma {
  readonly #config: ConfigSpace;
  readonly #offences: Offences;
  readonly #aborted: () => void;
  /** Changes whenever what was found before may be wrong. */
  epoch = 0;
  #memory: (GuestMemory & { readonly refused?: boolean }) | undefined;
  /** The last two regions: rings and frames often lie in different ones. */
  #last: MemoryRegion = NOWHERE;
  #other: MemoryRegion = NOWHERE;
  /** The region found last for each megabyte, by the lowest bits of its number. */
  readonly #found: MemoryRegion[] = Array.from({ length: PLACES }, () => NOWHERE);

  /** @param aborted called when the bus refused an access */
  constructor(config: ConfigSpace, offences: Offences, aborted: () => void) {
    this.#config = config;
    this.#offences = offences;
    this.#aborted = aborted;
  }

  /** @param memory `refused` says that what was asked for last was kept back, and the guest is not to be blamed */
  attach(memory: GuestMemory & { readonly refused?: boolean }): void {
    this.#memory = memory;
    this.forget();
  }

  /** The bus mapped or unmapped memory: what was remembered may be wrong now. */
  forget(): void {
    this.epoch = (this.epoch + 1) & 0xfff_ffff;
    this.#last = NOWHERE;
    this.#other = NOWHERE;
    for (let i = 0; i < PLACES; i++) this.#found[i] = NOWHERE;
  }

  /** Whether bus mastering is on; if not, wanting it is an offence. */
  allowed(): boolean {
    if (this.#config.busMaster) return true;
    this.#offences.commit("busMaster", 0);
    return false;
  }

  /** The region in which `find` found memory. */
  get region(): MemoryRegion {
    return this.#last;
  }

  /**
   * Where the `length` bytes at address `high`:`low`, to be read, lie in `region`, or -1: the caller then cleans up and
   * aborts. To be called only while bus mastering is `allowed`.
   */
  find(low: number, high: number, length: number): number {
    const offset = this.#locate(low, high, length);
    const region = this.#last;
    if (region.copy === undefined || offset < 0) return offset;
    // The guest may go on meanwhile, and other engines with it.
    const { epoch } = this;
    if (!region.copy.fetch(offset, length) || this.epoch !== epoch) return -1;
    this.#last = region;
    return offset;
  }

  /** The same for bytes that are to be written. Where the region is a copy, the caller stores what it wrote. */
  findWritable(low: number, high: number, length: number): number {
    const offset = this.#locate(low, high, length);
    return this.#last.readOnly === true ? -1 : offset;
  }

  /** The bus refuses an access: the guest finds out through Intr.systemError. It may be called from here: do this last. */
  abort(low: number, high: number): void {
    if (this.#memory?.refused !== true) this.#offences.commit("outside", (high >>> 0) * GIB4 + (low >>> 0));
    this.#aborted();
  }

  #locate(low: number, high: number, length: number): number {
    const offset = within(this.#last, low, high, length);
    if (offset >= 0) return offset;
    const other = this.#other;
    this.#other = this.#last;
    const again = within(other, low, high, length);
    this.#last = again >= 0 ? other : this.#ask(low, high, length);
    return again >= 0 ? again : within(this.#last, low, high, length);
  }

  #ask(low: number, high: number, length: number): MemoryRegion {
    const place = ((low >>> MEGABYTE) ^ high) & (PLACES - 1);
    const before = this.#found[place]!;
    if (within(before, low, high, length) >= 0) return before;
    const found = this.#memory?.region((high >>> 0) * GIB4 + (low >>> 0), length) ?? NOWHERE;
    this.#found[place] = found;
    return found;
  }
}

/** The offset in the region, or -1 when not all of it lies there. */
const within = (region: MemoryRegion, low: number, high: number, length: number): number => {
  const offset = (high >>> 0) * GIB4 + (low >>> 0) - region.address;
  const end = offset + length;
  return offset >= 0 && end <= region.length && end <= LARGEST_OFFSET ? offset | 0 : -1;
};
