/** A stream of messages, as either end has it: cut into messages, each with the descriptors that came with it; and what goes back. */
import { FerruleError } from "#kit/errors.ts";
import { Errno } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { MessageStream } from "#sys/message-stream.ts";
import { isSocket } from "#sys/received-fd.ts";
import { Poll, Poller } from "#sys/poll.ts";
import { putHeader, u32 } from "./codec.ts";
import { HEADER_BYTES, MOST_BYTES, MOST_FDS, SIZE } from "./protocol.ts";

/** Room for several messages of any size: while a device waits in the middle of one, more come in behind it. */
const INCOMING_BYTES = 4 * MOST_BYTES;
const OUTGOING_BYTES = 2 * MOST_BYTES;

/** What a connection receives into and sends from. One connection at a time may use it, and the next one after that. */
export const connectionBuffers = (close?: (fd: number) => void): MessageStream =>
  new MessageStream(INCOMING_BYTES, OUTGOING_BYTES, MOST_FDS, close);

/** The other end broke the protocol, or has gone: the connection is of no use any more. */
export class Ended {
  /** Why, in words for a person; empty when the other end has simply gone. */
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }

  /** An error that the other end's data has led to. */
  static by(error: unknown): Ended {
    if (error instanceof FerruleError) return new Ended(error.message);
    return new Ended(`an error in Ferrule: ${String(error).split("\n", 1)[0]!}`);
  }
}

const NO_FDS: readonly Fd[] = [];
/** Its place in the poller. */
const STOP = 1;

/**
 * Descriptors travel with bytes, not with messages. The kernel ends a read behind the bytes that carried some, and a
 * client sends each message in one piece; so they belong to the last message that starts in what was read.
 *
 * Invariants: `bytes` between `#at` and `#end` is what was received and not taken yet; it is moved only by `settle`, which
 * leaves alone what lies before: messages that are being worked on.
 */
export class Connection implements Disposable {
  readonly bytes: Uint8Array;
  readonly outgoing: Uint8Array;
  /** Descriptors have come that are not taken here: set again to false by whoever looks. */
  dropped = false;
  readonly #stream: MessageStream;
  readonly #socket: Fd;
  readonly #poller: Poller;
  #at = 0;
  #end = 0;
  /** Where the latest read put its first byte. */
  #chunk = 0;
  /** What came with the latest read. */
  #chunkFds = NO_FDS;
  /** What came earlier, with the message that is only half here. */
  #halfFds = NO_FDS;
  #unsent = 0;
  #sent = 0;

  /**
   * Takes the socket, and borrows the buffers.
   * @param stop a descriptor that ends a wait when it is ready; none when it is negative
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

  /** Replies wait for the client to read: bits of `Poll` to wait for. */
  get events(): number {
    return this.#sent < this.#unsent ? Poll.writable : Poll.readable;
  }

  /** Receives once what is there. False when nothing is. */
  receive(): boolean | Ended {
    if (this.#end === this.bytes.length) return new Ended("more requests at once than there is room for");
    const length = this.#stream.receive(this.#socket.number, this.#end);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return false;
    if (length === 0) return new Ended("");
    if (length < 0) return new Ended(length === -Errno.ECONNRESET ? "" : `receiving failed with error ${-length}`);
    this.#chunk = this.#end;
    this.#end += length;
    if (!this.#stream.carriesFds) return true;
    if (this.#stream.tooMany && !this.#stream.takesFds) {
      // None was taken. Whose they were does not matter: whoever asked says whether there may be any.
      this.#stream.take();
      this.dropped = true;
      return true;
    }
    if (this.#stream.tooMany) return new Ended("more descriptors with one message than can be taken");
    this.#chunkFds = this.#stream.take();
    // Nobody needs one; and if it were the client's own end, this connection would never be seen to end.
    return this.#chunkFds.some(({ number }) => isSocket(number)) ? new Ended("a socket among the descriptors") : true;
  }

  /** Where the next whole message starts, or -1. It stays until `take`. */
  next(): number | Ended {
    const left = this.#end - this.#at;
    if (left >= HEADER_BYTES) {
      const size = u32(this.bytes, this.#at + SIZE);
      if (size < HEADER_BYTES || size > MOST_BYTES) return new Ended(`a message of ${size} bytes`);
      if (size <= left) return this.#at;
    }
    return this.#keepFds(left);
  }

  /** Takes the next message, of `size` bytes, with its descriptors: the caller's from now on. */
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

  /** Where the message taken last ends. */
  get taken(): number {
    return this.#at;
  }

  /** Makes room: what is left of a half message follows on byte `floor`, before which messages are being worked on. */
  settle(floor = 0): void {
    const gap = this.#at - floor;
    if (gap === 0) return;
    this.bytes.copyWithin(floor, this.#at, this.#end);
    this.#end -= gap;
    this.#chunk = Math.max(floor, this.#chunk - gap);
    this.#at = floor;
  }

  /** Where a message to be sent may be built, with room for the longest; -1 while the client does not read. */
  reserve(): number {
    return this.#unsent + MOST_BYTES <= this.outgoing.length ? this.#unsent : -1;
  }

  /** The reply to be sent next begins as the request at `at` does, up to byte `end`. Returns the bytes behind its header. */
  echo(at: number, end: number): number {
    const reply = this.#unsent;
    for (let i = HEADER_BYTES; i < end; i++) this.outgoing[reply + i] = this.bytes[at + i]!;
    return end - HEADER_BYTES;
  }

  /** Sends what was built, of `size` bytes. What the client does not take now goes with `flush`. */
  commit(id: number, command: number, size: number, flags: number, error: number): void {
    putHeader(this.outgoing, this.#unsent, id, command, size, flags, error);
    this.#unsent += size;
    this.flush();
  }

  /** The same, and with it copies of `fds`. False when it cannot be sent now, and then it is not. */
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

  /** Sends what is waiting. A client that has gone is noticed when it is received from. */
  flush(): void {
    while (this.#sent < this.#unsent) {
      const n = this.#stream.send(this.#socket.number, this.#sent, this.#unsent - this.#sent);
      if (n === -Errno.EINTR) continue;
      if (n === -Errno.EAGAIN) return;
      // EPIPE and its kind: what is waiting is of no use to anyone.
      if (n < 0) break;
      this.#sent += n;
    }
    this.#sent = 0;
    this.#unsent = 0;
  }

  /** Waits until something is to be received or, while something waits, sent. */
  wait(limitMillis: number): boolean {
    const unsent = this.#sent < this.#unsent ? Poll.writable : 0;
    // Nothing can be taken in when there is no room for its reply.
    this.#poller.watch(0, this.reserve() < 0 ? unsent : unsent | Poll.readable);
    return this.#poller.wait(limitMillis) > 0;
  }

  /** Whether it was `stop` that ended the last wait. It ends no other one. */
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

  /** There is no whole message: what came with the beginning of one is kept for it. */
  #keepFds(left: number): -1 | Ended {
    if (this.#chunkFds === NO_FDS) return -1;
    if (left === 0 || this.#at < this.#chunk) return new Ended("descriptors that belong to no message");
    this.#halfFds = this.#chunkFds;
    this.#chunkFds = NO_FDS;
    return -1;
  }
}
