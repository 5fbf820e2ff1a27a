/**
 * The chip's bus master port: accesses guest memory if bus mastering is enabled, and handles accesses that the bus
 * rejects.
 */
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";
import type { ConfigSpace } from "../pci/config-space.ts";
import type { Offences } from "../observation/strict.ts";

const GIB4 = 2 ** 32;
/**
 * Largest offset at which an access may end. Larger offsets are not small integers in V8, and a bus divides larger
 * memory into several regions.
 */
const LARGEST_OFFSET = 2 ** 31 - 1;
const MEGABYTE = 20;
const PLACES = 64;
const NOWHERE: MemoryRegion = { address: 0, length: 0, bytes: new Uint8Array(0), words: new Int32Array(0) };

/**
 * Finds guest memory, and caches the regions found last. An address is passed as the two words of a descriptor, a
 * position as a byte offset. Both are small integers, which need no allocation; an address in a single number would be
 * allocated for each frame. Invariant: the cache is discarded when the bus reports a change of its memory.
 */
export class Dma {
  readonly #config: ConfigSpace;
  readonly #offences: Offences;
  readonly #aborted: () => void;
  /** Changes whenever earlier results of `find` may be invalid. */
  epoch = 0;
  #memory: (GuestMemory & { readonly refused?: boolean }) | undefined;
  #detached = false;
  /** The two regions found last, because rings and frames are often in different regions. */
  #last: MemoryRegion = NOWHERE;
  #other: MemoryRegion = NOWHERE;
  /** Regions found earlier, each at an index computed from the number of the address's megabyte. */
  readonly #found: MemoryRegion[] = Array.from({ length: PLACES }, () => NOWHERE);

  /** @param aborted called when the bus rejects an access */
  constructor(config: ConfigSpace, offences: Offences, aborted: () => void) {
    this.#config = config;
    this.#offences = offences;
    this.#aborted = aborted;
  }

  /**
   * @param memory `refused` is true if an injected fault, not an error of the guest's driver, caused the last rejection
   */
  attach(memory: GuestMemory & { readonly refused?: boolean }): void {
    this.#memory = memory;
    this.forget();
  }

  /**
   * Called when the bus and its driver are gone. Until the chip is reset, a command while bus mastering is off is no
   * offence.
   */
  detach(): void {
    this.#memory = undefined;
    this.#detached = true;
    this.forget();
  }

  /** Called when the chip was reset. */
  reset(): void {
    this.#detached = false;
  }

  /** Called when the bus mapped or unmapped memory: earlier results may be invalid. */
  forget(): void {
    this.epoch = (this.epoch + 1) & 0xfff_ffff;
    this.#last = NOWHERE;
    this.#other = NOWHERE;
    for (let i = 0; i < PLACES; i++) this.#found[i] = NOWHERE;
  }

  /** Whether bus mastering is enabled. */
  get allowed(): boolean {
    return this.#config.busMaster;
  }

  /**
   * Called when the driver has given a command for which the chip must access memory now. Reports an offence if bus
   * mastering is off. Not called for a frame from the wire, because Linux's r8169 leaves the receiver on while bus
   * mastering is off in two cases: shortly before it stops the receiver, and on a sleeping RTL8168B, which wakes the
   * system only while its receiver is enabled.
   */
  ordered(): void {
    if (!this.allowed && !this.#detached) this.#offences.commit("busMaster", 0);
  }

  /** The region in which `find` last found memory. */
  get region(): MemoryRegion {
    return this.#last;
  }

  /**
   * Finds `length` bytes to be read at address `high`:`low`. Returns their offset in `region`, or -1 if they are not in
   * guest memory. After -1 the caller must clean up and call `abort`. `allowed` must be true.
   */
  find(low: number, high: number, length: number): number {
    const offset = this.#locate(low, high, length);
    const region = this.#last;
    if (region.writeOnly === true) return -1;
    if (region.copy === undefined || offset < 0) return offset;
    // During the transfer the guest may run and make the chip access other memory, which changes `#last`.
    const { epoch } = this;
    if (!region.copy.fetch(offset, length) || this.epoch !== epoch) return -1;
    this.#last = region;
    return offset;
  }

  /** Like `find`, but for bytes to be written. If the region is a copy, the caller must store what it has written. */
  findWritable(low: number, high: number, length: number): number {
    const offset = this.#locate(low, high, length);
    return this.#last.readOnly === true ? -1 : offset;
  }

  /**
   * Called when the bus rejects an access; the chip then raises Intr.systemError. The guest may run during this call,
   * so call it last.
   */
  abort(low: number, high: number): void {
    // Once the bus and its driver are gone, there is no memory, and an access to it is nobody's mistake.
    const { refused } = this.#memory ?? { refused: true };
    if (refused !== true) this.#offences.commit("outside", (high >>> 0) * GIB4 + (low >>> 0));
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

/** The offset in the region, or -1 if the bytes are not completely inside it. */
const within = (region: MemoryRegion, low: number, high: number, length: number): number => {
  const offset = (high >>> 0) * GIB4 + (low >>> 0) - region.address;
  const end = offset + length;
  return offset >= 0 && end <= region.length && end <= LARGEST_OFFSET ? offset | 0 : -1;
};
