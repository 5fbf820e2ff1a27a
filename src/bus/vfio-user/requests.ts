/** Sends the client's requests, one at a time, and waits for the reply unless the request is a posted write. */
import { FerruleError } from "#kit/errors.ts";
import { MessageStream } from "#sys/message-stream.ts";
import { Poll } from "#sys/poll.ts";
import type { Fd } from "#sys/fd.ts";
import { ourCapabilities, parseCapabilities } from "./capabilities.ts";
import { isReply, sizeOf } from "./client-memory.ts";
import { type Layout, VERSION, put32, put64, u16, u32 } from "./codec.ts";
import { Connection, Ended } from "./connection.ts";
import { ProtocolBroken, RequestRefused, ServerLost } from "./errors.ts";
import {
  ACCESS_COUNT,
  ACCESS_DATA,
  ACCESS_OFFSET,
  ACCESS_REGION,
  COMMAND,
  Command,
  ERROR,
  FLAGS,
  Flag,
  HEADER_BYTES,
  ID,
  MAJOR,
  MINOR,
  MAX_BYTES,
  MAX_FDS,
  Refused,
  commandName,
} from "./protocol.ts";

/** Time limit of a server's reply. */
const LIMIT_MILLIS = 5000;
/** Time limit of all requests together once this side is ending. */
const STOP_MILLIS = 400;
/**
 * Maximum number of requests that a server may send before it replies to ours. A server needs none, because memory is
 * shared.
 */
const MAX_QUESTIONS = 16;
const NONE: readonly number[] = [];
/** Commands whose replies may carry descriptors of memory and eventfds for registers; this client does not use them. */
const WITH_DESCRIPTORS: readonly number[] = [Command.regionInfo, Command.regionIoFds];

/** These buffers make the kernel drop descriptors from a server. */
const buffers = (): MessageStream => new MessageStream(4 * MAX_BYTES, 2 * MAX_BYTES, MAX_FDS, undefined, 0);

type Fields = Readonly<Record<string, "u16" | "u32" | "u64">>;
type Values<T extends Fields> = { readonly [K in keyof T]: number };

/**
 * A register read costs at least three system calls and the server's time; a posted write costs one system call.
 * Requests arrive in order, so a read sees earlier writes.
 */
export class Requests implements Disposable {
  readonly #name: string;
  readonly #connection: Connection;
  #id = 0;
  #lost: FerruleError | undefined;
  /** Time by which this side must end; `Infinity` until a stop was requested. */
  #stopAt = Infinity;

  /**
   * Takes ownership of the socket, and negotiates the version.
   * @param stop a descriptor that becomes readable when this side must end: from then on waits for the server are short
   * @throws {ProtocolBroken} {RequestRefused} {ServerLost}
   */
  constructor(socket: Fd, name: string, stop?: number) {
    this.#name = name;
    using scope = new DisposableStack();
    this.#connection = scope.use(new Connection(socket, buffers(), stop));
    this.#agree();
    scope.move();
  }

  get fd(): number {
    return this.#connection.fd;
  }

  /** Why the connection to the server has failed; undefined while it works. */
  get lost(): FerruleError | undefined {
    return this.#lost;
  }

