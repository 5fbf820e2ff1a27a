/** AF_UNIX sockets that pass file descriptors, and the credentials of the peer. */
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, addressOf, keepAlive } from "./memory.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_FLAGS = 0o2000000 | 0o4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_PEERCRED = 17;
const MSG_CTRUNC = 0x8;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SHUT_RDWR = 2;

/** Largest number of descriptors in a message; the kernel's limit is 253. */
export const MAX_PASSED_FDS = 16;

/** struct msghdr { void *name; u32 namelen; iovec *iov; size_t iovlen; void *control; size_t controllen; int flags } */
const MSGHDR = 56;
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_CONTROL = 32;
const MSG_CONTROLLEN = 40;
const MSG_FLAGS = 48;
/** struct cmsghdr { size_t length; int level; int type }, then the data. */
const CMSGHDR = 16;
const CONTROL_BYTES = CMSGHDR + MAX_PASSED_FDS * 4;
const IOVEC = 16;

/** A message carried too many descriptors. All of them were closed. */
export class TooManyDescriptors extends FerruleError {
  readonly code = "TOO_MANY_DESCRIPTORS";
  readonly hint = `Pass at most ${MAX_PASSED_FDS} file descriptors with a message.`;
  constructor() {
    super(`a message carried more than ${MAX_PASSED_FDS} file descriptors`);
  }
}

/** Result of a receive. */
export interface Incoming {
  /** Number of bytes read; 0 when the other side has closed. */
  readonly length: number;
  /** Descriptors received with the bytes; the caller owns them. */
  readonly fds: readonly Fd[];
}

/** Two stream sockets, connected to each other, that do not block. @throws {SystemError} */
export const socketPair = (what = "socket pair"): [Fd, Fd] => {
  const pair = new Struct(8);
  // SAFETY: the kernel writes two ints.
  check(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_FLAGS, 0, pair.address), "socketpair");
  return [new Fd(pair.view.getInt32(0, true), what), new Fd(pair.view.getInt32(4, true), what)];
};

/** SIOCOUTQ: bytes that were sent and not yet read. For AF_UNIX it includes the kernel's overhead. */
const SIOCOUTQ = 0x5411n;

/** Whether the other end of a connected AF_UNIX socket has read all that was sent to it. @throws {SystemError} */
export const isAllRead = (fd: number): boolean => {
  const bytes = new Struct(4);
  // SAFETY: the kernel writes one int.
  const result = libc.ioctl(fd, SIOCOUTQ, bytes.address);
  keepAlive(bytes);
  check(result, "ioctl", "SIOCOUTQ");
  return bytes.view.getInt32(0, true) === 0;
};

/** A connected stream socket that never blocks: wait with poll(2). */
export class UnixSocket implements Disposable {
  readonly #fd: Fd;
  readonly #message = new Struct(MSGHDR);
  readonly #iovec = new Struct(IOVEC);
  readonly #control = new Struct(CONTROL_BYTES);

  /** Takes ownership of the descriptor of a connected non-blocking socket. */
  constructor(fd: Fd) {
    this.#fd = fd;
    this.#message.view.setBigUint64(MSG_IOV, this.#iovec.address, true);
    this.#message.view.setBigUint64(MSG_IOVLEN, 1n, true);
  }

  /** Two sockets, connected to each other. @throws {SystemError} */
  static pair(): [UnixSocket, UnixSocket] {
    const [one, other] = socketPair();
    return [new UnixSocket(one), new UnixSocket(other)];
  }

