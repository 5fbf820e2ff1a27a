/** An eventfd created by another process and passed to this one. */
import { readlinkSync } from "node:fs";
import type { EventSignaller } from "./aio.ts";
import type { Fd } from "./fd.ts";

/** Whether a descriptor is an eventfd. Asks the kernel, never the file, which could block. */
export const isEvent = (fd: number): boolean => {
  try {
    // Names of files begin with a slash, so no file can have this name.
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventfd]";
  } catch {
    return false;
  }
};

/** The other process can change its flags and counter at any time: only an `EventSignaller` may signal it. */
export class PeerEvent implements Disposable {
  readonly #fd: Fd;
  readonly #signaller: EventSignaller;

  private constructor(fd: Fd, signaller: EventSignaller) {
    this.#fd = fd;
    this.#signaller = signaller;
  }

  /** Takes ownership of the descriptor. Undefined, without taking it, for anything but an eventfd. */
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
