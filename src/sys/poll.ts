/** poll(2) over a fixed list of descriptors: how a data-plane thread waits for several events. */
import { OutOfRange } from "#kit/errors.ts";
import { SystemError, Errno, errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { Struct } from "./memory.ts";

/** Events to wait for. */
export const Poll = { readable: 0x001, writable: 0x004 } as const;
const POLLERR = 0x008;
const POLLHUP = 0x010;
const POLLNVAL = 0x020;

/**
 * Waits on several descriptors at once. Allocates nothing per wait.
 *
 * The descriptors must stay open while they are in the list: the kernel reports a closed one as failed, but its number
 * may be reused for another file.
 */
export class Poller {
  readonly #count: bigint;
  readonly #table: Struct;
  /** struct pollfd { int fd; short events; short revents }, seen as ints and as shorts. */
  readonly #fds: Int32Array;
  readonly #events: Int16Array;
  readonly #length: number;

  /** Creates a poller that waits for any of `fds` to become readable, until `watch` sets other events. */
  constructor(fds: readonly number[]) {
    if (fds.length === 0) throw new OutOfRange("a poller needs at least one descriptor");
    this.#length = fds.length;
    this.#count = BigInt(fds.length);
    this.#table = new Struct(fds.length * 8);
    this.#fds = new Int32Array(this.#table.bytes.buffer);
    this.#events = new Int16Array(this.#table.bytes.buffer);
    for (const [i, fd] of fds.entries()) {
      this.#fds[i * 2] = fd;
      this.#events[i * 4 + 2] = Poll.readable;
    }
  }

  /** Sets the events of the `i`th descriptor: bits of `Poll`, 0 for errors only. */
  watch(i: number, events: number): void {
    this.#check(i);
    this.#events[i * 4 + 2] = events;
  }

  /** Replaces the `i`th descriptor, and includes it in waits. */
  aim(i: number, fd: number): void {
    this.#check(i);
    this.#fds[i * 2] = fd;
  }

  /**
   * Includes the `i`th descriptor in waits, or excludes it. Exclude one that failed, because every wait would return at
   * once.
   */
  include(i: number, included: boolean): void {
    this.#check(i);
    const fd = this.#fds[i * 2]!;
    // poll(2) ignores negative descriptors.
    const leftOut = fd < 0;
    if (leftOut === included) this.#fds[i * 2] = ~fd;
  }

  /**
   * Blocks until a descriptor is ready, for at most `timeoutMillis` whole milliseconds (0 returns at once; -1 waits
   * without limit). Returns the number of ready descriptors; 0 if the time is up or a signal ended the wait.
   * @throws {SystemError}
   */
  wait(timeoutMillis: number): number {
    // SAFETY: the table has `#count` entries, and this object holds it.
    const ready = libc.poll(this.#table.address, this.#count, timeoutMillis | 0);
    if (ready >= 0) return ready;
    const number = errno();
    if (number !== Errno.EINTR) throw new SystemError({ errno: number, syscall: "poll" });
    for (let i = 0; i < this.#length; i++) this.#events[i * 4 + 3] = 0;
    return 0;
  }

  /** Whether the last wait found an event on the `i`th descriptor, or an error. */
  ready(i: number): boolean {
    this.#check(i);
    return this.#events[i * 4 + 3] !== 0;
  }

  /** Whether the last wait found the `i`th descriptor writable. */
  writable(i: number): boolean {
    this.#check(i);
    return (this.#events[i * 4 + 3]! & Poll.writable) !== 0;
  }

  /** Whether the last wait found an error or hang-up on the `i`th descriptor, or that the descriptor is closed. */
  failed(i: number): boolean {
    this.#check(i);
    return (this.#events[i * 4 + 3]! & (POLLERR | POLLHUP | POLLNVAL)) !== 0;
  }

  #check(i: number): void {
    if (!(i >= 0 && i < this.#length))
      throw new OutOfRange(`a poller of ${this.#length} descriptors has no descriptor ${i}`);
  }
}
