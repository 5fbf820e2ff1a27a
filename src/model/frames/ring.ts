/** A descriptor ring as the chip uses it: a base and an index. Only EndOfRing marks its end. */
import { DESCRIPTOR_BYTES, EndOfRing } from "#chip/descriptors.ts";
import type { FrameFacts } from "#chip/frames.ts";
import type { MemoryCopy, MemoryRegion } from "#kit/target.ts";
import type { Dma } from "./dma.ts";
import type { Page } from "../registers/page.ts";
import type { ScatterList } from "./scatter.ts";
import type { Offences } from "../observation/strict.ts";

// Local copies of imported constants, for speed: decision 8.
const END_OF_RING = EndOfRing;

const NO_WORDS: Int32Array = new Int32Array(0);

export interface RingParts {
  readonly dma: Dma;
  readonly page: Page;
  readonly offences: Offences;
  readonly facts: Pick<FrameFacts, "ringLimit" | "eitherHalf">;
  /** Whether ChipCmd enables the engine. */
  readonly enabled: () => boolean;
}

/**
 * Finds descriptors in guest memory.
 *
 * Invariant: after `map` returned true, descriptors 0 to `reachable` - 1 are in `words`; none beyond is accessed.
 */
export class DescriptorRing {
  readonly #dma: Dma;
  readonly #page: Page;
  readonly #offences: Offences;
  /** Offset of the low half of the base. */
  readonly register: number;
  readonly #lastIndex: number;
  readonly #eitherHalf: boolean;
  readonly #enabled: () => boolean;
  #bytes = DESCRIPTOR_BYTES;
  /** The distance between descriptors is `4 << shift` bytes, which are `1 << shift` words. */
  #shift = 2;
  /** Byte offset of descriptor 0 from the base. */
  #offset = 0;
  #low = 0;
  #high = 0;
  #highPending = false;
  /** Whether the chip fills the buffers, rather than reading them. */
  filled = false;
  /** Checks the descriptors when the ring is located in memory. */
  inspect: (() => void) | undefined;
  /** Index of the next descriptor to read. */
  index = 0;
  /** Changes whenever the ring restarts: anything read from it before is then invalid. */
  epoch = 0;
  /** Words of the region that contains the ring. */
  words = NO_WORDS;
  /** Index in `words` of descriptor 0. */
  first = 0;
  /** Number of descriptors inside the region, at most as many as the chip supports. */
  reachable = 0;
  /**
   * Set if `words` are a copy of guest memory: descriptors are fetched before they are read, and stored when returned.
   */
  #copy: MemoryCopy | undefined;
  /** True if `words` are guest memory itself, not a copy, and the processor keeps plain loads and stores in order. */
  #plain = false;
  /** The `Dma.epoch` for which `words` is valid; -1 after the ring has moved. */
  #mapped = -1;
  /**
   * Set when an access to the ring or to a buffer fails: the ring is then not used until it restarts. Also set during a
   * transfer of copied memory.
   */
  halted = false;

  /** @param register offset of the low half of the base; the high half follows */
  constructor(parts: RingParts, register: number) {
    this.#dma = parts.dma;
    this.#page = parts.page;
    this.#offences = parts.offences;
    this.register = register;
    this.#lastIndex = parts.facts.ringLimit - 1;
    this.#eitherHalf = parts.facts.eitherHalf;
    this.#enabled = parts.enabled;
  }

