/**
 * The session of one client: its requests in order, including those that arrive while the device waits for guest
 * memory.
 */
import type { Target } from "#kit/target.ts";
import { Poll } from "#sys/poll.ts";
import type { Fd } from "#sys/fd.ts";
import type { EventSignaller } from "#sys/aio.ts";
import type { MapWindows } from "#sys/map-window.ts";
import type { MessageStream } from "#sys/message-stream.ts";
import type { BounceBuffer } from "#sys/peer-memory.ts";
import { ClientMemory, type Step, isReply, sizeOf } from "./client-memory.ts";
import { u16, u32 } from "./codec.ts";
import { Connection, Ended } from "./connection.ts";
import { DeviceRegions } from "./device-regions.ts";
import { GuestMaps } from "./guest-memory.ts";
import { InterruptTable, type IrqCounts } from "./interrupt-table.ts";
import { COMMAND, Command, FLAGS, Flag, HEADER_BYTES, ID } from "./protocol.ts";
import { RegisterAccess } from "./register-access.ts";
import { closeAll, type MemoryChange, NOTHING, Replies } from "./replies.ts";

/** The requests that are executed while the device waits for memory: the guest's register accesses. */
const ACCESSES: readonly number[] = [Command.regionRead, Command.regionWrite, Command.regionWriteMultiple];

/** Time limit for a client's requests in one turn; then the wire and other clients are served. */
const TURN_MILLIS = 20;

export interface SessionParts {
  readonly target: Target;
  readonly windows: MapWindows;
  readonly bounce: BounceBuffer;
  readonly signaller: EventSignaller;
  /** While the session lasts, nothing else uses these buffers. */
  readonly buffers: MessageStream;
  readonly irqs: IrqCounts;
  readonly onMemory?: ((change: MemoryChange) => void) | undefined;
}

export class Session implements Disposable {
  readonly #connection: Connection;
  readonly #registers: RegisterAccess;
  readonly #memory: ClientMemory;
  readonly #maps: GuestMaps;
  readonly #interrupts: InterruptTable;
  readonly #replies: Replies;
  #ended: Ended | undefined;
  /**
   * Set when a request has arrived that cannot be executed while the device waits for memory. The wait is then aborted.
   */
  #waitAborted = false;
  /** Set if the client sent more requests than one turn has time for. */
  #outOfTime = false;
  /** Offset in the receive buffer of the first byte after the innermost request in progress. */
  #floor = 0;

