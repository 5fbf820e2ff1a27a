/**
 * A connection as both ends use it: divides received data into messages with their descriptors, and sends messages.
 */
import { FerruleError } from "#kit/errors.ts";
import { Errno } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { MessageStream } from "#sys/message-stream.ts";
import { isSocket } from "#sys/received-fd.ts";
import { Poll, Poller } from "#sys/poll.ts";
import { putHeader, u32 } from "./codec.ts";
import { HEADER_BYTES, MAX_BYTES, MAX_FDS, SIZE } from "./protocol.ts";

/** Size of the receive buffer. While the device waits during one request, more messages of any length may arrive. */
const INCOMING_BYTES = 4 * MAX_BYTES;
const OUTGOING_BYTES = 2 * MAX_BYTES;

/** Buffers of a connection. Only one connection at a time may use them. */
export const connectionBuffers = (close?: (fd: number) => void): MessageStream =>
  new MessageStream(INCOMING_BYTES, OUTGOING_BYTES, MAX_FDS, close);

/** The connection has ended or must end: the other end closed it or violated the protocol, or an error occurred. */
export class Ended {
  /** The reason as text; empty if the other end closed the connection without an error. */
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }

  /** Returns the result for an error that the other end's data caused, and that ends the connection. */
  static by(error: unknown): Ended {
    if (error instanceof FerruleError) return new Ended(error.message);
    return new Ended(`an error in Ferrule: ${String(error).split("\n", 1)[0]!}`);
  }
}

const NO_FDS: readonly Fd[] = [];
/** Index of the `stop` descriptor in the poller. */
const STOP = 1;

/**
 * Descriptors are attached to bytes, not to messages. The kernel ends a read after bytes with descriptors, and a client
 * sends each message in one piece, so the descriptors belong to the last message that starts in the bytes read.
 *
 * Invariants: `bytes` from `#at` to `#end` is data that was received and not yet taken. Only `settle` moves this data;
 * it does not change the bytes before `floor`, which are messages in progress.
 */
export class Connection implements Disposable {
  readonly bytes: Uint8Array;
  readonly outgoing: Uint8Array;
  /** Set when descriptors were received that are not accepted. Whoever reads this flag resets it. */
  dropped = false;
  readonly #stream: MessageStream;
  readonly #socket: Fd;
  readonly #poller: Poller;
  #at = 0;
  #end = 0;
  /** Offset of the first byte of the latest read. */
  #chunk = 0;
  /** Descriptors of the latest read. */
  #chunkFds = NO_FDS;
  /** Descriptors of an earlier read, for the message that is incomplete. */
  #halfFds = NO_FDS;
  #unsent = 0;
  #sent = 0;

  /**
   * Takes ownership of the socket. Uses the buffers but does not own them.
   * @param stop a descriptor that ends a wait when it becomes ready; negative for none
   */
  constructor(socket: Fd, buffers = connectionBuffers(), stop = -1) {
    this.#socket = socket;
    this.#stream = buffers;
    this.bytes = buffers.incoming;
    this.outgoing = buffers.outgoing;
    this.#poller = new Poller([socket.number, stop]);
  }

  get fd(): number {
    return this.#socket.number;
  }

  /** Bits of `Poll` to wait for: writable while messages are unsent, otherwise readable. */
  get events(): number {
    return this.#sent < this.#unsent ? Poll.writable : Poll.readable;
  }

