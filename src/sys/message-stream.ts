/**
 * One end of a stream of messages that may carry descriptors. All structures are created once; transfers without
 * descriptors allocate nothing.
 */
import { OutOfRange } from "#kit/errors.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { closeElsewhere, receivedFd } from "./received-fd.ts";
import { libc } from "./libc.ts";
import { Struct, addressOf } from "./memory.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

/**
 * struct msghdr { void *name; u32 namelen; iovec *iov; size_t iovlen; void *control; size_t controllen; int flags }:
 * its length in bytes, and the words at which fields start.
 */
const MSGHDR_BYTES = 56;
const IOV = 4;
const IOV_LENGTH = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const IOVEC_BYTES = 16;
/**
 * struct cmsghdr { size_t length; int level; int type }, which the descriptors follow: its length in bytes, and the
 * words at which fields and descriptors start.
 */
const CMSGHDR_BYTES = 16;
const LEVEL = 2;
const TYPE = 3;
const DATA = 4;

const GIB4 = 2 ** 32;
const NO_FDS: readonly Fd[] = [];

/** One direction: a buffer, and a message header that refers to a part of the buffer. */
class Side {
  readonly header = new Struct(MSGHDR_BYTES);
  readonly words: Int32Array;
  readonly control: Struct;
  readonly controlWords: Int32Array;
  readonly #iovec = new Struct(IOVEC_BYTES);
  readonly #iovecWords: Uint32Array;
  readonly #low: number;
  readonly #high: number;
  readonly #length: number;

