/** An eventfd that another process made and passed to us. */
import { readlinkSync } from "node:fs";
import type { EventSignaller } from "./aio.ts";
import type { Fd } from "./fd.ts";

/** Whether a descriptor is an eventfd. Asks the kernel's own tables, never the file: that could block. */
export const isEvent = (fd: number): boolean => {
  try {
    // Names of files begin with a slash, so none can look like this.
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventfd]";
  } catch {
    return false;
  }
};

/** Its flags and its counter are its maker's as well, at any time: only a signaller may raise it. */
export class PeerEvent implements Disposable {
  readonly #fd: Fd;
  readonly #signaller: EventSignaller;

  private constructor(fd: Fd, signaller: EventSignaller) {
    this.#fd = fd;
    this.#signaller = signaller;
  }

  /** The descriptor becomes this object's. Undefined, and it does not, for anything but an eventfd. */
  static adopt(fd: Fd, signaller: EventSignaller): PeerEvent | undefined {
    return isEvent(fd.number) ? new PeerEvent(fd, signaller) : undefined;
  }

  /** Raises the event. Never blocks. @throws {SystemError} */
  signal(): void {
    this.#signaller.signal(this.#fd.number);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