  /** For poll(2). @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#fd.number;
  }

  /**
   * Sends bytes, at least one, with copies of `fds` attached to the first. Returns the number of bytes sent, or the
   * negated error number (EAGAIN if the other side is slow, EPIPE if it has closed). After an error, no descriptor was
   * sent.
   */
  send(bytes: Uint8Array, fds: readonly number[] = []): number {
    if (bytes.length === 0) throw new OutOfRange("a message without bytes cannot be sent over a stream");
    if (fds.length > MAX_PASSED_FDS) throw new TooManyDescriptors();
    const controlBytes = fds.length === 0 ? 0 : CMSGHDR + fds.length * 4;
    this.#control.view.setBigUint64(0, BigInt(controlBytes), true);
    this.#control.view.setInt32(8, SOL_SOCKET, true);
    this.#control.view.setInt32(12, SCM_RIGHTS, true);
    for (const [i, fd] of fds.entries()) this.#control.view.setInt32(CMSGHDR + i * 4, fd, true);
    this.#aim(bytes, controlBytes);
    // SAFETY: the message has addresses and true lengths of `bytes`, which is kept alive until the call has returned,
    // and of structures that this object holds.
    const result = libc.sendmsg(this.number, this.#message.address, MSG_NOSIGNAL);
    keepAlive(bytes);
    return result < 0 ? -errno() : result;
  }

  /**
   * Receives once into `into`. Returns undefined if there is no data yet.
   * @throws {TooManyDescriptors} {SystemError} such as ECONNRESET
   */
  receive(into: Uint8Array): Incoming | undefined {
    if (into.length === 0) throw new OutOfRange("bytes cannot be received into an empty buffer");
    this.#aim(into, CONTROL_BYTES);
    // SAFETY: as for send; the kernel writes no more than the stated lengths.
    const length = libc.recvmsg(this.number, this.#message.address, MSG_CMSG_CLOEXEC);
    keepAlive(into);
    if (length < 0) {
      if (errno() === Errno.EAGAIN || errno() === Errno.EINTR) return undefined;
      throw new SystemError({ errno: errno(), syscall: "recvmsg" });
    }
    return { length, fds: this.#descriptors() };
  }

  /** Ends the connection for both sides, and wakes a thread that waits on it. */
  shutdown(): void {
    // SAFETY: no argument is an address.
    // ENOTCONN: the other side has already closed.
    if (libc.shutdown(this.number, SHUT_RDWR) < 0 && errno() !== Errno.ENOTCONN)
      throw new SystemError({ errno: errno(), syscall: "shutdown" });
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }

  #aim(bytes: Uint8Array, controlBytes: number): void {
    this.#iovec.view.setBigUint64(0, addressOf(bytes.buffer) + BigInt(bytes.byteOffset), true);
    this.#iovec.view.setBigUint64(8, BigInt(bytes.length), true);
    this.#message.view.setBigUint64(MSG_CONTROL, controlBytes === 0 ? 0n : this.#control.address, true);
    this.#message.view.setBigUint64(MSG_CONTROLLEN, BigInt(controlBytes), true);
    this.#message.view.setInt32(MSG_FLAGS, 0, true);
  }

  /** Takes ownership of received descriptors at once, so none can leak. */
  #descriptors(): readonly Fd[] {
    const controlBytes = Number(this.#message.view.getBigUint64(MSG_CONTROLLEN, true));
    const fds: Fd[] = [];
    const isRights =
      controlBytes >= CMSGHDR &&
      this.#control.view.getInt32(8, true) === SOL_SOCKET &&
      this.#control.view.getInt32(12, true) === SCM_RIGHTS;
    const end = isRights ? Math.min(controlBytes, Number(this.#control.view.getBigUint64(0, true))) : 0;
    for (let at = CMSGHDR; at + 4 <= end; at += 4)
      fds.push(new Fd(this.#control.view.getInt32(at, true), "received descriptor"));
    if ((this.#message.view.getInt32(MSG_FLAGS, true) & MSG_CTRUNC) === 0) return fds;
    for (const fd of fds) fd[Symbol.dispose]();
    throw new TooManyDescriptors();
  }
}

/** Credentials of the peer of an AF_UNIX socket, recorded by the kernel at connect. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The peer of a socket. A socket without a peer gives pid 0 and uid 4294967295. @throws {SystemError} such as ENOTSOCK
 */
export const peerOf = (fd: number): Peer => {
  const credentials = new Struct(12);
  const length = new Struct(4);
  length.view.setUint32(0, 12, true);
  // SAFETY: the kernel writes at most 12 bytes, as `length` says; both structures are kept alive until the call has
  // returned.
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials.address, length.address);
  keepAlive(length);
  check(result, "getsockopt", "SO_PEERCRED");
  const [pid, uid, gid] = [0, 4, 8].map((at) => credentials.view.getUint32(at, true));
  return { pid: pid!, uid: uid!, gid: gid! };
};
