/** Address ranges with stable views, behind which the mapped memory of a client can change. */
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
/** Larger offsets are not small integers in V8; larger memory uses several windows. */
const MAX_BYTES = 2 ** 31 - PAGE_BYTES;

/** Unmaps address ranges whose views are all unreachable. Until then they hold no memory. */
const unreachable = new FinalizationRegistry<{ address: bigint; length: bigint }>(({ address, length }) => {
  // SAFETY: the collector found the array buffer over this range, and so every view of it, gone.
  libc.munmap(address, length);
});

/**
 * An address range that maps part of a file, or zeros.
 *
 * Invariant: its views never fault: the memory behind them is replaced in one step (mmap with MAP_FIXED), never
 * removed. A view that is kept too long therefore accesses the present memory. Buffers are not detached, because that
 * would slow all hot paths of the process.
 */
export class MapWindow {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory as 32-bit words. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly #address: bigint;
  readonly #length: bigint;

  /** @param length bytes: a multiple of the page size below 2 GiB. @throws {OutOfRange} {SystemError} */
  constructor(length: number) {
    if (!(length > 0 && length <= MAX_BYTES && length % PAGE_BYTES === 0))
      throw new OutOfRange(`a window of ${length} bytes`);
    this.#length = BigInt(length);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: the kernel chooses a free range; nothing that exists is replaced.
    this.#address = libc.mmap(0n, this.#length, PROT_READ_WRITE, flags, -1, 0n);
    if (this.#address === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: "window" });
    const buffer = ffi().toArrayBuffer(this.#address, length, false);
    unreachable.register(buffer, { address: this.#address, length: this.#length });
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /**
   * Maps `length` bytes of a file of fixed length, from its byte `offset`, at byte `at` of the window (multiples of the
   * page size). With `readOnly` the file is never changed: a store goes to a private copy.
   * @throws {OutOfRange} for more than the window or the file has
   * @throws {SystemError}, with the window unchanged
   */
  show(fd: number, offset: number, length: number, readOnly: boolean, at = 0): void {
    const { bytes: size, fixed } = memoryFile(fd) ?? { bytes: 0, fixed: false };
    this.#checkPages(at, length);
    if (!fixed) throw new OutOfRange("a file that could become shorter cannot be mapped");
    if (!(offset >= 0 && offset % PAGE_BYTES === 0 && offset + length <= size))
      throw new OutOfRange(`${length} bytes at ${offset} of a file of ${size} bytes`);
    const flags = MAP_FIXED | (readOnly ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED);
    // SAFETY: replaces pages of the range this object mapped, and no others.
    const result = libc.mmap(this.#address + BigInt(at), BigInt(length), PROT_READ_WRITE, flags, fd, BigInt(offset));
    if (result === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: "guest memory" });
  }

  /**
   * Maps zeros again, in all of it or `length` bytes from byte `at` (multiples of the page size), and frees the memory
   * there.
   * @throws {OutOfRange} {SystemError}
   */
  clear(at = 0, length = this.bytes.length): void {
    this.#checkPages(at, length);
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: replaces pages of the range this object mapped, and no others, with pages that need no file behind them.
    const result = libc.mmap(this.#address + BigInt(at), BigInt(length), PROT_READ_WRITE, flags, -1, 0n);
    check(result === MAP_FAILED ? -1 : 0, "mmap", "clear a window");
  }

  #checkPages(at: number, length: number): void {
    if (
      !(at >= 0 && length > 0 && at + length <= this.bytes.length && at % PAGE_BYTES === 0 && length % PAGE_BYTES === 0)
    )
      throw new OutOfRange(`${length} bytes at ${at} of a window of ${this.bytes.length}`);
  }
}

/** Clearing a window takes 20 µs or more, which delays the next client. */
const CLEARED_AT_ONCE = 512;

/** Windows that are not in use. Sizes are powers of two, so that a few sizes are enough. */
export class MapWindows {
  /** Windows that map zeros, by size; and windows that still have their last map. */
  readonly #idle = new Map<number, MapWindow[]>();
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

  /** Returns a window. If the kernel cannot clear it, it is not used again. */
  give(window: MapWindow): void {
    try {
      window.clear();
    } catch (error) {
      if (error instanceof SystemError) return;
      throw error;
    }
    keep(this.#idle, window);
  }

  /** Returns many windows: most of them are cleared later, by `clear`. */
  giveAll(windows: readonly MapWindow[]): void {
    for (const window of windows.slice(0, CLEARED_AT_ONCE)) this.give(window);
    for (const window of windows.slice(CLEARED_AT_ONCE)) keep(this.#stale, window);
  }

  /** Clears up to `count` windows. Returns whether there are more. */
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