  /** Receives once. Returns false if there was no data. */
  receive(): boolean | Ended {
    if (this.#end === this.bytes.length) return new Ended("it sent more requests than the buffer can hold");
    const length = this.#stream.receive(this.#socket.number, this.#end);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return false;
    if (length === 0) return new Ended("");
    if (length < 0) return new Ended(length === -Errno.ECONNRESET ? "" : `receiving failed with error ${-length}`);
    this.#chunk = this.#end;
    this.#end += length;
    if (!this.#stream.carriesFds) return true;
    if (this.#stream.tooMany && !this.#stream.takesFds) {
      // These buffers accept no descriptors, so all were dropped. The caller decides whether that is an error.
      this.#stream.take();
      this.dropped = true;
      return true;
    }
    if (this.#stream.tooMany) return new Ended("it sent too many descriptors in a message");
    this.#chunkFds = this.#stream.take();
    // No message needs a socket. If a client passed its own end of this connection, that end would stay open here, and
    // the client's close would never be noticed.
    return this.#chunkFds.some(({ number }) => isSocket(number))
      ? new Ended("it sent a socket among the descriptors")
      : true;
  }

  /** Offset of the next complete message, or -1. The message stays there until `settle`. */
  next(): number | Ended {
    const left = this.#end - this.#at;
    if (left >= HEADER_BYTES) {
      const size = u32(this.bytes, this.#at + SIZE);
      if (size < HEADER_BYTES || size > MAX_BYTES) return new Ended(`it sent a message of ${size} bytes`);
      if (size <= left) return this.#at;
    }
    return this.#keepFds(left);
  }

  /** Takes the next message, which has `size` bytes. Returns its descriptors, which the caller then owns. */
  take(size: number): readonly Fd[] {
    const startsHere = this.#at >= this.#chunk;
    this.#at += size;
    let fds = NO_FDS;
    if (!startsHere) {
      fds = this.#halfFds;
      this.#halfFds = NO_FDS;
    } else if (this.#at === this.#end) {
      fds = this.#chunkFds;
      this.#chunkFds = NO_FDS;
    }
    return fds;
  }

  /** Offset of the first byte after the message taken last. */
  get taken(): number {
    return this.#at;
  }

  /** Makes room: moves the received part of an incomplete message to byte `floor`, after the messages in progress. */
  settle(floor = 0): void {
    const gap = this.#at - floor;
    if (gap === 0) return;
    this.bytes.copyWithin(floor, this.#at, this.#end);
    this.#end -= gap;
    this.#chunk = Math.max(floor, this.#chunk - gap);
    this.#at = floor;
  }

  /**
   * Offset at which to build a message, with room for the longest; -1 if there is no room because the other end does
   * not read.
   */
  reserve(): number {
    return this.#unsent + MAX_BYTES <= this.outgoing.length ? this.#unsent : -1;
  }

  /**
   * Copies the fields of the request at `at`, from the end of its header to its byte `end`, to the next reply. Returns
   * the number of bytes copied.
   */
  echo(at: number, end: number): number {
    const reply = this.#unsent;
    for (let i = HEADER_BYTES; i < end; i++) this.outgoing[reply + i] = this.bytes[at + i]!;
    return end - HEADER_BYTES;
  }

  /** Sends the built message of `size` bytes. Bytes that the other end does not accept now are sent by `flush`. */
  commit(id: number, command: number, size: number, flags: number, error: number): void {
    putHeader(this.outgoing, this.#unsent, id, command, size, flags, error);
    this.#unsent += size;
    this.flush();
  }

  /**
   * Like `commit`, but also sends copies of `fds`. Returns false, without sending, if the message cannot be sent at
   * once.
   */
  commitWith(id: number, command: number, size: number, fds: readonly number[]): boolean {
    if (this.#unsent > 0) return false;
    putHeader(this.outgoing, 0, id, command, size, 0, 0);
    const n = this.#stream.sendWith(this.#socket.number, 0, size, fds);
    if (n < 0) return false;
    this.#unsent = size;
    this.#sent = n;
    this.flush();
    return true;
  }

  /**
   * Sends as much unsent data as the other end accepts. If the connection is closed, the data is discarded, and the
   * next `receive` reports the end.
   */
  flush(): void {
    while (this.#sent < this.#unsent) {
      const n = this.#stream.send(this.#socket.number, this.#sent, this.#unsent - this.#sent);
      if (n === -Errno.EINTR) continue;
      if (n === -Errno.EAGAIN) return;
      // EPIPE or similar: unsent data can never be sent.
      if (n < 0) break;
      this.#sent += n;
    }
    this.#sent = 0;
    this.#unsent = 0;
  }

  /**
   * Waits until data can be received or, if there is unsent data, sent, or until `stop` is ready. Returns false after
   * `limitMillis`.
   */
  wait(limitMillis: number): boolean {
    const unsent = this.#sent < this.#unsent ? Poll.writable : 0;
    // Does not receive while there is no room for a reply.
    this.#poller.watch(0, this.reserve() < 0 ? unsent : unsent | Poll.readable);
    return this.#poller.wait(limitMillis) > 0;
  }

  /** Whether `stop` ended the last wait. From then on `stop` is ignored. */
  stopped(): boolean {
    const stopped = this.#poller.ready(STOP);
    if (stopped) this.#poller.include(STOP, false);
    return stopped;
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.#chunkFds, ...this.#halfFds]) fd[Symbol.dispose]();
    this.#chunkFds = NO_FDS;
    this.#halfFds = NO_FDS;
    this.#stream[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }

  /** Keeps the descriptors that arrived with the beginning of an incomplete message. */
  #keepFds(left: number): -1 | Ended {
    if (this.#chunkFds === NO_FDS) return -1;
    if (left === 0 || this.#at < this.#chunk) return new Ended("it sent descriptors that belong to no message");
    this.#halfFds = this.#chunkFds;
    this.#chunkFds = NO_FDS;
    return -1;
  }
}
