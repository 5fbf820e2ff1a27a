/** File descriptors with an owner: closed exactly once, unusable afterwards. */
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf, cString, keepAlive } from "./memory.ts";

/** A file descriptor was used after it was closed or released. */
export class DescriptorClosed extends FerruleError {
  readonly code = "DESCRIPTOR_CLOSED";
  readonly hint = "This is an error in the program: an object was used after its owner was disposed.";
  constructor(what: string) {
    super(`${what} was used after it had been closed`);
  }
}

const CLOSED = -1;
const F_DUPFD_CLOEXEC = 1030;

const closeNow = (number: number): void => {
  // The result does not matter: on Linux the descriptor is closed even when close reports an error.
  // SAFETY: the owner calls this once and has just cleared the number, so no other file is closed.
  libc.close(number);
};

/**
 * Owns a file descriptor.
 *
 * Invariant: while `number` can be read, the descriptor is open and nothing else closes it. The kernel reuses numbers,
 * so a second close could close another file. Descriptors belong to the process: if a worker thread ends without
 * closing one, it stays open.
 */
export class Fd implements Disposable {
  /** Purpose of the descriptor, for error messages. */
  readonly what: string;
  readonly #close: (number: number) => void;
  #number: number;

  /**
   * Takes ownership of an open descriptor.
   * @param close used instead of close(2), if that might block this thread
   */
  constructor(number: number, what: string, close: (number: number) => void = closeNow) {
    if (!Number.isInteger(number) || number < 0) throw new OutOfRange(`${what} cannot have file descriptor ${number}`);
    this.#number = number;
    this.#close = close;
    this.what = what;
  }

  /** @throws {DescriptorClosed} once closed or released */
  get number(): number {
    if (this.#number === CLOSED) throw new DescriptorClosed(this.what);
    return this.#number;
  }

  get open(): boolean {
    return this.#number !== CLOSED;
  }

  /** Returns a duplicate of the descriptor, for the same open file. @throws {SystemError} */
  duplicate(): Fd {
    // SAFETY: no argument is an address.
    return new Fd(check(libc.fcntl(this.number, F_DUPFD_CLOEXEC, 0n), "fcntl", this.what), this.what);
  }

  /** Gives up ownership: the caller must close the descriptor. */
  release(): number {
    const number = this.number;
    this.#number = CLOSED;
    return number;
  }

  [Symbol.dispose](): void {
    if (this.#number === CLOSED) return;
    const number = this.#number;
    this.#number = CLOSED;
    this.#close(number);
  }
}

/** Flags of open(2) that have the same value on x86-64 and arm64. Every file is opened with O_CLOEXEC. */
export const Open = {
  readOnly: 0,
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  truncate: 0o1000,
  nonBlocking: 0o4000,
} as const;
const O_CLOEXEC = 0o2000000;

/** Opens a file. @throws {SystemError} */
export const openFile = (path: string, flags: number, mode = 0o600): Fd => {
  // SAFETY: the result of cString is valid until its next call.
  return new Fd(check(libc.open(cString(path), flags | O_CLOEXEC, mode), "open", path), path);
};

/**
 * Reads once, at most the length of `into`. Returns the number of bytes read, 0 at the end. For the hot path see
 * `readv`. @throws {SystemError}
 */
export const read = (fd: number, into: Uint8Array): number => {
  if (into.length === 0) return 0;
  // SAFETY: the kernel writes at most `into.length` bytes from the address of the first byte, and `into` is kept alive
  // until the call has returned.
  const result = libc.read(fd, addressOf(into.buffer) + BigInt(into.byteOffset), BigInt(into.length));
  keepAlive(into);
  return check(result, "read");
};

/** Writes once from `from`. Returns the number of bytes written, which may be smaller. @throws {SystemError} */
export const write = (fd: number, from: Uint8Array): number => {
  if (from.length === 0) return 0;
  // SAFETY: as for read, but the kernel only reads.
  const result = libc.write(fd, addressOf(from.buffer) + BigInt(from.byteOffset), BigInt(from.length));
  keepAlive(from);
  return check(result, "write");
};

/** Sets a file's length in bytes. @throws {SystemError} */
export const truncate = (fd: number, bytes: number): void => {
  // SAFETY: no argument is an address. An access to a mapped part that is truncated would fault; `createMemory`
  // therefore seals the length of its files.
  check(libc.ftruncate(fd, BigInt(bytes)), "ftruncate");
};
