/** An rtnetlink socket for requests about interfaces of the network namespace in which it was opened. */
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

const NLMSG_ERROR = 2;
/** struct nlmsghdr { u32 length; u16 type; u16 flags; u32 sequence; u32 port } */
export const NETLINK_HEADER = 16;
/** struct nlmsgerr { int error; … } after the header */
const ERROR_BYTES = NETLINK_HEADER + 4;
/** The description of an interface has two to four kilobytes. */
const REPLY_BYTES = 32 << 10;
/** Largest number of replies that are read for one request; late replies to earlier requests are dropped. */
const STALE_REPLIES = 16;

/** A netlink message to send; the socket fills in the header's length and sequence number. */
export interface RouteRequest {
  readonly message: Struct;
  readonly type: number;
  readonly flags: number;
  /** Purpose of the request, for error messages. */
  readonly what: string;
}

export class RouteSocket implements Disposable {
  readonly #socket: Fd;
  readonly #reply = new Struct(REPLY_BYTES);
  #sequence = 0;

  private constructor(socket: Fd) {
    this.#socket = socket;
  }

  /**
   * Opens a socket in the calling thread's network namespace. The socket stays in that namespace even if the thread
   * leaves it. @throws {SystemError}
   */
  static open(): RouteSocket {
    // SAFETY: no argument is an address.
    const number = check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket", "netlink");
    return new RouteSocket(new Fd(number, "netlink socket"));
  }

  /**
   * Sends one request and takes its reply, which the kernel queues before the send returns. Returns a message, valid
   * until the next request; or undefined if the reply is an acknowledgement. @throws {SystemError} with the kernel's
   * error
   */
  ask({ message, type, flags, what }: RouteRequest): DataView | undefined {
    const { view, bytes } = message;
    const sequence = ++this.#sequence;
    view.setUint32(0, bytes.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, sequence, true);
    // SAFETY: the kernel reads `message`, which is kept alive until the call has returned.
    const sent = libc.sendto(this.#socket.number, message.address, BigInt(bytes.length), 0, 0n, 0);
    keepAlive(message);
    check(sent, "sendto", what);
    for (let i = 0; i < STALE_REPLIES; i++) {
      const reply = this.#receive(what);
      if (reply.getUint32(8, true) !== sequence) continue;
      if (reply.getUint16(4, true) !== NLMSG_ERROR) return reply;
      const error = reply.byteLength >= ERROR_BYTES ? -reply.getInt32(NETLINK_HEADER, true) : Errno.EPROTO;
      if (error === 0) return undefined;
      throw new SystemError({ errno: error, syscall: "rtnetlink", detail: what });
    }
    throw new SystemError({ errno: Errno.EPROTO, syscall: "rtnetlink", detail: what });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #receive(what: string): DataView {
    const reply = this.#reply;
    // SAFETY: the kernel writes at most REPLY_BYTES of `reply`, which this object holds.
    const length = libc.recv(this.#socket.number, reply.address, BigInt(REPLY_BYTES), MSG_DONTWAIT);
    if (length < 0) throw new SystemError({ errno: errno(), syscall: "recv", detail: what });
    if (length < NETLINK_HEADER) throw new SystemError({ errno: Errno.EPROTO, syscall: "recv", detail: what });
    return new DataView(reply.bytes.buffer, 0, length);
  }
}
