/** Memory for system calls: addresses, C structures, and tables of buffers for reading and writing. */
import { OutOfRange } from "#kit/errors.ts";
import { errno } from "./errno.ts";
import { ffi } from "./ffi.ts";
import { libc } from "./libc.ts";

/**
 * The address of a buffer's first byte. It is valid as long as the buffer is reachable, so code that stores the address
 * must keep the buffer too.
 */
export const addressOf = (buffer: ArrayBufferLike): bigint => {
  if (buffer.byteLength === 0) throw new OutOfRange("an empty buffer has no address");
  // SAFETY: this only computes the address. V8 never moves the bytes of an array buffer, so the address does not
  // change. `getRawPointer` accepts shared buffers too, although its type does not say so.
  return ffi().getRawPointer(buffer as ArrayBuffer);
};

/** A C structure: zeroed memory with its address. Little-endian, like every machine on which this room runs. */
export class Struct {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: bigint;
  /** @param length bytes, greater than 0 */
  constructor(length: number) {
    const buffer = new ArrayBuffer(length);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = addressOf(buffer);
  }
}

const TEXT_BYTES = 4096;
const text = new Uint8Array(new ArrayBuffer(TEXT_BYTES));

/**
 * The address of `from` as a C string: UTF-8 with a NUL at the end. All calls in a thread share one buffer, so the
 * string is valid until the next call. @throws {OutOfRange} for text that contains a NUL, or is longer than PATH_MAX
 */
export const cString = (from: string): bigint => {
  if (from.includes("\0")) throw new OutOfRange("text for a C call contains a NUL character");
  const { read, written } = new TextEncoder().encodeInto(from, text);
  if (read < from.length || written >= TEXT_BYTES)
    throw new OutOfRange(`text of ${from.length} characters is too long for a C call`);
  text[written] = 0;
  return addressOf(text.buffer);
};

const held: { object: unknown } = { object: undefined };

/**
 * Keeps `object` reachable until this call. Without it, V8 could free the object while C code still uses its address.
 */
export const keepAlive = (object: unknown): void => {
  held.object = object;
};

const GIB4 = 2 ** 32;
/** struct iovec { void *base; size_t length }, as 32-bit words. */
const IOVEC_WORDS = 4;

/**
 * A table for readv and writev: each entry is a range of one buffer (or of a second one, such as for headers).
 *
 * Invariant: each entry is inside its buffer, so the kernel cannot access other memory. Addresses are split into 32-bit
 * halves once; setting an entry allocates nothing and makes no BigInt.
 */
export class Iovecs {
  /** Number of entries. */
  readonly count: number;
  /** Address of the table. */
  readonly address: bigint;
  readonly #words: Uint32Array;
  /** Low and high half of each buffer's address. */
  readonly #bases = new Uint32Array(4);
  readonly #length: number;
  readonly #sideLength: number;
  /**
   * SAFETY: the table contains addresses of these two buffers. Holding them keeps their bytes in place, unless they are
   * detached.
   */
  readonly #held: readonly (ArrayBufferLike | undefined)[];

  /**
   * @param count number of entries, 1 to 1024 (the kernel's UIO_MAXIOV) @param base the buffer of entries set by
   * `point`, at most 4 GiB @param side the buffer of entries set by `pointAside`
   */
  constructor(count: number, base: ArrayBufferLike, side?: ArrayBufferLike) {
    if (!Number.isInteger(count) || count < 1 || count > 1024)
      throw new OutOfRange(`a table cannot have ${count} iovecs`);
    for (const buffer of [base, side])
      if (buffer !== undefined && buffer.byteLength > GIB4)
        throw new OutOfRange("a table of iovecs cannot use a buffer of more than 4 GiB");
    const table = new ArrayBuffer(count * IOVEC_WORDS * 4);
    this.count = count;
    this.address = addressOf(table);
    this.#words = new Uint32Array(table);
    this.#length = base.byteLength;
    this.#sideLength = side?.byteLength ?? 0;
    this.#held = [base, side];
    const addresses = new BigUint64Array(this.#bases.buffer);
    addresses[0] = addressOf(base);
    if (side !== undefined) addresses[1] = addressOf(side);
  }

  /** Sets entry `i` to `length` bytes at byte `offset` of the base buffer. */
  point(i: number, offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#length)) this.#refuse(offset, length);
    this.#set(i, 0, offset, length);
  }

  /** Sets entry `i` to `length` bytes at byte `offset` of the side buffer. */
  pointAside(i: number, offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#sideLength)) this.#refuse(offset, length);
    this.#set(i, 2, offset, length);
  }

  #set(i: number, base: number, offset: number, length: number): void {
    if ((i | 0) !== i || i < 0 || i >= this.count)
      throw new OutOfRange(`a table of ${this.count} iovecs has no iovec ${i}`);
    const word = i * IOVEC_WORDS;
    const low = this.#bases[base]! + offset;
    // The store keeps only the low 32 bits; the carry is added to the high half.
    this.#words[word] = low;
    this.#words[word + 1] = this.#bases[base + 1]! + (low >= GIB4 ? 1 : 0);
    this.#words[word + 2] = length;
  }

  #refuse(offset: number, length: number): never {
    const [base, side] = this.#held;
    throw new OutOfRange(
      `iovec of ${length} bytes at ${offset} exceeds its buffer (${base?.byteLength} bytes, side ${side?.byteLength ?? 0})`,
    );
  }
}

/**
 * Reads into the first `count` entries. Returns the number of bytes read (0 at the end of a stream), or the negated
 * error number, because "no data" must not be an exception on the hot path.
 */
export const readv = (fd: number, iovecs: Iovecs, count: number): number => {
  if (count > iovecs.count) throw new OutOfRange(`a table of ${iovecs.count} iovecs does not have ${count}`);
  // SAFETY: the table has at least `count` entries, each inside its buffer, and both are held by `iovecs`.
  const result = libc.readv(fd, iovecs.address, count);
  return result < 0 ? -errno() : result;
};

/** Writes the first `count` entries. Returns the number of bytes written, or the negated error number. */
export const writev = (fd: number, iovecs: Iovecs, count: number): number => {
  if (count > iovecs.count) throw new OutOfRange(`a table of ${iovecs.count} iovecs does not have ${count}`);
  // SAFETY: as for readv.
  const result = libc.writev(fd, iovecs.address, count);
  return result < 0 ? -errno() : result;
};
