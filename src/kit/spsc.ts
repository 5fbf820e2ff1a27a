/**
 * A ring of fixed-size word records between two threads, one producer and one consumer. No waiting, no allocation.
 *
 * Records are accessed in place: `reserve` returns the position of a free record and `commit` publishes the record;
 * `peek` returns the position of the oldest record and `release` frees it. The two indices count records and wrap only
 * at 2^32; their difference is the number of records in the ring.
 */
import { FerruleError, Misuse, OutOfRange } from "./errors.ts";

/** Positions of the two indices, each in its own cache line (16 words) to avoid false sharing. */
const TAIL = 0;
const HEAD = 16;
const RECORDS = 32;

/** Largest number of records in a ring. It keeps word indices far below 2^31. */
const MAX_RECORDS = 1 << 20;

export interface RingShape {
  /** Number of records in the ring: a power of two, 1 to 2^20. */
  readonly records: number;
  /** Number of words in a record, 1 to 64. */
  readonly recordWords: number;
}

/** Number of words of shared memory that a ring needs. @throws {OutOfRange} for an invalid shape */
export const spscWords = (shape: RingShape): number => {
  const { records, recordWords } = shape;
  if (!Number.isInteger(records) || records < 1 || records > MAX_RECORDS || (records & (records - 1)) !== 0)
    throw new OutOfRange(`a ring of ${records} records is not possible: use a power of two up to ${MAX_RECORDS}`);
  if (!Number.isInteger(recordWords) || recordWords < 1 || recordWords > 64)
    throw new OutOfRange(`records of ${recordWords} words are not possible: use 1 to 64`);
  return RECORDS + records * recordWords;
};

/** The two indices do not fit together: the ring would hold fewer than 0 records, or more than its size. */
export class RingCorrupt extends FerruleError {
  readonly code = "RING_CORRUPT";
  readonly hint = "Other code uses the memory, or the two sides disagree about the number or length of the records.";
  constructor(head: number, tail: number, records: number) {
    super(`ring of ${records} records: head ${head} and tail ${tail} do not fit together`);
  }
}

const requireRoom = (words: Int32Array, shape: RingShape): void => {
  const needed = spscWords(shape);
  if (words.length < needed)
    throw new OutOfRange(`${words.length} words are too few for the ring, which needs ${needed}`);
};

/** Number of records between the indices. @throws {RingCorrupt} unless it is 0 to `records` */
const distance = (head: number, tail: number, records: number): number => {
  const used = (tail - head) | 0;
  if (used < 0 || used > records) throw new RingCorrupt(head, tail, records);
  return used;
};

/** The writing side. There is one per ring. */
export class SpscProducer {
  /** The ring's memory, at whose start the indices are. Write a record only between `reserve` and `commit`. */
  readonly words: Int32Array;
  readonly #records: number;
  readonly #recordWords: number;
  #tail: number;
  /** Number of records that are known to fit. When it is 0, `reserve` reads the consumer's index again. */
  #room = 0;
  #reserved = false;

  /** Continues at the indices that an earlier producer left. New memory must be zero. */
  constructor(words: Int32Array, shape: RingShape) {
    requireRoom(words, shape);
    this.words = words;
    this.#records = shape.records;
    this.#recordWords = shape.recordWords;
    this.#tail = Atomics.load(words, TAIL);
  }

  /** Word index of the next free record, or -1 when the ring is full. @throws {RingCorrupt} */
  reserve(): number {
    if (this.#room === 0) {
      const head = Atomics.load(this.words, HEAD);
      this.#room = this.#records - distance(head, this.#tail, this.#records);
      if (this.#room === 0) return -1;
    }
    this.#reserved = true;
    return RECORDS + (this.#tail & (this.#records - 1)) * this.#recordWords;
  }

  /**
   * Publishes the reserved record. A consumer that sees the record sees all of its words.
   * @throws {Misuse} if no record is reserved
   */
  commit(): void {
    if (!this.#reserved) throw new Misuse("a ring record was committed that was not reserved");
    this.#reserved = false;
    this.#room--;
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.words, TAIL, this.#tail);
  }

  /** Whether the consumer has released all committed records. */
  drained(): boolean {
    return Atomics.load(this.words, HEAD) === this.#tail;
  }
}

/** The reading side. There is one per ring. */
export class SpscConsumer {
  /** The ring's memory, at whose start the indices are. Read a record only between `peek` and `release`. */
  readonly words: Int32Array;
  readonly #records: number;
  readonly #recordWords: number;
  #head: number;
  /** Number of records that are known to be ready. When it is 0, `peek` reads the producer's index again. */
  #ready = 0;

  /** Continues at the indices that an earlier consumer left. */
  constructor(words: Int32Array, shape: RingShape) {
    requireRoom(words, shape);
    this.words = words;
    this.#records = shape.records;
    this.#recordWords = shape.recordWords;
    this.#head = Atomics.load(words, HEAD);
  }

  /** Word index of the oldest record, or -1 when the ring is empty. @throws {RingCorrupt} */
  peek(): number {
    if (this.#ready === 0) {
      const tail = Atomics.load(this.words, TAIL);
      this.#ready = distance(this.#head, tail, this.#records);
      if (this.#ready === 0) return -1;
    }
    return RECORDS + (this.#head & (this.#records - 1)) * this.#recordWords;
  }

  /** Frees the record whose position `peek` returned. @throws {Misuse} if no record is known to be ready */
  release(): void {
    if (this.#ready === 0) throw new Misuse("a ring record was released that was not peeked");
    this.#ready--;
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.words, HEAD, this.#head);
  }
}
