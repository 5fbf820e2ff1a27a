/** Address ranges with views that stay valid while the client memory that is mapped there changes. */
import { OutOfRange } from "#kit/errors.ts";
import { SystemError, check, errno } from "./errno.ts";
import { ffi } from "./ffi.ts";
import { libc } from "./libc.ts";
import { memoryFile } from "./memory-file.ts";

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 2n ** 64n - 1n;
const PAGE_BYTES = 4096;
/** Offsets above this number are not small integers in V8, so larger memory uses several windows. */
const MAX_BYTES = 2 ** 31 - PAGE_BYTES;

/** Unmaps an address range when all its views are unreachable. Until then the range uses no memory. */
const unreachable = new FinalizationRegistry<{ address: bigint; length: bigint }>(({ address, length }) => {
  // SAFETY: the garbage collector found that the array buffer over this range, and so every view of it, is unreachable.
  libc.munmap(address, length);
});

/**
 * An address range that maps part of a file, or zeros.
 *
 * Invariant: an access through a view never faults, because the memory behind it is replaced in one step (mmap with
 * MAP_FIXED) and never removed. A view that is kept too long therefore accesses whatever is mapped at the time. Buffers
 * are not detached, because that would slow all hot paths of the process.
 */
export class MapWindow {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory as 32-bit words. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly #address: bigint;
  readonly #length: bigint;

  /** @param length number of bytes below 2 GiB, a multiple of the page size @throws {OutOfRange} {SystemError} */
  constructor(length: number) {
    if (!(length > 0 && length <= MAX_BYTES && length % PAGE_BYTES === 0))
      throw new OutOfRange(`a window cannot have ${length} bytes`);
    this.#length = BigInt(length);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: the kernel chooses a free range, so no existing mapping is replaced.
    this.#address = libc.mmap(0n, this.#length, PROT_READ_WRITE, flags, -1, 0n);
    if (this.#address === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: "window" });
    const buffer = ffi().toArrayBuffer(this.#address, length, false);
    unreachable.register(buffer, { address: this.#address, length: this.#length });
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /**
   * Maps `length` bytes of a file of fixed length, from its byte `offset` on, at byte `at` of the window; all are
   * multiples of the page size. With `readOnly` the file is never changed: a store changes a private copy. @throws
   * {OutOfRange} if the range exceeds the window or the file, or the file could become shorter
   * @throws {SystemError} if the kernel refuses to map it; the window is then unchanged
   */
  show(fd: number, offset: number, length: number, readOnly: boolean, at = 0): void {
    const { bytes: size, fixed } = memoryFile(fd) ?? { bytes: 0, fixed: false };
    this.#checkPages(at, length);
    if (!fixed) throw new OutOfRange("a file that could become shorter cannot be mapped");
    if (!(offset >= 0 && offset % PAGE_BYTES === 0 && offset + length <= size))
      throw new OutOfRange(`cannot map ${length} bytes at ${offset} of a file of ${size} bytes`);
    const flags = MAP_FIXED | (readOnly ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED);
    // SAFETY: replaces only pages of the range that this object has mapped.
    const result = libc.mmap(this.#address + BigInt(at), BigInt(length), PROT_READ_WRITE, flags, fd, BigInt(offset));
    if (result === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: "guest memory" });
  }

  /**
   * Maps zeros again, in the whole window or in `length` bytes from byte `at` on (multiples of the page size), and
   * frees the memory there.
   * @throws {OutOfRange} {SystemError}
   */
  clear(at = 0, length = this.bytes.length): void {
    this.#checkPages(at, length);
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: replaces only pages of the range that this object has mapped; the new pages need no file.
    const result = libc.mmap(this.#address + BigInt(at), BigInt(length), PROT_READ_WRITE, flags, -1, 0n);
    check(result === MAP_FAILED ? -1 : 0, "mmap", "clear a window");
  }

  #checkPages(at: number, length: number): void {
    if (
      !(at >= 0 && length > 0 && at + length <= this.bytes.length && at % PAGE_BYTES === 0 && length % PAGE_BYTES === 0)
    )
      throw new OutOfRange(`cannot map ${length} bytes at ${at} of a window of ${this.bytes.length} bytes`);
  }
}

/**
 * Largest number of windows that are cleared at once. Clearing one takes 20 µs or more, which delays the next client.
 */
const CLEARED_AT_ONCE = 512;

/** A pool of windows. Their sizes are powers of two, or `MAX_BYTES`, so there are only a few sizes. */
export class MapWindows {
  /** Windows that map zeros, by size. */
  readonly #idle = new Map<number, MapWindow[]>();
  /** Windows that were not cleared yet, by size. */
  readonly #stale = new Map<number, MapWindow[]>();

  /** A window of at least `length` bytes that maps zeros. @throws {SystemError} */
  take(length: number): MapWindow {
    const bytes = roomFor(length);
    const idle = this.#idle.get(bytes)?.pop();
    if (idle !== undefined) return idle;
    const stale = this.#stale.get(bytes)?.pop();
    stale?.clear();
    return stale ?? new MapWindow(bytes);
  }

  /** Puts a window back into the pool. If the kernel cannot clear the window, it is not used again. */
  give(window: MapWindow): void {
    try {
      window.clear();
    } catch (error) {
      if (error instanceof SystemError) return;
      throw error;
    }
    keep(this.#idle, window);
  }

  /** Puts many windows back into the pool. All but the first `CLEARED_AT_ONCE` are cleared later. */
  giveAll(windows: readonly MapWindow[]): void {
    for (const window of windows.slice(0, CLEARED_AT_ONCE)) this.give(window);
    for (const window of windows.slice(CLEARED_AT_ONCE)) keep(this.#stale, window);
  }

  /** Clears up to `count` windows of the pool. Returns whether more of them may have to be cleared. */
  clear(count: number): boolean {
    for (const stale of this.#stale.values())
      for (let window = stale.pop(); window !== undefined; window = stale.pop()) {
        this.give(window);
        if (--count <= 0) return true;
      }
    return false;
  }
}

const keep = (windows: Map<number, MapWindow[]>, window: MapWindow): void => {
  const bytes = window.bytes.length;
  const others = windows.get(bytes);
  if (others === undefined) windows.set(bytes, [window]);
  else others.push(window);
};

const roomFor = (length: number): number => {
  let bytes = PAGE_BYTES;
  while (bytes < length && bytes < MAX_BYTES) bytes *= 2;
  return Math.min(bytes, MAX_BYTES);
};
