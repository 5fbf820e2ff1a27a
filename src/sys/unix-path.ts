/** AF_UNIX sockets with a path: listening and connecting. */
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { FerruleError, Timeout } from "#kit/errors.ts";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const NONE = 0n;

/** struct sockaddr_un { u16 family; char path[108] }; the path includes its NUL. */
const PATH_AT = 2;
/** Length in bytes of the longest path of a socket. */
export const MAX_SOCKET_PATH = 107;
const BACKLOG = 4;
/** Interval of retries while a listener's queue is full, in milliseconds. */
const RETRY_MILLIS = 5;

/** A socket's path is too long for struct sockaddr_un. */
export class SocketPathTooLong extends FerruleError {
  readonly code = "SOCKET_PATH_TOO_LONG";
  readonly hint = `The path of a socket has at most ${MAX_SOCKET_PATH} bytes: use a shorter or a relative path.`;
  constructor(path: string, bytes: number) {
    super(`the path of the socket has ${bytes} bytes: ${path.slice(0, 40)}…`);
  }
}

/** The path is in use, by a listener or by a file that is not a socket. */
export class SocketPathTaken extends FerruleError {
  readonly code = "SOCKET_PATH_TAKEN";
  readonly hint: string;
  constructor(path: string, by: "a listener" | "a file") {
    super(by === "a listener" ? `a program already listens at ${path}` : `${path} exists but is not a socket`);
    this.hint =
      by === "a listener" ? "Stop that program, or use another path." : "Use another path, or move that file away.";
  }
}

/** @throws {SocketPathTooLong} {SystemError} */
export const socketAddress = (path: string): Struct => {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0 || bytes.includes(0))
    throw new SystemError({ errno: Errno.EINVAL, syscall: "bind", detail: "path of a socket" });
  if (bytes.length > MAX_SOCKET_PATH) throw new SocketPathTooLong(path, bytes.length);
  const address = new Struct(PATH_AT + MAX_SOCKET_PATH + 1);
  address.view.setUint16(0, AF_UNIX, true);
  address.bytes.set(bytes, PATH_AT);
  return address;
};

export const newSocket = (what: string, type = SOCK_STREAM): Fd => {
  // SAFETY: no argument is an address.
  return new Fd(check(libc.socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket", what), what);
};

/** Connects. Returns 0, or the negated error number. */
export const tryConnect = (socket: Fd, address: Struct): number => {
  // SAFETY: the structure has the stated length, and is kept alive until the call has returned.
  const result = libc.connect(socket.number, address.address, address.bytes.length);
  keepAlive(address);
  return result < 0 ? -errno() : 0;
};

/** Default permissions of a socket's file: owner only, regardless of the umask. */
export const OWNER_ONLY = 0o600;

/** Binds. Returns 0, or the negated error number. */
const tryBind = (socket: Fd, address: Struct): number => {
  // SAFETY: the structure has the stated length, and is kept alive until the call has returned.
  const result = libc.bind(socket.number, address.address, address.bytes.length);
  keepAlive(address);
  return result < 0 ? -errno() : 0;
};

/**
 * Creates the file at `path`. A stale socket file is replaced. The file never has more permissions than `mode`: the
 * kernel creates it with the socket's permissions, minus the umask. @throws {SocketPathTaken} {SystemError}
 */
export const bindTo = (
  socket: Fd,
  path: string,
  { type = SOCK_STREAM, mode = OWNER_ONLY }: { readonly type?: number; readonly mode?: number | undefined },
): void => {
  const address = socketAddress(path);
  fchmodSync(socket.number, mode);
  let result = tryBind(socket, address);
  if (result === -Errno.EADDRINUSE) {
    removeStale(path, address, type);
    result = tryBind(socket, address);
  }
  if (result === -Errno.EADDRINUSE) throw new SocketPathTaken(path, "a listener");
  if (result < 0) throw new SystemError({ errno: -result, syscall: "bind", detail: path });
  // Adds the permissions that the umask removed.
  if (mode !== OWNER_ONLY) setSocketMode(path, mode);
};

/** Open a descriptor that only identifies a path (linux/fcntl.h). Node does not have this constant. */
const O_PATH = 0o10000000;

/**
 * Sets the permissions of a socket's file. Changes nothing if another file has replaced it, because the new file could
 * be a link to any other file.
 */
export const setSocketMode = (path: string, mode: number): void => {
  const file = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (fstatSync(file).isSocket()) chmodSync(`/proc/self/fd/${file}`, mode);
  } finally {
    closeSync(file);
  }
};

const pause = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
};

/**
 * Connects to the socket at `path`. The returned socket does not block: wait with poll(2).
 * @param limitMillis how long to retry while the listener's queue is full
 * @throws {SocketPathTooLong} {Timeout} {SystemError} such as ENOENT, or ECONNREFUSED if there is no listener
 */
