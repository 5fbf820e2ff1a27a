/** ICMP echo: sends a request and measures the time until the reply. */
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { parseIpv4 } from "./interface.ts";
import { libc } from "./libc.ts";
import { Struct } from "./memory.ts";
import { Poller } from "./poll.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2000000 | 0o4000;
const IPPROTO_ICMP = 1;

/** RFC 792: { u8 type; u8 code; u16 checksum; u16 identifier; u16 sequence }, then the payload. */
const ICMP_HEADER = 8;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const SOCKADDR_IN = 16;
/** Length in bytes of the longest IPv4 packet. */
const PACKET_BYTES = 65535;
const MAX_IPV4_HEADER = 60;
const MAX_PAYLOAD = PACKET_BYTES - 20 - ICMP_HEADER;

/** This process may open neither a raw socket nor a ping socket. */
export class PingNotPermitted extends FerruleError {
  readonly code = "PING_NOT_PERMITTED";
  readonly hint = "Run as root, or let every group ping: `sudo sysctl net.ipv4.ping_group_range='0 2147483647'`.";
  constructor(cause: Error) {
    super("not permitted to send ICMP echo requests", { cause });
  }
}

let lastIdentifier = 0;

/**
 * Sends echo requests from the network namespace of the thread that opened the socket. Waiting blocks the calling
 * thread.
 */
export class PingSocket implements Disposable {
  readonly #socket: Fd;
  /**
   * A raw socket receives all ICMP packets, with the IPv4 header; a ping socket receives only replies to its own
   * requests, without that header.
   */
  readonly #raw: boolean;
  readonly #identifier: number;
  readonly #poller: Poller;
  readonly #to = new Struct(SOCKADDR_IN);
  readonly #request = new Struct(ICMP_HEADER + MAX_PAYLOAD);
  readonly #reply = new Struct(PACKET_BYTES + MAX_IPV4_HEADER);
  /** Length in bytes of the packet in `#reply`. */
  #received = 0;

  private constructor(socket: Fd, raw: boolean) {
    this.#socket = socket;
    this.#raw = raw;
    lastIdentifier = (lastIdentifier + 1) & 0xff;
    this.#identifier = ((process.pid << 8) | lastIdentifier) & 0xffff;
    this.#poller = new Poller([socket.number]);
  }

  /**
   * Opens a raw socket or, if that is not permitted, a ping socket, which ordinary users may open on many systems.
   * @throws {PingNotPermitted} {SystemError}
   */
  static open(): PingSocket {
    for (const type of [SOCK_RAW, SOCK_DGRAM]) {
      // SAFETY: no argument is an address.
      const number = libc.socket(AF_INET, type | SOCK_FLAGS, IPPROTO_ICMP);
      if (number >= 0) return new PingSocket(new Fd(number, "ICMP socket"), type === SOCK_RAW);
      if (errno() !== Errno.EPERM && errno() !== Errno.EACCES) break;
    }
    const error = new SystemError({ errno: errno(), syscall: "socket", detail: "ICMP" });
    throw error.errno === Errno.EPERM || error.errno === Errno.EACCES ? new PingNotPermitted(error) : error;
  }

  /**
   * Sends one echo request and waits for its reply, whose checksum, length and payload must be correct. Returns the
   * round trip time in microseconds; undefined if no such reply arrives in time.
   * @param sequence 0 to 65535; distinguishes this request's reply from late ones
   * @throws {OutOfRange} {SystemError} such as ENETUNREACH
   */
  ping(address: string, sequence: number, payloadBytes: number, timeoutMillis: number): number | undefined {
    if (!Number.isInteger(payloadBytes) || payloadBytes < 0 || payloadBytes > MAX_PAYLOAD)
      throw new OutOfRange(`a ping cannot have ${payloadBytes} bytes of payload`, `Use 0 to ${MAX_PAYLOAD}.`);
    if (!Number.isInteger(sequence) || sequence < 0 || sequence > 0xffff)
      throw new OutOfRange(`a ping cannot have sequence number ${sequence}`);
    const length = ICMP_HEADER + payloadBytes;
    this.#compose(sequence, length);
    this.#to.view.setUint16(0, AF_INET, true);
    this.#to.bytes.set(parseIpv4(address), 4);
    const start = performance.now();
    const end = start + timeoutMillis;
    // SAFETY: the kernel reads `length` bytes of the request, which has at least as many, and a sockaddr_in.
    const sent = libc.sendto(
      this.#socket.number,
      this.#request.address,
      BigInt(length),
      0,
      this.#to.address,
      SOCKADDR_IN,
    );
    check(sent, "sendto", address);
    for (let now = start; now < end; now = performance.now()) {
      this.#poller.wait(Math.ceil(end - now));
      const arrived = performance.now();
      while (this.#receive()) if (this.#answers(sequence, length)) return (arrived - start) * 1000;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #compose(sequence: number, length: number): void {
    const { bytes, view } = this.#request;
    view.setUint32(0, ECHO_REQUEST << 24);
    view.setUint16(4, this.#identifier);
    view.setUint16(6, sequence);
    for (let i = ICMP_HEADER; i < length; i++) bytes[i] = (i * 7 + sequence) & 0xff;
    view.setUint16(2, checksum(this.#request, 0, length));
  }

  /** Takes the next packet. Returns false if there is none, or if there is an ICMP error for this socket. */
  #receive(): boolean {
    const { address, bytes } = this.#reply;
    // SAFETY: the kernel writes at most as many bytes as `reply` has.
    this.#received = libc.recv(this.#socket.number, address, BigInt(bytes.length), 0);
    if (this.#received >= 0) return true;
    const number = errno();
    if (number === Errno.EAGAIN || number === Errno.EINTR) return false;
    if (number === Errno.EHOSTUNREACH || number === Errno.ENETUNREACH || number === Errno.ECONNREFUSED) return false;
    throw new SystemError({ errno: number, syscall: "recv", detail: "ICMP" });
  }

  /**
   * Whether the received packet is the reply to this request. The identifier is not checked for a ping socket, because
   * the kernel chooses it.
   */
  #answers(sequence: number, length: number): boolean {
    const { bytes, view } = this.#reply;
    const start = this.#raw ? (bytes[0]! & 0xf) * 4 : 0;
    if (this.#received - start !== length || bytes[start] !== ECHO_REPLY) return false;
    if (this.#raw && view.getUint16(start + 4) !== this.#identifier) return false;
    if (view.getUint16(start + 6) !== sequence || checksum(this.#reply, start, length) !== 0) return false;
    for (let i = ICMP_HEADER; i < length; i++) if (bytes[start + i] !== this.#request.bytes[i]) return false;
    return true;
  }
}

/** The Internet checksum (RFC 1071): 0 for a packet that contains its correct checksum. */
const checksum = (packet: Struct, start: number, length: number): number => {
  let sum = 0;
  for (let i = 0; i + 1 < length; i += 2) sum += packet.view.getUint16(start + i);
  if (length % 2 === 1) sum += packet.bytes[start + length - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
};