  /** Runs `act`. If that throws an error of Ferrule, the connection has failed, and `lost` has the error. */
  attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#lose(error);
    }
  }

  /**
   * Checks whether the server has closed the connection. Otherwise only the next request would notice it.
   */
  check(): void {
    if (this.#lost === undefined && this.#connection.wait(0)) this.attempt(() => this.#receive());
  }

  /** Sends a request with a fixed layout. @throws {RequestRefused} {ProtocolBroken} {ServerLost} */
  ask<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>): Values<T> {
    const at = this.#exchange(command, layout, values, NONE);
    if (sizeOf(this.#connection.bytes, at) < HEADER_BYTES + layout.bytes)
      throw new ProtocolBroken(this.#name, `it sent a reply of ${sizeOf(this.#connection.bytes, at)} bytes`);
    return layout.read(this.#connection.bytes, at);
  }

  /** Sends a request whose reply has no data, with copies of `fds`. @throws as `ask` */
  send<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>, fds: readonly number[] = NONE): void {
    this.#exchange(command, layout, values, fds);
  }

  /** @throws as `ask` */
  reset(): void {
    this.#send(Command.deviceReset, HEADER_BYTES, NONE);
    this.#answer(Command.deviceReset);
  }

  /** Reads one register; all ones once the connection has failed, as with a removed card. */
  read(region: number, offset: number, width: 1 | 2 | 4): number {
    if (this.#lost === undefined)
      try {
        return this.#read(region, offset, width);
      } catch (error) {
        this.#lose(error);
      }
    return 2 ** (8 * width) - 1;
  }

  /** Writes one register; if `posted`, without waiting for the reply. No effect once the connection has failed. */
  write(region: number, offset: number, width: 1 | 2 | 4, value: number, posted: boolean): void {
    if (this.#lost !== undefined) return;
    try {
      this.#write(region, offset, width, value, posted);
    } catch (error) {
      this.#lose(error);
    }
  }

  [Symbol.dispose](): void {
    this.#lost ??= new ServerLost(this.#name, "the connection was closed");
    this.#connection[Symbol.dispose]();
  }

  #agree(): void {
    const { outgoing } = this.#connection;
    const at = this.#connection.reserve();
    const text = ourCapabilities();
    VERSION.write(outgoing, at, { major: MAJOR, minor: MINOR });
    outgoing.set(text, at + HEADER_BYTES + VERSION.bytes);
    this.#send(Command.version, HEADER_BYTES + VERSION.bytes + text.length, NONE);
    const reply = this.#answer(Command.version);
    const { bytes } = this.#connection;
    const end = reply + sizeOf(bytes, reply);
    const behind = reply + HEADER_BYTES + VERSION.bytes;
    if (end < behind) throw new ProtocolBroken(this.#name, "its reply to the version is too short");
    const { major, minor } = VERSION.read(bytes, reply);
    if (major !== MAJOR || minor > MINOR)
      throw new ProtocolBroken(this.#name, `its protocol version is ${major}.${minor} instead of ${MAJOR}.${MINOR}`);
    if (parseCapabilities(bytes.subarray(behind, end)) === undefined)
      throw new ProtocolBroken(this.#name, "its capabilities are invalid");
  }

  #read(region: number, offset: number, width: 1 | 2 | 4): number {
    this.#place(this.#room(), region, offset, width);
    this.#send(Command.regionRead, ACCESS_DATA, NONE);
    const reply = this.#answer(Command.regionRead);
    const { bytes } = this.#connection;
    if (sizeOf(bytes, reply) < ACCESS_DATA + width)
      throw new ProtocolBroken(this.#name, "its reply to a register read is too short");
    const data = reply + ACCESS_DATA;
    if (width === 4) return u32(bytes, data);
    return width === 2 ? u16(bytes, data) : bytes[data]!;
  }

  #write(region: number, offset: number, width: 1 | 2 | 4, value: number, posted: boolean): void {
    const at = this.#room();
    this.#place(at, region, offset, width);
    const { outgoing } = this.#connection;
    outgoing[at + ACCESS_DATA] = value;
    outgoing[at + ACCESS_DATA + 1] = value >>> 8;
    outgoing[at + ACCESS_DATA + 2] = value >>> 16;
    outgoing[at + ACCESS_DATA + 3] = value >>> 24;
    this.#id = (this.#id + 1) & 0xffff;
    const flags = posted ? Flag.noReply : Flag.request;
    this.#connection.commit(this.#id, Command.regionWrite, ACCESS_DATA + width, flags, 0);
    if (!posted) this.#answer(Command.regionWrite);
  }

  #place(at: number, region: number, offset: number, count: number): void {
    const { outgoing } = this.#connection;
    put64(outgoing, at + ACCESS_OFFSET, offset);
    put32(outgoing, at + ACCESS_REGION, region);
    put32(outgoing, at + ACCESS_COUNT, count);
  }

  #exchange<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>, fds: readonly number[]): number {
    if (this.#lost !== undefined) throw this.#lost;
    layout.write(this.#connection.outgoing, this.#room(fds.length > 0), values);
    this.#send(command, HEADER_BYTES + layout.bytes, fds);
    return this.#answer(command);
  }

  #send(command: number, size: number, fds: readonly number[]): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#id = (this.#id + 1) & 0xffff;
    if (fds.length === 0) this.#connection.commit(this.#id, command, size, Flag.request, 0);
    else if (!this.#connection.commitWith(this.#id, command, size, fds))
      throw new ServerLost(this.#name, "the server accepts no descriptors");
  }

  /**
   * Waits until there is room for a request (with `all`: until everything is sent) and returns its offset. @throws
   * {ServerLost}
   */
  #room(all = false): number {
    const end = performance.now() + LIMIT_MILLIS;
    for (;;) {
      const at = this.#connection.reserve();
      if (at >= 0 && !(all && this.#connection.events === Poll.writable)) return at;
      if (!this.#wait(end)) throw this.#timedOut("the server reads no more requests");
      this.#connection.flush();
    }
  }

  /** Offset of the reply to the last request, valid until the next one. @throws as `ask` */
  #answer(command: number): number {
    const end = performance.now() + LIMIT_MILLIS;
    for (let questions = 0; ;) {
      const at = this.#connection.next();
      if (at instanceof Ended) throw new ProtocolBroken(this.#name, at.why);
      if (at >= 0) {
        this.#connection.take(sizeOf(this.#connection.bytes, at));
        if (this.#isAnswer(at, command)) return at;
        if (++questions > MAX_QUESTIONS)
          throw new ProtocolBroken(this.#name, "it sent many memory requests, although this client shares its memory");
        continue;
      }
      this.#connection.settle();
      this.#connection.flush();
      if (!this.#wait(end)) throw this.#timedOut(`no reply to ${commandName(command)} in ${LIMIT_MILLIS / 1000} s`);
      this.#receive();
      if (this.#connection.dropped && !WITH_DESCRIPTORS.includes(command))
        throw new ProtocolBroken(this.#name, `it sent descriptors with a reply to ${commandName(command)}`);
      this.#connection.dropped = false;
    }
  }

  #isAnswer(at: number, command: number): boolean {
    const { bytes } = this.#connection;
    const id = u16(bytes, at + ID);
    if (!isReply(bytes, at)) {
      // The server has sent a request of its own. It is rejected: a server needs none, because memory is shared.
      const asked = u16(bytes, at + COMMAND);
      this.#connection.commit(id, asked, HEADER_BYTES, Flag.reply | Flag.error, Refused.EOPNOTSUPP);
      return false;
    }
    if (id !== this.#id || u16(bytes, at + COMMAND) !== command)
      throw new ProtocolBroken(this.#name, "it sent a reply without a request");
    if ((u32(bytes, at + FLAGS) & Flag.error) !== 0)
      throw new RequestRefused(this.#name, command, u32(bytes, at + ERROR));
    return true;
  }

  /** Receives available data. @throws {ServerLost} {ProtocolBroken} */
  #receive(): void {
    const more = this.#connection.receive();
    if (!(more instanceof Ended)) return;
    if (more.why === "") throw new ServerLost(this.#name, "the server closed the connection");
    throw new ProtocolBroken(this.#name, more.why);
  }

  /** Waits for the server until `end`, or until this side must end. Returns false if the time is up. */
  #wait(end: number): boolean {
    const left = Math.ceil(Math.min(end, this.#stopAt) - performance.now());
    if (left <= 0) return false;
    this.#connection.wait(left);
    if (this.#connection.stopped()) this.#stopAt = performance.now() + STOP_MILLIS;
    return true;
  }

  #timedOut(what: string): ServerLost {
    const stopping = performance.now() >= this.#stopAt;
    return new ServerLost(this.#name, stopping ? "the server did not reply while this side was ending" : what);
  }

  /** Keeps only the first reason: later ones are its consequences. */
  #lose(why: unknown): void {
    if (!(why instanceof FerruleError)) throw why;
    this.#lost ??= why;
  }
}
