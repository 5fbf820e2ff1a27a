/** A descriptor ring as the chip walks it: a base, an index, and no length but what EndOfRing says. */
import { ADDRESS_HIGH, ADDRESS_LOW, DESCRIPTOR_BYTES, EndOfRing, MAX_DESCRIPTORS } from "#chip/descriptors.ts";
import type { MemoryRegion } from "#kit/target.ts";
import type { Dma } from "./dma.ts";
import type { Page } from "./page.ts";
import type { ScatterList } from "./scatter.ts";
import type { Offences } from "./strict.ts";

// The engine folds a module's own constants into the code, but loads imported ones at every use.
const LOW = ADDRESS_LOW;
const HIGH = ADDRESS_HIGH;
const END_OF_RING = EndOfRing;
const LAST_INDEX = MAX_DESCRIPTORS - 1;

const NO_WORDS: Int32Array = new Int32Array(0);

/**
 * Where descriptors are in guest memory.
 *
 * Invariant: after `map` said yes, descriptors 0 to `reachable` - 1 lie in `words`; none beyond is touched.
 */
export class DescriptorRing {
  readonly #dma: Dma;
  readonly #page: Page;
  readonly #offences: Offences;
  readonly #register: number;
  #low = 0;
  #high = 0;
  #highPending = false;
  /** The descriptor to be looked at next. */
  index = 0;
  /** Changes whenever the ring starts over: what was read from it before is then of no use. */
  epoch = 0;
  /** The region the ring lies in. */
  words = NO_WORDS;
  /** Index in `words` of descriptor 0. */
  first = 0;
  /** Descriptors that lie in the region, at most 1024. */
  reachable = 0;
  /** Which state of the bus's memory `words` is about; -1 when the ring has moved since. */
  #mapped = -1;
  /** The chip went astray in this ring and leaves it alone until its base is written or the chip is reset. */
  halted = false;

  /** @param register offset of the base's low half; the high half follows it */
  constructor(parts: { dma: Dma; page: Page; offences: Offences }, register: number) {
    this.#dma = parts.dma;
    this.#page = parts.page;
    this.#offences = parts.offences;
    this.#register = register;
  }

  /** The low half was written: both halves are latched. */
  latch(written: number): void {
    if ((written & 0xff) !== 0) this.#offences.commit("unaligned", this.#register);
    this.#low = this.#page.get(this.#register, 4);
    this.#high = this.#page.get(this.#register + 4, 4);
    this.#highPending = false;
    this.#mapped = -1;
    this.rewind();
  }

  /** The high half was written: nothing happens until the low half is. */
  highWritten(): void {
    this.#highPending = true;
  }

  /** Back to the first descriptor. */
  rewind(): void {
    this.index = 0;
    this.epoch = (this.epoch + 1) | 0;
    this.halted = false;
  }

  reset(): void {
    this.#low = 0;
    this.#high = 0;
    this.#highPending = false;
    this.#mapped = -1;
    this.rewind();
  }

  /** The chip is about to use the ring. */
  start(): void {
    if (this.#highPending) this.#offences.commit("baseOrder", this.#register);
    this.rewind();
  }

  /** Finds the ring in memory. False when bus mastering is off; false and halted when the ring is not there. */
  map(): boolean {
    if (this.halted || !this.#dma.allowed()) return false;
    return this.#mapped === this.#dma.epoch || this.#find();
  }

  #find(): boolean {
    const at = this.#dma.find(this.#low, this.#high, DESCRIPTOR_BYTES);
    // A region that does not start at a word has no word view of the ring.
    if (at < 0 || at % 4 !== 0) return this.#abort(this.#low, this.#high);
    const { region } = this.#dma;
    this.words = region.words;
    this.first = at >> 2;
    this.reachable = Math.min(MAX_DESCRIPTORS, Math.floor((region.length - at) / DESCRIPTOR_BYTES));
    this.#mapped = this.#dma.epoch;
    return true;
  }

  /** Index in `words` of a descriptor. */
  at(index: number): number {
    return (this.first + (index << 2)) | 0;
  }

  /** A descriptor's opts1, read once from memory that the guest may be writing. What else it says is read after this. */
  opts1(at: number): number {
    return this.#page.weaklyOrdered ? Atomics.load(this.words, at) : this.words[at]!;
  }

  /** Gives a descriptor to the guest. All else in it, and in its buffer, is written before. */
  publish(at: number, opts1: number): void {
    if (this.#page.weaklyOrdered) Atomics.store(this.words, at, opts1);
    else this.words[at] = opts1;
  }

  /**
   * Adds a descriptor's buffer of `length` bytes to `pieces`. False, and the ring halted, when it is not in memory that
   * the bus gave.
   */
  addBuffer(at: number, length: number, pieces: ScatterList): boolean {
    if (length === 0) return true;
    const offset = this.findBuffer(at, length);
    if (offset < 0) return false;
    pieces.add(this.#dma.region, offset, length);
    return true;
  }

  /**
   * Where a descriptor's buffer of `length` bytes lies in `buffers`, or -1, and the ring halted, when it is not in memory
   * that the bus gave. The address is read once.
   */
  findBuffer(at: number, length: number): number {
    const low = this.words[at + LOW]!;
    const high = this.words[at + HIGH]!;
    const offset = this.#dma.find(low, high, length);
    if (offset < 0) this.#abort(low, high);
    return offset;
  }

  /** The region in which `findBuffer` found one. */
  get buffers(): MemoryRegion {
    return this.#dma.region;
  }

  /** The descriptor after this one: the first one after EndOfRing, and after 1024 without. */
  after(index: number, opts1: number): number {
    return (opts1 & END_OF_RING) !== 0 || index === LAST_INDEX ? 0 : index + 1;
  }

  /** Whether a descriptor lies in the region. If not, the chip has run off the end of it: halted. */
  reaches(index: number): boolean {
    return index < this.reachable || this.#abort(this.#low + index * DESCRIPTOR_BYTES, this.#high);
  }

  /** Halts first: the guest may answer at once with a reset. */
  #abort(low: number, high: number): false {
    this.halted = true;
    this.#dma.abort(low, high);
    return false;
  }
}
