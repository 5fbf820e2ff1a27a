/** rtnetlink: requests to the kernel about its network, and the replies. */
import { Errno, SystemError, check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** struct nlmsghdr { u32 length; u16 type; u16 flags; u32 sequence; u32 port } */
const HEADER = 16;
/** Length of the longest datagram that the kernel sends when it lists a table. */
const DATAGRAM_BYTES = 32 << 10;

/** A message of the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  /** The bytes after the header. */
  readonly payload: Uint8Array;
}

const aligned = (bytes: number): number => (bytes + 3) & ~3;

/** Yields the messages of one datagram. Stops at a message whose length is invalid. */
export function* messagesIn(datagram: Uint8Array): Generator<NetlinkMessage> {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  for (let at = 0; at + HEADER <= datagram.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > datagram.length) return;
    yield { type: view.getUint16(at + 4, true), payload: datagram.subarray(at + HEADER, at + length) };
    at += aligned(length);
  }
}

/**
 * The attributes from `at` on, by type: struct rtattr { u16 length; u16 type } and the value. If a type occurs several
 * times, the last one is returned.
 */
export const attributesIn = (bytes: Uint8Array, at: number): ReadonlyMap<number, Uint8Array> => {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (at + 4 <= bytes.length) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    // The two highest bits mark nested attributes and byte order.
    found.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
};

/** An attribute for a request. */
export const attribute = (type: number, value: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(aligned(4 + value.length));
  new DataView(bytes.buffer).setUint16(0, 4 + value.length, true);
  new DataView(bytes.buffer).setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
};

/**
 * Requests about the network namespace of the thread that opens the socket. The kernel queues its reply before the send
 * returns, so no call waits.
 */
export class NetlinkSocket implements Disposable {
  readonly #socket: Fd;
  readonly #datagram = new Struct(DATAGRAM_BYTES);

  private constructor(socket: Fd) {
    this.#socket = socket;
  }

  /** @throws {SystemError} */
  static open(): NetlinkSocket {
    // SAFETY: no argument is an address.
    const number = check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket", "netlink");
    return new NetlinkSocket(new Fd(number, "netlink socket"));
  }

  /** Sends one request and returns the reply. @throws {SystemError} with the kernel's error */
  ask(type: number, body: Uint8Array, what: string): NetlinkMessage {
    this.#send(type, 0, body, what);
    for (const message of messagesIn(this.#receive(what))) {
      failOn(message, what);
      return message;
    }
    throw new SystemError({ errno: Errno.EPROTO, syscall: "rtnetlink", detail: what });
  }

  /**
   * Yields a whole table. Do not make another request on this socket before the end of the table. For a table that you
   * may not read to the end, use a separate socket. @throws {SystemError}
   */
  *dump(type: number, body: Uint8Array, what: string): Generator<NetlinkMessage> {
    this.#send(type, NLM_F_DUMP, body, what);
    for (;;) {
      let messages = 0;
      for (const message of messagesIn(this.#receive(what))) {
        failOn(message, what);
        if (message.type === NLMSG_DONE) return;
        messages++;
        yield message;
      }
      if (messages === 0) throw new SystemError({ errno: Errno.EPROTO, syscall: "rtnetlink", detail: what });
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #send(type: number, flags: number, body: Uint8Array, what: string): void {
    const request = new Struct(HEADER + body.length);
    request.view.setUint32(0, HEADER + body.length, true);
    request.view.setUint16(4, type, true);
    request.view.setUint16(6, NLM_F_REQUEST | flags, true);
    request.bytes.set(body, HEADER);
    // SAFETY: the kernel reads exactly the bytes of `request`, which is kept alive until the call has returned.
    const sent = libc.sendto(this.#socket.number, request.address, BigInt(HEADER + body.length), 0, 0n, 0);
    keepAlive(request);
    check(sent, "sendto", what);
  }

  /** The next datagram, as a copy. */
  #receive(what: string): Uint8Array {
    // SAFETY: the kernel writes at most DATAGRAM_BYTES bytes into a structure that this object holds.
    const received = libc.recv(this.#socket.number, this.#datagram.address, BigInt(DATAGRAM_BYTES), MSG_DONTWAIT);
    return this.#datagram.bytes.slice(0, check(received, "recv", what));
  }
}

/**
 * Throws if a message reports an error: struct nlmsgerr, or the end of a table (the kernel may stop in the middle, so
 * that the rest is missing). Both begin with the negated error number. @throws {SystemError}
 */
export const failOn = ({ type, payload }: NetlinkMessage, what: string): void => {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return;
  const error = payload.length < 4 ? 0 : -new DataView(payload.buffer, payload.byteOffset).getInt32(0, true);
  if (type === NLMSG_DONE && error <= 0) return;
  throw new SystemError({ errno: error > 0 ? error : Errno.EPROTO, syscall: "rtnetlink", detail: what });
};
