/** The asking end: one request at a time, and its answer waited for. */
import { DeviceGone, Timeout } from "#kit/errors.ts";
import type { Fd } from "#sys/fd.ts";
import { ourCapabilities, parseCapabilities } from "./capabilities.ts";
import { isReply, sizeOf } from "./client-memory.ts";
import { type Layout, VERSION, put32, put64, u16, u32 } from "./codec.ts";
import { Connection, Ended } from "./connection.ts";
import { ProtocolBroken, RequestRefused } from "./errors.ts";
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
  Refused,
} from "./protocol.ts";

/** How long a server may take to answer before it counts as gone. */
const LIMIT_MILLIS = 5000;
const NONE: readonly number[] = [];

type Fields = Readonly<Record<string, "u16" | "u32" | "u64">>;
type Values<T extends Fields> = { readonly [K in keyof T]: number };

/**
 * A register read costs two system calls and the server's time; a write is posted and costs one. Requests arrive in the
 * order they were made, so a read sees what was written before it.
 */
export class Requests implements Disposable {
  readonly #name: string;
  readonly #connection: Connection;
  #id = 0;
  #gone: string | undefined;

  /** Takes the socket, and agrees on the version. @throws {ProtocolBroken} {RequestRefused} {Timeout} {DeviceGone} */
  constructor(socket: Fd, name: string) {
    this.#name = name;
    this.#connection = new Connection(socket);
    this.#agree();
  }

  get fd(): number {
    return this.#connection.fd;
  }

  /** Why the server cannot be asked any more; undefined while it can. */
  get gone(): string | undefined {
    return this.#gone;
  }

