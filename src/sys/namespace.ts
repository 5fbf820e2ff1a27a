/** Network namespaces: created, entered and left by the calling thread; identified by a descriptor. */
import { fstatSync } from "node:fs";
import { FerruleError } from "#kit/errors.ts";
import { Errno, SystemError, errno } from "./errno.ts";
import { type Fd, Open, openFile } from "./fd.ts";
import { Interfaces } from "./interface.ts";
import { libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
/** The file of this thread's own namespace; /proc/self would give the main thread's. */
const OWN = "/proc/thread-self/ns/net";

/** This process may not create or enter a network namespace. */
export class NamespaceNotPermitted extends FerruleError {
  readonly code = "NAMESPACE_NOT_PERMITTED";
  readonly hint = "Run as root, or inside `unshare --user --map-root-user --net`.";
  constructor(what: string, cause: Error) {
    super(`not permitted to ${what}`, { cause });
  }
}

const fail = (syscall: string, what: string): never => {
  const error = new SystemError({ errno: errno(), syscall, detail: what });
  throw error.errno === Errno.EPERM ? new NamespaceNotPermitted(what, error) : error;
};

/**
 * A network namespace, identified by a descriptor. It exists as long as a descriptor or a mount refers to it, a thread
 * is in it, or a socket that was made in it is open.
 *
 * Entering a namespace moves only the calling thread. Node's thread pool (used by `fs` with promises and by
 * `dns.lookup`) stays in the namespace in which the process started. A socket always belongs to the namespace in which
 * it was made.
 */
export class NetworkNamespace implements Disposable {
  readonly #fd: Fd | undefined;
  readonly #number: number;

  private constructor(fd: Fd | undefined, number: number) {
    this.#fd = fd;
    this.#number = number;
  }

  /**
   * Creates a namespace with only a loopback interface, which is down. The calling thread is in its own namespace again
   * when this returns. @throws {NamespaceNotPermitted} {SystemError}
   */
  static create(): NetworkNamespace {
    using home = NetworkNamespace.current();
    // SAFETY: no argument is an address.
    if (libc.unshare(CLONE_NEWNET) < 0) fail("unshare", "make a network namespace");
    try {
      return NetworkNamespace.current();
    } finally {
      home.enter();
    }
  }

  /** The namespace of the calling thread. @throws {SystemError} */
  static current(): NetworkNamespace {
    return NetworkNamespace.at(OWN);
  }

  /** Opens the namespace of a file such as /run/netns/NAME or /proc/PID/ns/net. @throws {SystemError} */
  static at(path: string): NetworkNamespace {
    return NetworkNamespace.owning(openFile(path, Open.readOnly));
  }

  /** Takes ownership of a namespace's descriptor. */
  static owning(fd: Fd): NetworkNamespace {
    return new NetworkNamespace(fd, fd.number);
  }

  /**
   * The same namespace in another thread, by the number of its descriptor. The owner must keep the descriptor open
   * while this object is used; disposing this object does not close it.
   */
  static fromFd(number: number): NetworkNamespace {
    return new NetworkNamespace(undefined, number);
  }

  get fd(): number {
    return this.#fd === undefined ? this.#number : this.#fd.number;
  }

  /** A number that is equal for two open handles if and only if they refer to the same namespace. */
  get identity(): number {
    return fstatSync(this.fd).ino;
  }

  /** Moves the calling thread to the namespace. @throws {NamespaceNotPermitted} {SystemError} */
  enter(): void {
    // SAFETY: no argument is an address.
    if (libc.setns(this.fd, CLONE_NEWNET) < 0) fail("setns", "enter a network namespace");
  }

  /**
   * Runs `act` in the namespace, then goes back. `act` must not be asynchronous, because the part after its first
   * `await` would run in another namespace. If the thread is already in the namespace, no permission is needed,
   * although setns(2) would require CAP_SYS_ADMIN.
   * @throws {NamespaceNotPermitted}
   */
  within<T>(act: () => T extends PromiseLike<unknown> ? never : T): T {
    using home = NetworkNamespace.current();
    if (home.identity === this.identity) return act();
    this.enter();
    try {
      return act();
    } finally {
      home.enter();
    }
  }

  /** Brings the loopback interface up. @throws {SystemError} */
  loopbackUp(): void {
    this.within(() => {
      using interfaces = Interfaces.open();
      interfaces.up("lo");
    });
  }

  [Symbol.dispose](): void {
    this.#fd?.[Symbol.dispose]();
  }
}
