/**
 * Lends something in shared memory to another thread, and takes it back: the borrower confirms that it has let go of it. No lock:
 * the borrower looks at one word as often as it can let go.
 *
 * Terms are numbers that only grow: odd while it is lent, even while it is not. A borrower that takes a term and a lender that
 * recalls it each store their own word before they load the other's, so that at least one of them sees both.
 */
import { OutOfRange } from "./errors.ts";

/** The term as the lender wants it, and as the borrower has it: a cache line (16 words) each. */
const WANTED = 0;
const HELD = 16;

/** Words of shared memory for a lease, all zero at first. */
export const LEASE_WORDS = 32;

const requireRoom = (words: Int32Array): void => {
  if (words.length < LEASE_WORDS) throw new OutOfRange(`a lease in ${words.length} words: ${LEASE_WORDS} are needed`);
};

export class Lender {
  readonly #words: Int32Array;
  #term = 0;

  constructor(words: Int32Array) {
    requireRoom(words);
    this.#words = words;
  }

  /** Begins a term, and returns its number for the borrower. What it borrows must be complete before. */
  lend(): number {
    this.recall();
    this.#term = (this.#term + 1) | 0;
    Atomics.store(this.#words, WANTED, this.#term);
    return this.#term;
  }

  /** Ends the term, without waiting for the borrower. */
  recall(): void {
    if ((this.#term & 1) === 0) return;
    this.#term = (this.#term + 1) | 0;
    Atomics.store(this.#words, WANTED, this.#term);
  }

  /** Waits until the borrower has let go. Returns false when it has not within the limit. */
  returned(limitMillis: number): boolean {
    const end = performance.now() + limitMillis;
    for (;;) {
      const held = Atomics.load(this.#words, HELD);
      if ((held & 1) === 0) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#words, HELD, held, left);
    }
  }
}

export class Borrower {
  readonly #words: Int32Array;
  #term = 0;

  constructor(words: Int32Array) {
    requireRoom(words);
    this.#words = words;
  }

  /** Takes what was lent for this term. Returns false when it was recalled already. */
  take(term: number): boolean {
    this.#term = term;
    Atomics.store(this.#words, HELD, term);
    if (!this.recalled) return true;
    this.giveBack();
    return false;
  }

  /** It must be given back. To be looked at often. */
  get recalled(): boolean {
    return Atomics.load(this.#words, WANTED) !== this.#term;
  }

  /** Everything that was done with it is visible to the lender. */
  giveBack(): void {
    Atomics.store(this.#words, HELD, (this.#term + 1) & ~1);
    Atomics.notify(this.#words, HELD);
  }
}
