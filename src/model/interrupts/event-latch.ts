/** A status register with pending events. An acknowledge that arrives late does not clear newer events. */
import type { Page } from "../registers/page.ts";

/**
 * Length of arrays with an entry for each bit. Registers of 16 bits need only 16 entries, but V8 keeps arrays of up to
 * 64 bytes on its heap, where access is slower.
 */
const PLACES = 32;

export interface LatchLayout {
  /** Offset and size of the status register, which is inside one word. */
  readonly status: number;
  readonly bytes: 1 | 2 | 4;
  /** Offsets of the mask register, which has the same value at each of them. */
  readonly masks: readonly [number, ...number[]];
  /** The vector that all events share; or "own": the vector of each event is its bit number. */
  readonly vector: number | "own";
}

/**
 * A vector's line is high while one of its events is pending and not masked; the bus is notified of the rising edge.
 *
 * The guest reads the status, or gets the message of an event's own vector, and later acknowledges. If writes are
 * posted, the acknowledge may arrive much later than on real hardware. A plain register would then also clear events
 * that were raised in between. Therefore the latch counts the calls of `raise`, and stores for each event the count at
 * its first and last raise. An acknowledge clears an event only if it was not raised again after the
 * guest saw it. An event that the guest has not seen at all is cleared, as on the chip.
 */
export class EventLatch {
  readonly #page: Page;
  readonly #fire: (vector: number) => void;
  readonly #place: LatchLayout;
  readonly #mask: number;
  readonly #word: number;
  readonly #shift: number;
  readonly #bits: number;
  /** Index of the page's last word, which counts raises. */
  readonly #raised: number;
  readonly #first = new Int32Array(PLACES);
  readonly #last = new Int32Array(PLACES);
  /** The count of raises when the vector of each event was signalled. */
  readonly #signalled = new Int32Array(PLACES);
  /** The count of raises when the guest last read the status. */
  #observed = 0;
  /** Whether `#observed` is exact: false if the guest may have seen later raises too. */
  #exact = true;
  /** Bits of events whose vector's line is high; if all share a vector, all events that are pending and not masked. */
  #lines = 0;
  #muted = false;
  /** Whether an event with its own vector is masked when it is signalled. */
  masksItself = false;

  /** @param fire called at a rising edge of a line */
  constructor(page: Page, place: LatchLayout, fire: (vector: number) => void) {
    this.#page = page;
    this.#fire = fire;
    this.#place = place;
    this.#mask = place.masks[0];
    this.#word = place.status >> 2;
    this.#shift = 8 * (place.status & 3);
    this.#bits = place.bytes === 4 ? -1 : 2 ** (8 * place.bytes) - 1;
    this.#raised = page.words.length - 1;
  }

  /** Pending events. */
  get status(): number {
    return (this.#page.words[this.#word]! >>> this.#shift) & this.#bits;
  }

  /** Whether the line of this vector is high. */
  pending(vector: number): boolean {
    const { vector: mine } = this.#place;
    return mine === "own" ? ((this.#lines >>> vector) & 1) !== 0 : mine === vector && this.#lines !== 0;
  }

  /** Whether any line is high. */
  get asserted(): boolean {
    return this.#lines !== 0;
  }

  /** Called when the guest has read the status through the bus. */
  observe(): void {
    this.#observed = this.#page.words[this.#raised]!;
    this.#exact = true;
  }

  /**
   * For a guest that reads the status from shared memory: `events` is the count of raises before the guest's last read.
   * The guest may have seen a later event too, which is then treated as new; at worst that causes one extra interrupt.
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
    this.update();
  }

  /** Called when the guest clears events. */
  acknowledge(events: number): void {
    const status = this.status;
    const again = this.#raisedAgain(status & events);
    this.#set(status & ~events);
    this.update();
    if (again === 0) return;
    // The result is as if the acknowledge had arrived before the event.
    this.#set(this.status | again);
    for (let bit = 0; bit < PLACES; bit++) if (((again >>> bit) & 1) !== 0) this.#first[bit] = this.#last[bit]!;
    this.update();
  }

  /**
   * Changes the mask, on chips with separate registers to set and clear its bits: clears bits, then sets others.
   */
  mask(clear: number, set: number): void {
    this.#putMask((this.#page.get(this.#mask, this.#place.bytes) & ~clear) | set);
    this.update();
  }

  /** Mutes or unmutes the latch. A muted latch does not signal events. */
  mute(muted: boolean): void {
    this.#muted = muted;
    this.update();
  }

  /**
   * Sets the lines from status and mask; signals rising edges. The guest may run during this call, so call it last.
   */
  update(): void {
    const waiting = this.#muted ? 0 : this.status & this.#page.get(this.#mask, this.#place.bytes);
    const { vector } = this.#place;
    if (vector === "own") {
      this.#updateEach(waiting);
      return;
    }
    const rises = waiting !== 0 && this.#lines === 0;
    this.#lines = waiting;
    if (rises) this.#fire(vector);
  }

  /** Called when the registers were reset: no event is then pending. */
  reset(): void {
    this.#set(0);
    this.#lines = 0;
    this.#first.fill(0);
    this.#last.fill(0);
    this.#observed = this.#page.words[this.#raised]!;
    this.#signalled.fill(this.#observed);
  }

  #updateEach(waiting: number): void {
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
      const seen = this.#seenAt(bit);
      // Differences are compared, because the count may wrap.
      const sawIt = !this.#exact || ((this.#first[bit]! - seen) | 0) <= 0;
      if (sawIt && ((this.#last[bit]! - seen) | 0) > 0) again |= 1 << bit;
    }
    return again;
  }

  /** The count of raises when the guest last saw an event. */
  #seenAt(bit: number): number {
    if (this.#place.vector !== "own") return this.#observed;
    const signalled = this.#signalled[bit]!;
    return ((signalled - this.#observed) | 0) > 0 ? signalled : this.#observed;
  }
}
