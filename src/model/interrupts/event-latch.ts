/** A status register: which events wait for the guest; and the race between an event and a late acknowledge, cured. */
import type { Page } from "../registers/page.ts";

/** More than the bits need at 16: the engine keeps arrays of up to 64 bytes on its heap, where they are slower. */
const PLACES = 32;

export interface LatchPlace {
  /** Offset and bytes of the status register; it lies within a word. */
  readonly status: number;
  readonly bytes: 2 | 4;
  /** Offsets where its mask is read, the same in each. */
  readonly masks: readonly [number, ...number[]];
  /** The vector that all its events share, or each its own: that of its bit's number. */
  readonly vector: number | "own";
}

/**
 * A vector's line is high while one of its events is pending and not masked; the bus is told when it goes up.
 *
 * A guest learns of events, by reading the status or by the message of a vector of their own, and later writes them back
 * to clear them. Where writes are posted that may be much later, and a frame that came in between would lose its
 * interrupt, though on a wire the two would have been far apart. So each event remembers when it was raised first and
 * last, counted in raises, and an acknowledge clears it only if it has not been raised again since the guest learnt of
 * it. An event the guest has not seen at all is cleared, as on the chip.
 */
export class EventLatch {
  readonly #page: Page;
  readonly #fire: (vector: number) => void;
  readonly #place: LatchPlace;
  readonly #mask: number;
  readonly #word: number;
  readonly #shift: number;
  readonly #bits: number;
  /** Where the page counts events: its last word. */
  readonly #raised: number;
  readonly #first = new Int32Array(PLACES);
  readonly #last = new Int32Array(PLACES);
  /** The count of raises when each event's own vector was signalled. */
  readonly #signalled = new Int32Array(PLACES);
  /** The count of raises when the guest last looked, and whether that is exactly when. */
  #observed = 0;
  #exact = true;
  /** Vectors whose line is high; for a shared one, all bits or none. */
  #lines = 0;
  #muted = false;
  /** What is signalled is masked at once (for events with vectors of their own). */
  masksItself = false;

  /** @param fire a line goes up: the guest is interrupted */
  constructor(page: Page, place: LatchPlace, fire: (vector: number) => void) {
    this.#page = page;
    this.#fire = fire;
    this.#place = place;
    this.#mask = place.masks[0];
    this.#word = place.status >> 2;
    this.#shift = 8 * (place.status & 3);
    this.#bits = place.bytes === 2 ? 0xffff : -1;
    this.#raised = page.words.length - 1;
  }

  /** Events pending. */
  get status(): number {
    return (this.#page.words[this.#word]! >>> this.#shift) & this.#bits;
  }

  /** Whether that vector's line is high. */
  pending(vector: number): boolean {
    const { vector: mine } = this.#place;
    return mine === "own" ? ((this.#lines >>> vector) & 1) !== 0 : mine === vector && this.#lines !== 0;
  }

  /** Whether any line is high. */
  get asserted(): boolean {
    return this.#lines !== 0;
  }

  /** The guest has read the status through the bus. */
  observe(): void {
    this.#observed = this.#page.words[this.#raised]!;
    this.#exact = true;
  }

  /**
   * The guest reads the status without us: `events` is the count of raises from before its last read. It may have seen
   * a little more than that, so from then on everything raised later is taken to be new. At worst that is an interrupt
   * too many.
   */
  seen(events: number): void {
    this.#observed = events;
    this.#exact = false;
  }

  raise(events: number): void {
    const sequence = (this.#page.words[this.#raised]! + 1) | 0;
    const status = this.status;
    for (let rest = events; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      this.#last[bit] = sequence;
      if (((status >>> bit) & 1) === 0) this.#first[bit] = sequence;
    }
    this.#page.publish(this.#raised, sequence);
    if ((status | events) === status) return;
    this.#set(status | events);
    this.look();
  }

  /** The guest clears events. */
  acknowledge(events: number): void {
    const status = this.status;
    const again = this.#raisedAgain(status & events);
    this.#set(status & ~events);
    this.look();
    if (again === 0) return;
    // As if the clearing had come in time and the event after it.
    this.#set(this.status | again);
    for (let bit = 0; bit < PLACES; bit++) if (((again >>> bit) & 1) !== 0) this.#first[bit] = this.#last[bit]!;
    this.look();
  }

  /** Changes the mask where the guest does not write it as a register: clears bits, then sets others. */
  mask(clear: number, set: number): void {
    this.#putMask((this.#page.get(this.#mask, this.#place.bytes) & ~clear) | set);
    this.look();
  }

  /** While muted its events are no one's business, pending or not. */
  mute(muted: boolean): void {
    this.#muted = muted;
    this.look();
  }

  /** Sets the lines by status and mask; tells the bus of those that go up. The guest may be called from here: do this last. */
  look(): void {
    const waiting = this.#muted ? 0 : this.status & this.#page.get(this.#mask, this.#place.bytes);
    const { vector } = this.#place;
    if (vector === "own") {
      this.#lookAtEach(waiting);
      return;
    }
    const rises = waiting !== 0 && this.#lines === 0;
    this.#lines = waiting;
    if (rises) this.#fire(vector);
  }

  /** The registers were reset: nothing is pending. */
  reset(): void {
    this.#set(0);
    this.#lines = 0;
    this.#first.fill(0);
    this.#last.fill(0);
    this.#observed = this.#page.words[this.#raised]!;
    this.#signalled.fill(this.#observed);
  }

  #lookAtEach(waiting: number): void {
    const rising = waiting & ~this.#lines;
    this.#lines = waiting;
    if (rising === 0) return;
    if (this.masksItself) {
      this.#putMask(this.#page.get(this.#mask, this.#place.bytes) & ~rising);
      this.#lines &= ~rising;
    }
    for (let rest = rising; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      this.#signalled[bit] = this.#page.words[this.#raised]!;
      this.#fire(bit);
    }
  }

  #set(status: number): void {
    this.#page.put(this.#place.status, this.#place.bytes, status);
  }

  #putMask(mask: number): void {
    for (const at of this.#place.masks) this.#page.put(at, this.#place.bytes, mask);
  }

  #raisedAgain(events: number): number {
    let again = 0;
    for (let rest = events; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      const seen = this.#learntOf(bit);
      // Differences, so that the count may wrap.
      const sawIt = !this.#exact || ((this.#first[bit]! - seen) | 0) <= 0;
      if (sawIt && ((this.#last[bit]! - seen) | 0) > 0) again |= 1 << bit;
    }
    return again;
  }

  /** The count of raises when the guest last learnt of an event. */
  #learntOf(bit: number): number {
    if (this.#place.vector !== "own") return this.#observed;
    const signalled = this.#signalled[bit]!;
    return ((signalled - this.#observed) | 0) > 0 ? signalled : this.#observed;
  }
}
