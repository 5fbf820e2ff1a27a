/** eventfd(2): a counter in the kernel that one thread increments and another waits on. */
import { OutOfRange } from "#kit/errors.ts";
import { SystemError, check, Errno, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct } from "./memory.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const BYTES = 8n;
/**
 * Fail with EAGAIN instead of blocking, regardless of the descriptor's flags. Eventfds support this since Linux 5.8.
 */
const RWF_NOWAIT = 0x8;
/** Use the file's own position, as read(2) does. */
const CURRENT = -1n;

/**
 * An event of this process that poll(2) can wait on. Several signals before a drain are merged into one. Neither end
 * allocates or blocks.
 *
 * O_NONBLOCK is a flag of the open file, not of the descriptor, so another process with a copy of the descriptor can
 * clear it. Therefore `shared` events are drained with a call that cannot block.
 *
 * For events that another process created, see `PeerEvent`.
 */
export class EventFd implements Disposable {
  readonly #owner: Fd | undefined;
  readonly #attached: number;
  readonly #shared: boolean;
  /** The value that a signal adds. */
  readonly #one = new Struct(8);
  /** The count that a drain reads; it is not used. */
  readonly #count = new Struct(8);
  /** struct iovec { void *base; size_t length } of the count. */
  readonly #iovec = new Struct(16);

  private constructor(owner: Fd | undefined, attached: number, shared: boolean) {
    this.#owner = owner;
    this.#attached = attached;
    this.#shared = shared;
    this.#one.view.setUint32(0, 1, true);
    this.#iovec.view.setBigUint64(0, this.#count.address, true);
    this.#iovec.view.setBigUint64(8, BYTES, true);
  }

  /** @param options `shared`: another process will get a copy of the descriptor @throws {SystemError} */
  static create({ shared = false } = {}): EventFd {
    // SAFETY: no argument is an address.
    const number = check(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    return new EventFd(new Fd(number, "eventfd"), -1, shared);
  }

  /**
   * The same event in another thread, by the number of its descriptor. The owner must keep the descriptor open while
   * this object is used; disposing this object does not close it.
   */
  static attach(number: number, { shared = false } = {}): EventFd {
    if (!Number.isInteger(number) || number < 0)
      throw new OutOfRange(`an eventfd cannot have file descriptor ${number}`);
    return new EventFd(undefined, number, shared);
  }

  /** For poll(2), and for `attach` in another thread. @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#owner === undefined ? this.#attached : this.#owner.number;
  }

  /** Signals the event. */
  signal(): void {
    // SAFETY: the kernel reads 8 bytes of a structure that this object holds.
    const result = libc.write(this.number, this.#one.address, BYTES);
    // EAGAIN: the counter is at its limit, so the event is already signalled.
    if (result < 0 && errno() !== Errno.EAGAIN)
      throw new SystemError({ errno: errno(), syscall: "write", detail: "eventfd" });
  }

  /**
   * Takes the event, if it was signalled. @throws {SystemError} such as EOPNOTSUPP for a shared event before Linux 5.8
   */
  drain(): boolean {
    const result = this.#shared ? this.#readWithoutWaiting() : this.#read();
    if (result >= 0) return true;
    if (errno() !== Errno.EAGAIN) throw new SystemError({ errno: errno(), syscall: "read", detail: "eventfd" });
    return false;
  }

  #read(): number {
    // SAFETY: the kernel writes 8 bytes of a structure that this object holds.
    return libc.read(this.number, this.#count.address, BYTES);
  }

  #readWithoutWaiting(): number {
    // SAFETY: the table has one entry, for 8 bytes of a structure that this object holds.
    return libc.preadv2(this.number, this.#iovec.address, 1, CURRENT, RWF_NOWAIT);
  }

  [Symbol.dispose](): void {
    this.#owner?.[Symbol.dispose]();
  }
}