  /**
   * Sets the size of descriptors, 16 or 32 bytes. If the descriptors of several queues alternate in the ring, also sets
   * the place of this queue's descriptors.
   */
  layOut(bytes: number, queue = 0, queues = 1): void {
    const shift = Math.log2(bytes * queues) - 2;
    const offset = queue * bytes;
    if (shift === this.#shift && offset === this.#offset && bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#shift = shift;
    this.#offset = offset;
    this.#mapped = -1;
  }

  /** Called when the low half was written: latches both halves. */
  latch(written: number): void {
    if ((written & 0xff) !== 0) this.#offences.commit("unaligned", this.register);
    this.#move();
  }

  /** Called when the high half was written. The PCI chips latch it only when the low half is written. */
  highWritten(): void {
    if (this.#eitherHalf) this.#move();
    else this.#highPending = this.#page.get(this.register + 4, 4) !== this.#high;
  }

  /**
   * Moves the ring to the base in the registers. Moving the ring of an enabled engine is an offence, but only once the
   * engine has used the ring, because drivers of the oldest chips enable the engines before they write the base.
   */
  #move(): void {
    if (this.#mapped >= 0 && this.#enabled()) this.#offences.commit("running", this.register);
    this.#latch();
  }

  #latch(): void {
    this.#low = this.#page.get(this.register, 4);
    this.#high = this.#page.get(this.register + 4, 4);
    this.#highPending = false;
    this.#mapped = -1;
    this.rewind();
  }

  /** Returns to the first descriptor. */
  rewind(): void {
    this.index = 0;
    this.epoch = (this.epoch + 1) | 0;
    this.halted = false;
  }

  /** Returns to the base in the registers: 0 after power-on, preserved by a software reset. */
  reset(): void {
    this.#latch();
  }

  /** Called when the engine was enabled. */
  start(): void {
    if (this.#highPending) this.#offences.commit("baseOrder", this.register);
    this.#mapped = -1;
    this.rewind();
  }

  /**
   * Locates the ring in memory. Returns false if bus mastering is off or the ring is halted. If the ring is not in
   * guest memory, or not aligned to a word there, halts it and returns false.
   */
  map(): boolean {
    if (this.halted || !this.#dma.allowed) return false;
    return this.#mapped === this.#dma.epoch || this.#find();
  }

  #find(): boolean {
    const needed = this.#offset + this.#bytes;
    const at = this.#dma.findWritable(this.#low, this.#high, needed);
    // The ring cannot be accessed as words if the region is not aligned to a word.
    if (at < 0 || at % 4 !== 0) return this.#abort(this.#low, this.#high);
    const { region } = this.#dma;
    this.words = region.words;
    this.#copy = region.copy;
    this.#plain = region.copy === undefined && !this.#page.weaklyOrdered;
    this.first = (at + this.#offset) >> 2;
    this.reachable = Math.min(this.#lastIndex, Math.floor((region.length - at - needed) / (4 << this.#shift))) + 1;
    this.#mapped = this.#dma.epoch;
    this.inspect?.();
    return true;
  }

  /** Index in `words` of a descriptor. */
  at(index: number): number {
    return (this.first + (index << this.#shift)) | 0;
  }

  /**
   * Reads a descriptor's opts1, once, because the guest may write to it at any time. Its other words are read later.
   * @param _ahead number of descriptors from `index` to this one
   */
  opts1(at: number, _ahead: number): number {
    return this.#plain ? this.words[at]! : this.#load(at);
  }

  #load(at: number): number {
    // If the fetch fails, the descriptor is treated as if the guest owned it.
    if (this.#copy !== undefined && !this.#fetch(this.#copy, at)) return 0;
    return this.#page.weaklyOrdered ? Atomics.load(this.words, at) : this.words[at]!;
  }

  /**
   * Whether the chip owns a descriptor. The load is atomic, because a far end may call this in a loop, and V8 must then
   * not keep the word in a CPU register.
   */
  owns(at: number): boolean {
    if (this.#copy !== undefined && !this.#fetch(this.#copy, at)) return false;
    return Atomics.load(this.words, at) < 0;
  }

  /**
   * Returns a descriptor to the guest. The descriptor's other words and its buffer must be written before this call.
   */
  publish(at: number, opts1: number): void {
    if (this.#plain) this.words[at] = opts1;
    else if (this.#copy !== undefined) this.#store(this.#copy, at, opts1);
    else Atomics.store(this.words, at, opts1);
  }

  /**
   * Adds to `pieces` the buffer of `length` bytes whose address is in words `at` and `at` + 1. If it is not in guest
   * memory, halts the ring and returns false.
   */
  addBuffer(at: number, length: number, pieces: ScatterList): boolean {
    if (length === 0) return true;
    const offset = this.findBuffer(at, length);
    if (offset < 0) return false;
    pieces.add(this.#dma.region, offset, length);
    return true;
  }

  /**
   * Finds the buffer of `length` bytes whose address is in words `at` and `at` + 1, which are read once. Returns its
   * offset in `buffers`. If it is not in guest memory, halts the ring and returns -1.
   */
  findBuffer(at: number, length: number): number {
    const low = this.words[at]!;
    const high = this.words[(at + 1) | 0]!;
    const dma = this.#dma;
    const offset = this.filled ? dma.findWritable(low, high, length) : dma.find(low, high, length);
    if (offset < 0) this.#abort(low, high);
    return offset;
  }

  /** The region of the buffer that `findBuffer` found last. */
  get buffers(): MemoryRegion {
    return this.#dma.region;
  }

  /** Returns the index of the next descriptor: 0 after EndOfRing, or at the end of the chip's largest ring. */
  after(index: number, opts1: number): number {
    if ((opts1 & END_OF_RING) !== 0) return 0;
    return index === this.#lastIndex ? this.#startOver() : index + 1;
  }

  #startOver(): number {
    this.#offences.commit("endless", this.register);
    return 0;
  }

  /** Whether a descriptor is inside the region. If not, the ring is halted. */
  reaches(index: number): boolean {
    return index < this.reachable || this.#abort(this.#low + this.#offset + (index << (this.#shift + 2)), this.#high);
  }

  /** Call when a buffer could not be stored because it is no longer in guest memory. */
  lost(): void {
    this.#abort(this.#low, this.#high);
  }

  /** Byte offset of the descriptor that contains word `at`. */
  #start(at: number): number {
    return (this.first + (((at - this.first) >> this.#shift) << this.#shift)) << 2;
  }

  /** Whether `words` are a copy of guest memory. */
  get copied(): boolean {
    return this.#copy !== undefined;
  }

  /**
   * Runs `transfer` while the ring is halted, because the guest may run during it. Returns false if it failed or the
   * ring was restarted; everything read from the ring is then invalid.
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
    return this.exclusively(() => copy.fetch(this.#start(at), this.#bytes));
  }

  /** Stores a descriptor; the word with the OWN bit last, in a transfer of its own. */
  #store(copy: MemoryCopy, at: number, opts1: number): void {
    const { words } = this;
    this.exclusively(() => {
      const { epoch } = this;
      copy.store(this.#start(at), this.#bytes);
      if (this.epoch !== epoch) return false;
      words[at] = opts1;
      return copy.store(at << 2, 4);
    });
  }

  /** Halts the ring before it reports the error, because the guest may respond with a reset during the call. */
  #abort(low: number, high: number): false {
    this.halted = true;
    this.#dma.abort(low, high);
    return false;
  }
}
