/** eventfd(2): a counter in the kernel that one thread raises and another waits on. */
import { readlinkSync } from "node:fs";
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { SystemError, check, Errno, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct } from "./memory.ts";
import { Poll, Poller } from "./poll.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const BYTES = 8n;

/** A descriptor from elsewhere was to be an event, and is something else. */
export class NotAnEvent extends FerruleError {
  readonly code = "NOT_AN_EVENT";
  readonly hint = "Pass a descriptor that eventfd(2) made.";
  constructor(what: string) {
    super(`a descriptor to be signalled is ${what}`);
  }
}

/** What kind of file a descriptor is, as the kernel names it. */
const nameOf = (fd: number): string => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "unknown, for /proc cannot be read";
  }
};

/**
 * An event that can be waited on with poll(2). Several signals before a drain become one. Both ends allocate nothing, and
 * none of ours blocks.
 *
 * Of one that another process made, that process says at any time whether writing blocks, for the flag belongs to both.
 * So poll(2) says first whether it would. What remains: whoever fills the counter at the very moment between the two.
 */
export class EventFd implements Disposable {
  readonly #owner: Fd | undefined;
  readonly #attached: number;
  /** The 1 that is added by a signal. */
  readonly #one = new Struct(8);
  /** Where a drain puts the count, which no one needs. */
  readonly #count = new Struct(8);

  /** Says whether there is room for a signal, where another process may have filled the counter. */
  readonly #room: Poller | undefined;

  private constructor(owner: Fd | undefined, attached: number, room?: Poller) {
    this.#owner = owner;
    this.#attached = attached;
    this.#room = room;
    this.#room?.watch(0, Poll.writable);
    this.#one.view.setUint32(0, 1, true);
  }

  /** @throws {SystemError} */
  static create(): EventFd {
    // SAFETY: no argument is an address.
    return new EventFd(new Fd(check(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"), "eventfd"), -1);
  }

  /** The same event in another thread, by its number. The owner must outlive it; disposing this one closes nothing. */
  static attach(number: number): EventFd {
    if (!Number.isInteger(number) || number < 0) throw new OutOfRange(`file descriptor ${number} for an eventfd`);
    return new EventFd(undefined, number);
  }

  /**
   * An event that another process made, whose descriptor becomes this object's.
   * @throws {NotAnEvent} for anything else: writing to a stranger's file could change it, or block for ever
   */
  static adopt(fd: Fd): EventFd {
    const what = nameOf(fd.number);
    if (what !== "anon_inode:[eventfd]") throw new NotAnEvent(what);
    return new EventFd(fd, -1, new Poller([fd.number]));
  }

  /** For poll(2), and for `attach` in another thread. @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#owner === undefined ? this.#attached : this.#owner.number;
  }

  /** Raises the event. */
  signal(): void {
    // The counter is at its limit, so the event is raised already.
    if (this.#room !== undefined && this.#room.wait(0) === 0) return;
    // SAFETY: reads the 8 bytes of a structure this object holds.
    const result = libc.write(this.number, this.#one.address, BYTES);
    // EAGAIN: the counter is at its limit, so the event is raised already.
    if (result < 0 && errno() !== Errno.EAGAIN)
      throw new SystemError({ errno: errno(), syscall: "write", detail: "eventfd" });
  }

  /** Takes the event, if it was raised. */
  drain(): boolean {
    // SAFETY: writes the 8 bytes of a structure this object holds.
    const result = libc.read(this.number, this.#count.address, BYTES);
    if (result >= 0) return true;
    if (errno() !== Errno.EAGAIN) throw new SystemError({ errno: errno(), syscall: "read", detail: "eventfd" });
    return false;
  }

  [Symbol.dispose](): void {
    this.#owner?.[Symbol.dispose]();
  }
}
