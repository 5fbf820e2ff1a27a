/** A descriptor ring as the chip walks it: a base, an index, and no length but what EndOfRing says. */
import { DESCRIPTOR_BYTES, EndOfRing } from "#chip/descriptors.ts";
import type { FrameFacts } from "#chip/frames.ts";
import type { MemoryCopy, MemoryRegion } from "#kit/target.ts";
import type { Dma } from "./dma.ts";
import type { Page } from "../registers/page.ts";
import type { ScatterList } from "./scatter.ts";
import type { Offences } from "../observation/strict.ts";

// The engine folds a module's own constants into the code, but loads imported ones at every use.
const END_OF_RING = EndOfRing;

const NO_WORDS: Int32Array = new Int32Array(0);

export interface RingParts {
  readonly dma: Dma;
  readonly page: Page;
  readonly offences: Offences;
  readonly facts: Pick<FrameFacts, "ringLimit" | "eitherHalf">;
  /** Whether ChipCmd lets the engine run. */
  readonly enabled: () => boolean;
}

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
  readonly #lastIndex: number;
  readonly #eitherHalf: boolean;
  readonly #enabled: () => boolean;
  /** A descriptor is 4 << this bytes, and 1 << this words. */
  #shift = 2;
  #low = 0;
  #high = 0;
  #highPending = false;
  /** The chip fills the buffers; otherwise it reads them. */
  filled = false;
  /** Looks at the descriptors when the ring is found in memory. */
  inspect: (() => void) | undefined;
  /** The descriptor to be looked at next. */
  index = 0;
  /** Changes whenever the ring starts over: what was read from it before is then of no use. */
  epoch = 0;
  /** The region the ring lies in. */
  words = NO_WORDS;
  /** Index in `words` of descriptor 0. */
  first = 0;
  /** Descriptors that lie in the region, at most as many as the chip walks. */
  reachable = 0;
  /** Where `words` are a copy of the guest's: descriptors are fetched before they are read, and stored when given back. */
  #copy: MemoryCopy | undefined;
  /** `words` are the guest's, and a plain load or store of one is ordered after those before it. */
  #plain = false;
  /** Which state of the bus's memory `words` is about; -1 when the ring has moved since. */
  #mapped = -1;
  /** The chip went astray in this ring and leaves it alone until its base is written or the chip is reset. */
  halted = false;

  /** @param register offset of the base's low half; the high half follows it */
  constructor(parts: RingParts, register: number) {
    this.#dma = parts.dma;
    this.#page = parts.page;
    this.#offences = parts.offences;
    this.#register = register;
    this.#lastIndex = parts.facts.ringLimit - 1;
    this.#eitherHalf = parts.facts.eitherHalf;
    this.#enabled = parts.enabled;
  }

  /** How long descriptors are from now on: 16 or 32 bytes. */
  set descriptorBytes(bytes: number) {
    const shift = bytes === DESCRIPTOR_BYTES ? 2 : 3;
    if (shift === this.#shift) return;
    this.#shift = shift;
    this.#mapped = -1;
  }

  /** The low half was written: both halves are latched. */
  latch(written: number): void {
    if ((written & 0xff) !== 0) this.#offences.commit("unaligned", this.#register);
    this.#move();
  }

  /** The high half was written: on the PCI chips nothing happens until the low half is. */
  highWritten(): void {
    if (this.#eitherHalf) this.#move();
    else this.#highPending = this.#page.get(this.#register + 4, 4) !== this.#high;
  }

  /** Drivers of the oldest chips switch the engines on first: that is no offence before the engine looks for its ring. */
  #move(): void {
    if (this.#mapped >= 0 && this.#enabled()) this.#offences.commit("running", this.#register);
    this.#latch();
  }

  #latch(): void {
    this.#low = this.#page.get(this.#register, 4);
    this.#high = this.#page.get(this.#register + 4, 4);
    this.#highPending = false;
    this.#mapped = -1;
    this.rewind();
  }

  /** Back to the first descriptor. */
  rewind(): void {
    this.index = 0;
    this.epoch = (this.epoch + 1) | 0;
    this.halted = false;
  }

  /** Back to where its registers say that it starts: 0 after power-on, and where it was after a software reset. */
  reset(): void {
    this.#latch();
  }

  /** The chip is about to use the ring. */
  start(): void {
    if (this.#highPending) this.#offences.commit("baseOrder", this.#register);
    this.#mapped = -1;
    this.rewind();
  }

  /** Finds the ring in memory. False when bus mastering is off; false and halted when the ring is not there. */
  map(): boolean {
    if (this.halted || !this.#dma.allowed()) return false;
    return this.#mapped === this.#dma.epoch || this.#find();
  }

  #find(): boolean {
    const bytes = 4 << this.#shift;
    const at = this.#dma.findWritable(this.#low, this.#high, bytes);
    // A region that does not start at a word has no word view of the ring.
    if (at < 0 || at % 4 !== 0) return this.#abort(this.#low, this.#high);
    const { region } = this.#dma;
    this.words = region.words;
    this.#copy = region.copy;
    this.#plain = region.copy === undefined && !this.#page.weaklyOrdered;
    this.first = at >> 2;
    this.reachable = Math.min(this.#lastIndex + 1, Math.floor((region.length - at) / bytes));
    this.#mapped = this.#dma.epoch;
    this.inspect?.();
    return true;
  }

  /** Index in `words` of a descriptor. */
  at(index: number): number {
    return (this.first + (index << this.#shift)) | 0;
  }

  /**
   * A descriptor's opts1, read once from memory that the guest may be writing. What else it says is read after this.
   * @param _ahead how many descriptors lie between it and `index`
   */
  opts1(at: number, _ahead: number): number {
    return this.#plain ? this.words[at]! : this.#load(at);
  }

  #load(at: number): number {
    // Nothing is there to be read: as if the descriptor were the guest's.
    if (this.#copy !== undefined && !this.#fetch(this.#copy, at)) return 0;
    return this.#page.weaklyOrdered ? Atomics.load(this.words, at) : this.words[at]!;
  }

  /** Whether a descriptor is the chip's. For a cable that waits: the engine must not carry the word over between calls. */
  owns(at: number): boolean {
    if (this.#copy !== undefined && !this.#fetch(this.#copy, at)) return false;
    return Atomics.load(this.words, at) < 0;
  }

  /** Gives a descriptor to the guest. All else in it, and in its buffer, is written before. */
  publish(at: number, opts1: number): void {
    if (this.#plain) this.words[at] = opts1;
    else if (this.#copy !== undefined) this.#store(this.#copy, at, opts1);
    else Atomics.store(this.words, at, opts1);
  }

  /**
   * Adds the buffer of `length` bytes whose address is in words `at` and `at` + 1 to `pieces`. False, and the ring halted,
   * when it is not in memory that the bus gave.
   */
  addBuffer(at: number, length: number, pieces: ScatterList): boolean {
    if (length === 0) return true;
    const offset = this.findBuffer(at, length);
    if (offset < 0) return false;
    pieces.add(this.#dma.region, offset, length);
    return true;
  }

  /**
   * Where the buffer of `length` bytes whose address is in words `at` and `at` + 1 lies in `buffers`, or -1, and the ring
   * halted, when it is not in memory that the bus gave. The address is read once.
   */
  findBuffer(at: number, length: number): number {
    const low = this.words[at]!;
    const high = this.words[(at + 1) | 0]!;
    const dma = this.#dma;
    const offset = this.filled ? dma.findWritable(low, high, length) : dma.find(low, high, length);
    if (offset < 0) this.#abort(low, high);
    return offset;
  }

  /** The region in which `findBuffer` found one. */
  get buffers(): MemoryRegion {
    return this.#dma.region;
  }

  /** The descriptor after this one: the first one after EndOfRing, and after as many as the chip walks without. */
  after(index: number, opts1: number): number {
    if ((opts1 & END_OF_RING) !== 0) return 0;
    return index === this.#lastIndex ? this.#startOver() : index + 1;
  }

  #startOver(): number {
    this.#offences.commit("endless", this.#register);
    return 0;
  }

  /** Whether a descriptor lies in the region. If not, the chip has run off the end of it: halted. */
  reaches(index: number): boolean {
    return index < this.reachable || this.#abort(this.#low + (index << (this.#shift + 2)), this.#high);
  }

  /** A buffer that was found could not be stored: it is not in the bus's memory any more. */
  lost(): void {
    this.#abort(this.#low, this.#high);
  }

  /** Word `at` is in a descriptor: its first byte. */
  #start(at: number): number {
    return (this.first + (((at - this.first) >> this.#shift) << this.#shift)) << 2;
  }

  /** Whether `words` are a copy of the guest's memory. */
  get copied(): boolean {
    return this.#copy !== undefined;
  }

  /**
   * Runs `transfer`, in which the guest may do anything, but finds the ring halted. False when that failed, or the ring was
   * started over meanwhile: what is known of it is then of no use.
   */
  exclusively(transfer: () => boolean): boolean {
    const { epoch } = this;
    this.halted = true;
    const done = transfer();
    if (this.epoch !== epoch) return false;
    this.halted = false;
    return done;
  }

  #fetch(copy: MemoryCopy, at: number): boolean {
    return this.exclusively(() => copy.fetch(this.#start(at), 4 << this.#shift));
  }

  /** The word with the OWN bit goes last, by itself. */
  #store(copy: MemoryCopy, at: number, opts1: number): void {
    const { words } = this;
    this.exclusively(() => {
      const { epoch } = this;
      copy.store(this.#start(at), 4 << this.#shift);
      if (this.epoch !== epoch) return false;
      words[at] = opts1;
      return copy.store(at << 2, 4);
    });
  }

  /** Halts first: the guest may answer at once with a reset. */
  #abort(low: number, high: number): false {
    this.halted = true;
    this.#dma.abort(low, high);
    return false;
  }
}
