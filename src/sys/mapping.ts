/** Mapped memory: shared memory, a device's registers, a guest's RAM, and DMA memory of this process. */
import { fstatSync } from "node:fs";
import { OutOfRange, Revoked } from "#kit/errors.ts";
import { SystemError, check, errno } from "./errno.ts";
import { Fd, truncate } from "./fd.ts";
import { ffi } from "./ffi.ts";
import { libc } from "./libc.ts";
import { cString } from "./memory.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW: the length can never change, so no access can fault. */
const SEAL_LENGTH = 0x1n | 0x2n | 0x4n;

const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 2n ** 64n - 1n;
const MADV_DONTFORK = 10;
const MADV_HUGEPAGE = 14;
const LARGE_PAGE = 2n << 20n;
/**
 * The page size: 4 KiB on x86-64. On arm64 it may be up to 64 KiB; mmap then rejects multiples of 4 KiB that are not
 * multiples of the page size.
 */
const PAGE_BYTES = 4096;

/**
 * Creates zeroed shared memory and returns its descriptor, which any thread or process may map. The length of the
 * memory can never change unless `sealed` is false.
 * @throws {SystemError}
 */
export const createMemory = (name: string, bytes: number, { sealed = true } = {}): Fd => {
  // SAFETY: the result of cString is valid until its next call.
  const number = check(libc.memfd_create(cString(name), MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create", name);
  using scope = new DisposableStack();
  const fd = scope.use(new Fd(number, `memory ${name}`));
  truncate(fd.number, bytes);
  if (sealed) check(libc.fcntl(fd.number, F_ADD_SEALS, SEAL_LENGTH), "fcntl", "seal");
  scope.move();
  return fd;
};

/**
 * Reserves a range of addresses, aligned to `align`, a power of two. Its pages are zero and use no memory until they
 * are accessed.
 */
const reserve = (length: bigint, align: bigint, protection: number, what: string): bigint => {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  // SAFETY: the kernel chooses a free range, so no existing mapping is replaced.
  const address = libc.mmap(0n, length + align, protection, flags, -1, 0n);
  if (address === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: what });
  const start = ((address + align - 1n) / align) * align;
  // SAFETY: the excess at both ends is part of the range just mapped, and no view of it exists.
  if (start > address) libc.munmap(address, start - address);
  // SAFETY: this part, too, belongs to the range just mapped, and no view of it exists.
  if (start < address + align) libc.munmap(start + length, address + align - start);
  return start;
};

/** Unmaps an address range when all its views are unreachable. Until then the range uses no memory: see `Mapping`. */
const unreachable = new FinalizationRegistry<{ address: bigint; length: bigint }>(({ address, length }) => {
  // SAFETY: the garbage collector found that the array buffer over this range, and so every view of it, is unreachable.
  libc.munmap(address, length);
});

/**
 * A shared mapping of a descriptor, or private memory.
 *
 * Invariant: no access through a view of it can fault. Disposing frees the memory at once by mapping private zero pages
 * over it; a stale view then reads and writes these without effect on others. The address range is unmapped when the
 * garbage collector finds that no view is left. (Detaching the buffer instead would slow every hot path in the
 * process.)
 *
 * The caller must avoid two things that would break the invariant: mapping a file that its owner may shorten (those of
 * `createMemory` cannot be shortened), and transferring the buffer to another thread, which must map the memory itself.
 */
export class Mapping implements Disposable {
  readonly length: number;
  readonly #what: string;
  readonly #address: bigint;
  #buffer: ArrayBuffer | undefined;

  private constructor(address: bigint, length: number, what: string) {
    this.length = length;
    this.#what = what;
    this.#address = address;
    // SAFETY: [address, address + length) was mapped readable and writable, and stays mapped as long as this buffer can
    // be reached.
    this.#buffer = ffi().toArrayBuffer(address, length, false);
  }

  /**
   * Maps `length` bytes at byte `offset`, a multiple of the page size. The descriptor may be closed afterwards.
   * @throws {OutOfRange} if the file is shorter: access beyond its end would kill the process
   * @throws {SystemError} if the kernel refuses to map it
   */
  static map(fd: number, offset: number, length: number, what: string): Mapping {
    if (!(length > 0) || offset < 0 || offset % PAGE_BYTES !== 0)
      throw new OutOfRange(`${what}: cannot map ${length} bytes at ${offset}`);
    const file = fstatSync(fd);
    if (file.isFile() && offset + length > file.size)
      throw new OutOfRange(`${what}: cannot map ${length} bytes at ${offset} of a file of ${file.size} bytes`);
    // SAFETY: the kernel chooses a free range, so no existing mapping is replaced.
    const address = libc.mmap(0n, BigInt(length), PROT_READ_WRITE, MAP_SHARED, fd, BigInt(offset));
    if (address === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: what });
    return new Mapping(address, length, what);
  }

  /**
   * Allocates zeroed private memory, in huge pages if the kernel has them, so that it needs few IOMMU entries. Child
   * processes do not inherit it: after a copy on write, the device would still use only one of the two copies.
   * @throws {SystemError}
   */
  static allocate(length: number, what: string): Mapping {
    const address = reserve(BigInt(length), LARGE_PAGE, PROT_READ_WRITE, what);
    // SAFETY: this is advice about the range just reserved; a kernel that does not support it changes nothing.
    libc.madvise(address, BigInt(length), MADV_HUGEPAGE);
    // SAFETY: this, too, is advice about the range just reserved.
    libc.madvise(address, BigInt(length), MADV_DONTFORK);
    return new Mapping(address, length, what);
  }

  /**
   * Maps pieces of a file one after the other: `pieceBytes` bytes each (a power of two) from the given offsets.
   * @throws {SystemError}
   */
  static gather(fd: number, offsets: readonly number[], pieceBytes: number, what: string): Mapping {
    const piece = BigInt(pieceBytes);
    const length = BigInt(offsets.length) * piece;
    const start = reserve(length, piece, PROT_NONE, what);
    for (const [i, offset] of offsets.entries()) {
      const at = start + BigInt(i) * piece;
      // SAFETY: replaces a part of the range just reserved, of which there is no view yet.
      const result = libc.mmap(at, piece, PROT_READ_WRITE, MAP_SHARED | MAP_FIXED, fd, BigInt(offset));
      if (result !== MAP_FAILED) continue;
      const number = errno();
      // SAFETY: this function mapped the whole range, and no view of it exists.
      libc.munmap(start, length);
      throw new SystemError({ errno: number, syscall: "mmap", detail: what });
    }
    return new Mapping(start, Number(length), what);
  }

  /**
   * Memory at `address` that another thread of this process has mapped. That thread must keep the memory mapped as long
   * as the result is used, and must release it afterwards. @param address a result of `addressOf`
   */
  static borrow(address: bigint, length: number): ArrayBuffer {
    // SAFETY: the caller ensures that the other thread unmaps the memory only after this thread has stopped using it.
    return ffi().toArrayBuffer(address, length, false);
  }

  /** The memory. Views of it read zeros once the mapping is disposed. @throws {Revoked} once disposed */
  get buffer(): ArrayBuffer {
    if (this.#buffer === undefined) throw new Revoked(this.#what);
    return this.#buffer;
  }

  [Symbol.dispose](): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    const range = { address: this.#address, length: BigInt(this.length) };
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: replaces exactly the range that this object has mapped; the new pages need no file.
    const result = libc.mmap(range.address, range.length, PROT_READ_WRITE, flags, -1, 0n);
    if (result === MAP_FAILED)
      throw new SystemError({ errno: errno(), syscall: "mmap", detail: `release ${this.#what}` });
    unreachable.register(buffer, range);
  }
}