export const connectUnix = (path: string, limitMillis = 5000): Fd => {
  const address = socketAddress(path);
  using scope = new DisposableStack();
  const socket = scope.use(newSocket(path));
  const end = performance.now() + limitMillis;
  for (;;) {
    const result = tryConnect(socket, address);
    if (result === 0) break;
    if (result !== -Errno.EAGAIN) throw new SystemError({ errno: -result, syscall: "connect", detail: path });
    if (performance.now() >= end)
      throw new Timeout({
        what: `connecting to ${path}`,
        waitedMicros: limitMillis * 1000,
        hint: "The program that listens at this path is busy with another connection, or hung.",
      });
    pause(RETRY_MILLIS);
  }
  scope.move();
  return socket;
};

/** A socket's file, identified by its inode, so that a file that has replaced it is not removed. */
export class SocketPlace {
  readonly path: string;
  readonly #inode: number | undefined;

  constructor(path: string) {
    this.path = path;
    this.#inode = lstatSync(path, { throwIfNoEntry: false })?.ino;
  }

  /** Removes the file, unless another one has replaced it. */
  remove(): void {
    const inode = lstatSync(this.path, { throwIfNoEntry: false })?.ino;
    if (inode !== undefined && inode === this.#inode) unlinkSync(this.path);
  }
}

/**
 * A listening socket with a path. Accepting never blocks.
 *
 * Invariant: disposing removes the socket's file, unless another file has replaced it.
 */
export class UnixListener implements Disposable {
  readonly path: string;
  readonly #socket: Fd;
  readonly #place: SocketPlace;
  /**
   * A reserve descriptor. When no descriptor is free, the reserve is closed so that a connection can be accepted and
   * rejected. Undefined if the reserve could not be opened again.
   */
  #spare: Fd | undefined;

  private constructor(path: string, socket: Fd, spare: Fd) {
    this.path = path;
    this.#place = new SocketPlace(path);
    this.#socket = socket;
    this.#spare = spare;
  }

  /**
   * Listens at `path`. A stale socket file is replaced.
   * @param mode permissions of the file; connecting needs write permission
   * @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} such as EACCES
   */
  static listen(path: string, mode?: number): UnixListener {
    using scope = new DisposableStack();
    const socket = scope.use(newSocket(path));
    bindTo(socket, path, { mode });
    // SAFETY: no argument is an address.
    check(libc.listen(socket.number, BACKLOG), "listen", path);
    const spare = scope.use(socket.duplicate());
    const listener = new UnixListener(path, socket, spare);
    scope.move();
    return listener;
  }

  /** For poll(2). @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#socket.number;
  }

  /** Another descriptor of the socket, for another thread that accepts. @throws {SystemError} */
  duplicate(): Fd {
    return this.#socket.duplicate();
  }

  /**
   * Accepts the next connection, as a non-blocking socket; undefined if there is none. @throws {SystemError} such as
   * EMFILE: the connection was closed because no descriptor was free
   */
  accept(): Fd | undefined {
    const number = this.#accept();
    if (number >= 0) return new Fd(number, `connection to ${this.path}`);
    const code = errno();
    // ECONNABORTED: the client closed the connection while it was queued.
    if (code === Errno.EAGAIN || code === Errno.EINTR || code === Errno.ECONNABORTED) return undefined;
    if (code === Errno.EMFILE || code === Errno.ENFILE) this.#turnAway();
    throw new SystemError({ errno: code, syscall: "accept", detail: this.path });
  }

  #accept(): number {
    // SAFETY: null addresses mean that the other side's address is not wanted.
    return libc.accept4(this.number, NONE, NONE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }

  /**
   * Accepts a connection and closes it. If it stayed in the queue, every poll(2) would return at once and the client
   * would wait forever.
   */
  #turnAway(): void {
    this.#spare?.[Symbol.dispose]();
    const number = this.#accept();
    if (number >= 0) new Fd(number, "connection")[Symbol.dispose]();
    try {
      this.#spare = this.#socket.duplicate();
    } catch {
      this.#spare = undefined;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#socket.open) return;
    // The file is removed before the socket is closed. Otherwise another process could find the file stale and replace
    // it, and this would remove the new file.
    this.#place.remove();
    this.#spare?.[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }
}

/** Removes the file at `path` if it is a socket without listener. @throws {SocketPathTaken} if it is another file */
const removeStale = (path: string, address: Struct, type = SOCK_STREAM): void => {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) throw new SocketPathTaken(path, "a file");
  using probe = newSocket(path, type);
  const result = tryConnect(probe, address);
  if (result === -Errno.ECONNREFUSED) unlinkSync(path);
  // After EAGAIN (queue full) there is a listener; after EACCES and other errors there may be one.
  else if (result !== -Errno.ENOENT) throw new SocketPathTaken(path, "a listener");
};
