/** An eventfd created by another process and passed to this one. */
import { readlinkSync } from "node:fs";
import type { EventSignaller } from "./aio.ts";
import type { Fd } from "./fd.ts";

/** Whether a descriptor is an eventfd. No operation of the file is called, because that could block. */
export const isEvent = (fd: number): boolean => {
  try {
    // For a file with a path, the link's target begins with a slash, so it cannot be equal to this text.
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventfd]";
  } catch {
    return false;
  }
};

/**
 * The other process can change the event's flags and counter at any time, so only an `EventSignaller` may signal it.
 */
export class PeerEvent implements Disposable {
  readonly #fd: Fd;
  readonly #signaller: EventSignaller;

  private constructor(fd: Fd, signaller: EventSignaller) {
    this.#fd = fd;
    this.#signaller = signaller;
  }

  /** Takes ownership of an eventfd. If the descriptor is something else, returns undefined and does not take it. */
  static adopt(fd: Fd, signaller: EventSignaller): PeerEvent | undefined {
    return isEvent(fd.number) ? new PeerEvent(fd, signaller) : undefined;
  }

  /** Signals the event. Never blocks. @throws {SystemError} */
  signal(): void {
    this.#signaller.signal(this.#fd.number);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
