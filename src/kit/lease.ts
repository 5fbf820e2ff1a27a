/**
 * Lends a resource in shared memory to another thread, and takes it back when the borrower has confirmed that the
 * resource is no longer in use. There is no lock: at each point where the borrower can give the resource back, it reads
 * one word.
 *
 * The number of the term increases by 1 (modulo 2^32) when the resource is lent, and again when it is recalled. So the
 * number is odd while the resource is lent, and even otherwise. If the borrower takes a term while the lender recalls
 * that term, each side stores its own word before it loads the word of the other side. So at least one side sees what
 * the other has stored.
 */
import { OutOfRange } from "./errors.ts";

/**
 * Positions of the lender's term and of the term that the borrower has taken, each in its own cache line (16 words).
 */
const RECALLED = 0;
const HELD = 16;

/** Number of words of shared memory for a lease. All words must be zero at first. */
export const LEASE_WORDS = 32;

const requireRoom = (words: Int32Array): void => {
  if (words.length < LEASE_WORDS)
    throw new OutOfRange(`${words.length} words are too few for a lease, which needs ${LEASE_WORDS}`);
};

export class Lender {
  readonly #words: Int32Array;
  #term = 0;

  constructor(words: Int32Array) {
    requireRoom(words);
    this.#words = words;
  }

  /**
   * Begins a term and returns its number, which the borrower passes to `take`. Recalls a term that has not ended. Write
   * everything that is lent before this call.
   */
  lend(): number {
    this.recall();
    this.#term = (this.#term + 1) | 0;
    Atomics.store(this.#words, RECALLED, this.#term);
    return this.#term;
  }

  /** Ends the term, without waiting for the borrower. */
  recall(): void {
    if ((this.#term & 1) === 0) return;
    this.#term = (this.#term + 1) | 0;
    Atomics.store(this.#words, RECALLED, this.#term);
  }

  /**
   * Waits until the borrower does not have the resource: the borrower has given it back, or has not taken it. Returns
   * false if the limit expires first.
   */
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

  /** Takes the resource for this term. Returns false if the term was already recalled. */
  take(term: number): boolean {
    this.#term = term;
    Atomics.store(this.#words, HELD, term);
    if (!this.recalled) return true;
    this.giveBack();
    return false;
  }

  /** Whether the resource must be given back. The borrower should check this often. */
  get recalled(): boolean {
    return Atomics.load(this.#words, RECALLED) !== this.#term;
  }

  /** Gives the resource back. Once `returned` returns true, the lender sees all writes of the borrower. */
  giveBack(): void {
    Atomics.store(this.#words, HELD, (this.#term + 1) & ~1);
    Atomics.notify(this.#words, HELD);
  }
}
