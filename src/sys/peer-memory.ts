/**
 * Memory that another process shares and could still shorten. It is accessed only by copies that the kernel makes,
 * never by a load or store.
 */
import { OutOfRange } from "#kit/errors.ts";
import { SystemError, errno } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Mapping, createMemory } from "./mapping.ts";

const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 2n ** 64n - 1n;
const START = 0n;

/** Size of the buffer for copies: the longest frame fits into it. */
const BOUNCE_BYTES = 1 << 16;

/**
 * A buffer for copies that the kernel makes, one for all `PeerMemory` of a thread. It is a memory file: pread(2) and
 * pwrite(2) of it cannot block, because no other process has it. The same calls on the other process's file could
 * block, because that process can hold the file's lock.
 */
export class BounceBuffer implements Disposable {
  readonly bytes: Uint8Array;
  readonly #file: Fd;
  readonly #mapping: Mapping;

  /** @throws {SystemError} */
  constructor() {
    using scope = new DisposableStack();
    this.#file = scope.use(createMemory("bounce", BOUNCE_BYTES));
    this.#mapping = scope.use(Mapping.map(this.#file.number, 0, BOUNCE_BYTES, "bounce buffer"));
    this.bytes = new Uint8Array(this.#mapping.buffer);
    scope.move();
  }

  get file(): number {
    return this.#file.number;
  }

  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
    this.#file[Symbol.dispose]();
  }
}

/**
 * A mapping without a view. The process that shares the memory may remove pages at any time. A load from such a page
 * would kill this process (SIGBUS); a system call only fails (EFAULT).
 */
export class PeerMemory implements Disposable {
  readonly #bounce: BounceBuffer;
  readonly #address: bigint;
  readonly #length: number;
  /** The mapped range: whole pages. */
  readonly #mapped: { readonly start: bigint; readonly bytes: bigint };
  #open = true;

  /**
   * Maps `length` bytes at `offset` of a file for which `isMemory` is true. The descriptor may be closed afterwards.
   * @param pageBytes the size of the file's pages; the mapping begins at the page that contains `offset`
   * @throws {SystemError} such as EACCES if the descriptor is read-only
   */
  constructor(
    fd: number,
    place: { readonly offset: number; readonly length: number; readonly pageBytes: number; readonly readOnly: boolean },
    bounce: BounceBuffer,
  ) {
    const { offset, length, pageBytes, readOnly } = place;
    const before = offset % pageBytes;
    const bytes = BigInt(Math.ceil((before + length) / pageBytes)) * BigInt(pageBytes);
    const protection = readOnly ? PROT_READ : PROT_READ_WRITE;
    // SAFETY: the kernel chooses a free range, and no view of it is ever created.
    const start = libc.mmap(START, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, BigInt(offset - before));
    if (start === MAP_FAILED) throw new SystemError({ errno: errno(), syscall: "mmap", detail: "guest memory" });
    this.#bounce = bounce;
    this.#length = length;
    this.#address = start + BigInt(before);
    this.#mapped = { start, bytes };
  }

  /**
   * Copies `length` bytes from offset `from` of this memory to offset `offset` of `into`. Returns false if the owner
   * has removed some of the pages. @throws {OutOfRange} if the memory has no such offset
   */
  read(from: number, into: Uint8Array, offset: number, length: number): boolean {
    const { bytes, file } = this.#bounce;
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, bytes.length);
      const address = this.#at(from + done, part);
      // SAFETY: the range is mapped. If its owner has truncated it, the call fails.
      if (libc.pwrite(file, address, BigInt(part), START) !== part) return false;
      into.set(bytes.subarray(0, part), offset + done);
      done += part;
    }
    return true;
  }

  /**
   * Copies the `length` bytes at `offset` of `source` to the memory, at `to`. Returns false if the owner has removed
   * some of the pages, or they may not be written. @throws {OutOfRange} if the memory has no such offset
   */
  write(to: number, source: Uint8Array, offset: number, length: number): boolean {
    const { bytes, file } = this.#bounce;
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, bytes.length);
      const address = this.#at(to + done, part);
      bytes.set(source.subarray(offset + done, offset + done + part), 0);
      // SAFETY: as for read. The call also fails if the pages may not be written.
      if (libc.pread(file, address, BigInt(part), START) !== part) return false;
      done += part;
    }
    return true;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    // SAFETY: this object mapped the range, there is no view of it, and no method accesses it any more.
    libc.munmap(this.#mapped.start, this.#mapped.bytes);
  }

  #at(offset: number, length: number): bigint {
    if (!(this.#open && offset >= 0 && length > 0 && offset + length <= this.#length))
      throw new OutOfRange(`${this.#length} bytes of guest memory do not have ${length} bytes at ${offset}`);
    return this.#address + BigInt(offset);
  }
}