  constructor(buffer: ArrayBuffer, maxFds: number) {
    this.control = new Struct(CMSGHDR_BYTES + maxFds * 4);
    this.words = new Int32Array(this.header.bytes.buffer);
    this.controlWords = new Int32Array(this.control.bytes.buffer);
    this.#iovecWords = new Uint32Array(this.#iovec.bytes.buffer);
    this.#length = buffer.byteLength;
    const base = addressOf(buffer);
    this.#low = Number(BigInt.asUintN(32, base));
    this.#high = Number(base / BigInt(GIB4));
    const view = new DataView(this.header.bytes.buffer);
    view.setBigUint64(IOV * 4, this.#iovec.address, true);
    view.setBigUint64(IOV_LENGTH * 4, 1n, true);
    view.setBigUint64(CONTROL * 4, this.control.address, true);
  }

  /** Sets the message to `length` bytes at `offset`, with `controlBytes` bytes for descriptors. */
  aim(offset: number, length: number, controlBytes: number): void {
    if (!(offset >= 0 && length > 0 && offset + length <= this.#length))
      throw new OutOfRange(`a buffer of ${this.#length} bytes does not have ${length} bytes at ${offset}`);
    const low = this.#low + offset;
    this.#iovecWords[0] = low;
    this.#iovecWords[1] = this.#high + (low >= GIB4 ? 1 : 0);
    this.#iovecWords[2] = length;
    this.words[CONTROL_LENGTH] = controlBytes;
    this.words[FLAGS] = 0;
  }
}

/**
 * A receive buffer, a send buffer, and the system calls that use them.
 *
 * After a `receive`, the caller takes the descriptors and owns them. Those that it does not take are closed when the
 * next descriptors arrive, or on disposal.
 */
export class MessageStream implements Disposable {
  /** Buffer for received bytes. */
  readonly incoming: Uint8Array<ArrayBuffer>;
  /** Buffer for bytes to send. */
  readonly outgoing: Uint8Array<ArrayBuffer>;
  readonly #in: Side;
  readonly #out: Side;
  readonly #maxFds: number;
  readonly #takenFds: number;
  readonly #close: (fd: number) => void;
  #fds: readonly Fd[] = NO_FDS;
  #tooMany = false;

  /**
   * @param incomingBytes size of the receive buffer
   * @param outgoingBytes size of the send buffer
   * @param maxFds limit of descriptors in one message, 1 to 253
   * @param close closes a descriptor without blocking, even if its file system does not respond
   * @param takenFds limit of descriptors in a received message: with 0 the kernel drops them
   */
  constructor(incomingBytes: number, outgoingBytes: number, maxFds: number, close = closeElsewhere, takenFds = maxFds) {
    this.#close = close;
    this.incoming = new Uint8Array(new ArrayBuffer(incomingBytes));
    this.outgoing = new Uint8Array(new ArrayBuffer(outgoingBytes));
    this.#maxFds = maxFds;
    this.#takenFds = takenFds;
    this.#in = new Side(this.incoming.buffer, takenFds);
    this.#out = new Side(this.outgoing.buffer, maxFds);
  }

  /**
   * Receives once from `socket` into `incoming`, from byte `offset` on. Returns the number of bytes received, 0 if the
   * other side has closed, or the negated error number (EAGAIN if there is no data).
   */
  receive(socket: number, offset: number): number {
    this.#in.aim(offset, this.incoming.length - offset, CMSGHDR_BYTES + this.#takenFds * 4);
    // SAFETY: the header has the addresses and true lengths of a part of `incoming` and of a structure; this object
    // holds both.
    const result = libc.recvmsg(socket, this.#in.header.address, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (result < 0) return -errno();
    if (this.#in.words[CONTROL_LENGTH] !== 0 || (this.#in.words[FLAGS]! & MSG_CTRUNC) !== 0) this.#collect();
    return result;
  }

  /** Whether file descriptors are accepted. */
  get takesFds(): boolean {
    return this.#takenFds > 0;
  }

  /**
   * Whether descriptors were received and not yet taken. They belong to the last message that starts in the bytes that
   * were received with them.
   */
  get carriesFds(): boolean {
    return this.#fds !== NO_FDS || this.#tooMany;
  }

  /** Whether there were more descriptors than the buffer has room for. All of them were closed. */
  get tooMany(): boolean {
    return this.#tooMany;
  }

  /** The received descriptors; the caller owns them. */
  take(): readonly Fd[] {
    const fds = this.#fds;
    this.#fds = NO_FDS;
    this.#tooMany = false;
    return fds;
  }

  /**
   * Sends `length` bytes of `outgoing` at `offset`. Returns the number of bytes that the kernel took, or the negated
   * error number.
   */
  send(socket: number, offset: number, length: number): number {
    return this.#send(socket, offset, length, 0);
  }

  /** As `send`, with copies of `fds` attached to the first byte. */
  sendWith(socket: number, offset: number, length: number, fds: readonly number[]): number {
    if (fds.length === 0) return this.send(socket, offset, length);
    if (fds.length > this.#maxFds) throw new OutOfRange(`one message cannot carry ${fds.length} descriptors`);
    const words = this.#out.controlWords;
    words[0] = CMSGHDR_BYTES + fds.length * 4;
    words[LEVEL] = SOL_SOCKET;
    words[TYPE] = SCM_RIGHTS;
    for (const [i, fd] of fds.entries()) words[DATA + i] = fd;
    return this.#send(socket, offset, length, CMSGHDR_BYTES + fds.length * 4);
  }

  [Symbol.dispose](): void {
    for (const fd of this.take()) fd[Symbol.dispose]();
  }

  #send(socket: number, offset: number, length: number, controlBytes: number): number {
    this.#out.aim(offset, length, controlBytes);
    // SAFETY: as for receive, with `outgoing`; the kernel only reads.
    const result = libc.sendmsg(socket, this.#out.header.address, MSG_NOSIGNAL | MSG_DONTWAIT);
    return result < 0 ? -errno() : result;
  }

  /** Takes ownership of received descriptors at once, so none can leak. */
  #collect(): void {
    for (const fd of this.take()) fd[Symbol.dispose]();
    const { words, controlWords } = this.#in;
    const present = words[CONTROL_LENGTH]!;
    const isRights =
      present >= CMSGHDR_BYTES && controlWords[LEVEL] === SOL_SOCKET && controlWords[TYPE] === SCM_RIGHTS;
    const end = isRights ? Math.min(present, controlWords[0]!) : 0;
    const fds: Fd[] = [];
    for (let at = CMSGHDR_BYTES; at + 4 <= end; at += 4) fds.push(receivedFd(controlWords[at >> 2]!, this.#close));
    this.#tooMany = (words[FLAGS]! & MSG_CTRUNC) !== 0;
    if (this.#tooMany) for (const fd of fds.splice(0)) fd[Symbol.dispose]();
    if (fds.length > 0) this.#fds = fds;
  }
}
