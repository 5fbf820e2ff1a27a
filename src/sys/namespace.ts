/** Network namespaces: made, entered and left by the calling thread; named by a descriptor. */
import { fstatSync } from "node:fs";
import { FerruleError } from "#kit/errors.ts";
import { Errno, SystemError, errno } from "./errno.ts";
import { type Fd, Open, openFile } from "./fd.ts";
import { Interfaces } from "./interface.ts";
import { libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
/** The file that stands for this thread's own namespace; /proc/self would be the main thread's. */
const OWN = "/proc/thread-self/ns/net";

/** This process may not make or enter a network namespace. */
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
 * A network namespace, held open by a descriptor. It lives until the last descriptor, thread and interface of it has
 * gone. Threads are in namespaces one by one: entering moves the calling thread only, and Node's own thread pool (used by
 * `fs` with promises and by `dns.lookup`) stays where the process started. Sockets belong for good to the namespace
 * their thread was in when they were made.
 */
export class NetworkNamespace implements Disposable {
  readonly #fd: Fd | undefined;
  readonly #number: number;

  private constructor(fd: Fd | undefined, number: number) {
    this.#fd = fd;
    this.#number = number;
  }

  /** A new, empty one (loopback only, and that down). The calling thread stays where it is. @throws {NamespaceNotPermitted} */
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

  /** The one the calling thread is in. @throws {SystemError} */
  static current(): NetworkNamespace {
    return NetworkNamespace.at(OWN);
  }

  /** One that has a file, such as /run/netns/NAME or /proc/PID/ns/net. @throws {SystemError} */
  static at(path: string): NetworkNamespace {
    return NetworkNamespace.owning(openFile(path, Open.readOnly));
  }

  /** Takes ownership of a namespace's descriptor. */
  static owning(fd: Fd): NetworkNamespace {
    return new NetworkNamespace(fd, fd.number);
  }

  /** The same namespace in another thread, by its descriptor. The owner must outlive it; disposing this closes nothing. */
  static fromFd(number: number): NetworkNamespace {
    return new NetworkNamespace(undefined, number);
  }

  get fd(): number {
    return this.#fd === undefined ? this.#number : this.#fd.number;
  }

  /** Equal for two handles exactly when they are of one namespace (while both are open). */
  get identity(): number {
    return fstatSync(this.fd).ino;
  }

  /** Moves the calling thread there. @throws {NamespaceNotPermitted} */
  enter(): void {
    // SAFETY: no argument is an address.
    if (libc.setns(this.fd, CLONE_NEWNET) < 0) fail("setns", "enter a network namespace");
  }

  /**
   * Runs `act` there and comes back. `act` must not be asynchronous: it would go on elsewhere. A thread that is there
   * already needs no permission, which setns(2) would want all the same (CAP_SYS_ADMIN).
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