  /**
   * Takes ownership of the socket. The device is attached to the client's memory and interrupts until the session is
   * disposed.
   */
  constructor(socket: Fd, parts: SessionParts) {
    const { target, windows, bounce, signaller, irqs, buffers } = parts;
    this.#connection = new Connection(socket, buffers);
    const regions = new DeviceRegions(target);
    this.#registers = new RegisterAccess(this.#connection, regions);
    this.#interrupts = new InterruptTable(irqs, () => target.asserted(), signaller);
    this.#memory = new ClientMemory(this.#connection, () => this.#serve());
    this.#maps = new GuestMaps({
      windows,
      bounce,
      remote: {
        read: (address, bytes, offset, length) => this.#mayRequest && this.#memory.read(address, bytes, offset, length),
        write: (address, bytes, offset, length) =>
          this.#mayRequest && this.#memory.write(address, bytes, offset, length),
      },
      changed: () => target.memoryChanged(),
      failed: (error) => this.#fail(error),
    });
    this.#replies = new Replies({
      target,
      connection: this.#connection,
      regions,
      registers: this.#registers,
      maps: this.#maps,
      interrupts: this.#interrupts,
      negotiate: (client) => this.#memory.negotiate(client),
      onMemory: parts.onMemory,
    });
    target.attach(this.#maps, (vector) => this.#raise(vector));
  }

  get fd(): number {
    return this.#connection.fd;
  }

  get events(): number {
    return this.#connection.events;
  }

  /**
   * Whether `work` has something to do without new data: received requests are unprocessed, or the session must end.
   */
  get busy(): boolean {
    return this.#waitAborted || this.#outOfTime || this.#ended !== undefined;
  }

  /** Whether the client has sent its version. */
  get negotiated(): boolean {
    return this.#replies.negotiated;
  }

  get maps(): number {
    return this.#maps.count;
  }

  /**
   * Executes received requests for a limited time, and receives once. Returns the number of requests. An error caused
   * by a client's data ends only that client's session: the error is caught here, or in `#fail` if no request is in
   * progress.
   */
  work(): number | Ended {
    try {
      return this.#work();
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Asks the client to release the device. @returns whether the client supports that */
  requestUnplug(): boolean {
    return this.#interrupts.requestUnplug();
  }

  [Symbol.dispose](): void {
    this.#maps.clear();
    this.#interrupts.clear();
    this.#connection[Symbol.dispose]();
  }

  #work(): number | Ended {
    this.#connection.flush();
    this.#memory.startTurn();
    this.#maps.tidy();
    this.#outOfTime = false;
    let done = 0;
    const end = performance.now() + TURN_MILLIS;
    for (let received = false; ;) {
      this.#waitAborted = false;
      if (this.#ended !== undefined) return this.#ended;
      if (this.#connection.events !== Poll.readable) return done;
      const at = this.#connection.next();
      if (at instanceof Ended) return at;
      if (at >= 0) {
        this.#carryOut(at);
        done++;
        if (performance.now() < end) continue;
        this.#outOfTime = true;
        return done;
      }
      this.#connection.settle();
      if (received) return done;
      const more = this.#connection.receive();
      if (more instanceof Ended) return more;
      if (!more) return done;
      received = true;
    }
  }

  /**
   * Called when the device raises an interrupt, which may happen at any time: because of a request, a frame or a timer.
   */
  #raise(vector: number): void {
    try {
      this.#interrupts.raise(vector);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): Ended {
    return (this.#ended ??= Ended.by(error));
  }

  get #mayRequest(): boolean {
    return this.#ended === undefined && !this.#waitAborted && !this.#registers.reading;
  }

  /** While the device waits for memory: takes replies, and executes the guest's register accesses. */
  #serve(): Step {
    const at = this.#connection.next();
    if (at instanceof Ended) return this.#end(at);
    if (at < 0) {
      this.#connection.settle(this.#floor);
      const more = this.#connection.receive();
      if (more instanceof Ended) return this.#end(more);
      return more ? "done" : "nothing";
    }
    if (this.#connection.reserve() < 0) return "nothing";
    const { bytes } = this.#connection;
    if (!isReply(bytes, at) && !ACCESSES.includes(u16(bytes, at + COMMAND))) {
      this.#waitAborted = true;
      return "end";
    }
    this.#carryOut(at);
    return this.#mayRequest ? "done" : "end";
  }

  #end(ended: Ended): "end" {
    this.#ended = ended;
    return "end";
  }

  #carryOut(at: number): void {
    const { bytes } = this.#connection;
    const size = sizeOf(bytes, at);
    const fds = this.#connection.take(size);
    if (isReply(bytes, at)) {
      closeAll(fds);
      if (!this.#memory.answer(at, size)) this.#ended = new Ended("it sent a reply without a request");
      return;
    }
    const flags = u32(bytes, at + FLAGS);
    const command = u16(bytes, at + COMMAND);
    const id = u16(bytes, at + ID);
    const floor = this.#floor;
    this.#floor = this.#connection.taken;
    const outcome = this.#replies.request((flags & Flag.typeMask) === Flag.request ? command : NOTHING, at, size, fds);
    this.#floor = floor;
    if ((flags & Flag.noReply) !== 0) return;
    if (outcome >= 0) this.#connection.commit(id, command, HEADER_BYTES + outcome, Flag.reply, 0);
    else this.#connection.commit(id, command, HEADER_BYTES, Flag.reply | Flag.error, -outcome);
  }
}