  /** Asks for what has a fixed layout. @throws {RequestRefused} {ProtocolBroken} {Timeout} {DeviceGone} */
  ask<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>): Values<T> {
    const at = this.#exchange(command, layout, values, NONE);
    if (sizeOf(this.#connection.bytes, at) < HEADER_BYTES + layout.bytes)
      throw new ProtocolBroken(this.#name, `an answer of ${sizeOf(this.#connection.bytes, at)} bytes`);
    return layout.read(this.#connection.bytes, at);
  }

  /** Tells it something that has no answer but that it was done, and passes copies of `fds`. @throws as `ask` */
  tell<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>, fds: readonly number[] = NONE): void {
    this.#exchange(command, layout, values, fds);
  }

  /** @throws as `ask` */
  reset(): void {
    this.#send(Command.deviceReset, HEADER_BYTES, NONE);
    this.#answer(Command.deviceReset);
  }

  /** One register; all ones once the server has gone, as a card reads that was pulled. */
  read(region: number, offset: number, width: 1 | 2 | 4): number {
    const ones = 2 ** (8 * width) - 1;
    if (this.#gone !== undefined) return ones;
    const at = this.#connection.reserve();
    if (at < 0) return this.#lose("it reads no more requests") ?? ones;
    this.#place(at, region, offset, width);
    try {
      this.#send(Command.regionRead, ACCESS_DATA, NONE);
      const reply = this.#answer(Command.regionRead);
      const { bytes } = this.#connection;
      if (sizeOf(bytes, reply) < ACCESS_DATA + width) return this.#lose("a short answer to a register read") ?? ones;
      const data = reply + ACCESS_DATA;
      if (width === 4) return u32(bytes, data);
      return width === 2 ? u16(bytes, data) : bytes[data]!;
    } catch (error) {
      this.#lose((error as Error).message);
      return ones;
    }
  }

  /** `posted` does not wait for it to be done. Nothing happens once the server has gone. */
  write(region: number, offset: number, width: 1 | 2 | 4, value: number, posted: boolean): void {
    if (this.#gone !== undefined || !this.#room()) return;
    const at = this.#connection.reserve();
    this.#place(at, region, offset, width);
    const { outgoing } = this.#connection;
    outgoing[at + ACCESS_DATA] = value;
    outgoing[at + ACCESS_DATA + 1] = value >>> 8;
    outgoing[at + ACCESS_DATA + 2] = value >>> 16;
    outgoing[at + ACCESS_DATA + 3] = value >>> 24;
    this.#id = (this.#id + 1) & 0xffff;
    const flags = posted ? Flag.noReply : Flag.request;
    this.#connection.commit(this.#id, Command.regionWrite, ACCESS_DATA + width, flags, 0);
    if (posted) return;
    try {
      this.#answer(Command.regionWrite);
    } catch (error) {
      this.#lose((error as Error).message);
    }
  }

  [Symbol.dispose](): void {
    this.#gone ??= "it was closed";
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
    if (end < behind) throw new ProtocolBroken(this.#name, "a short answer to the version");
    const { major, minor } = VERSION.read(bytes, reply);
    if (major !== MAJOR || minor > MINOR)
      throw new ProtocolBroken(this.#name, `it speaks version ${major}.${minor}, not ${MAJOR}.${MINOR}`);
    if (parseCapabilities(bytes.subarray(behind, end)) === undefined)
      throw new ProtocolBroken(this.#name, "capabilities that cannot be read");
  }

  #place(at: number, region: number, offset: number, count: number): void {
    const { outgoing } = this.#connection;
    put64(outgoing, at + ACCESS_OFFSET, offset);
    put32(outgoing, at + ACCESS_REGION, region);
    put32(outgoing, at + ACCESS_COUNT, count);
  }

  #exchange<T extends Fields>(command: number, layout: Layout<T>, values: Values<T>, fds: readonly number[]): number {
    layout.write(this.#connection.outgoing, this.#connection.reserve(), values);
    this.#send(command, HEADER_BYTES + layout.bytes, fds);
    return this.#answer(command);
  }

  #send(command: number, size: number, fds: readonly number[]): void {
    if (this.#gone !== undefined) throw new DeviceGone(this.#name);
    this.#id = (this.#id + 1) & 0xffff;
    if (fds.length === 0) this.#connection.commit(this.#id, command, size, Flag.request, 0);
    else if (!this.#connection.commitWith(this.#id, command, size, fds)) throw new DeviceGone(this.#name);
  }

  /** Waits for room to send, where the server is far behind. */
  #room(): boolean {
    const end = performance.now() + LIMIT_MILLIS;
    while (this.#connection.reserve() < 0) {
      if (performance.now() >= end) {
        this.#lose("it reads no more requests");
        return false;
      }
      this.#connection.wait(100);
      this.#connection.flush();
    }
    return true;
  }

  /** Where the answer to the request made last is; it stays until the next one. */
  #answer(command: number): number {
    const end = performance.now() + LIMIT_MILLIS;
    for (;;) {
      const at = this.#connection.next();
      if (at instanceof Ended) throw new ProtocolBroken(this.#name, at.why);
      if (at >= 0) {
        for (const fd of this.#connection.take(sizeOf(this.#connection.bytes, at))) fd[Symbol.dispose]();
        if (this.#isAnswer(at, command)) return at;
        continue;
      }
      this.#connection.settle();
      this.#connection.flush();
      const left = Math.ceil(end - performance.now());
      if (left <= 0) throw new Timeout({ what: `${this.#name}: the server`, waitedMicros: LIMIT_MILLIS * 1000 });
      if (!this.#connection.wait(left)) continue;
      const more = this.#connection.receive();
      if (more instanceof Ended) throw new DeviceGone(this.#name);
    }
  }

  #isAnswer(at: number, command: number): boolean {
    const { bytes } = this.#connection;
    const id = u16(bytes, at + ID);
    if (!isReply(bytes, at)) {
      // Memory is shared, so a server has nothing to ask for.
      const asked = u16(bytes, at + COMMAND);
      this.#connection.commit(id, asked, HEADER_BYTES, Flag.reply | Flag.error, Refused.EOPNOTSUPP);
      return false;
    }
    if (id !== this.#id || u16(bytes, at + COMMAND) !== command) return false;
    if ((u32(bytes, at + FLAGS) & Flag.error) !== 0)
      throw new RequestRefused(this.#name, command, u32(bytes, at + ERROR));
    return true;
  }

  #lose(why: string): undefined {
    this.#gone ??= why;
  }
}
