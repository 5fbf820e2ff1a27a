/**
 * Guest memory that was mapped without a file descriptor; the server accesses it by messages. While the server waits
 * for a reply, it executes the guest's register accesses. Otherwise both could wait for each other: a virtual processor
 * that reads a register holds QEMU's big lock, which QEMU needs in order to reply.
 */
import { put64, u16, u32 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import type { RemoteMemory } from "./guest-memory.ts";
import { COMMAND, Command, DMA_ADDRESS, DMA_COUNT, DMA_DATA, FLAGS, Flag, ID, MAX_DATA, SIZE } from "./protocol.ts";

/** Time limit of a reply. QEMU waits 5 s for a device by default, so this limit is shorter. */
const LIMIT_MILLIS = 500;
/**
 * Maximum total duration of all waits in one turn (a call of `Session.work`). During the waits the server answers no
 * control request.
 */
const TURN_MILLIS = 2000;
/** Maximum depth of nested waits: a register access by the guest during a wait may make the device wait again. */
const MAX_DEPTH = 8;
/** After this many missing replies in a row, no more requests are sent to the client until a late reply arrives. */
const MAX_TIMEOUTS = 3;
/** Result of a step: data was received or a message was processed; neither was possible; or the wait must end. */
export type Step = "done" | "nothing" | "end";

interface PendingRequest {
  readonly command: number;
  /** Destination or source of the data; undefined once the wait has ended. */
  bytes: Uint8Array | undefined;
  readonly offset: number;
  readonly length: number;
  answer: "none" | "good" | "bad";
}

export class ClientMemory implements RemoteMemory {
  readonly #connection: Connection;
  readonly #serve: () => Step;
  readonly #pending = new Map<number, PendingRequest>();
  #nextId = 0;
  #depth = 0;
  #timeouts = 0;
  /** Remaining time for waits in this turn. */
  #remainingMillis = TURN_MILLIS;
  #maxData = MAX_DATA;

  /** @param serve processes one message that is allowed during a wait or, if none has arrived, receives data */
  constructor(connection: Connection, serve: () => Step) {
    this.#connection = connection;
    this.#serve = serve;
  }

  /** Applies the client's capabilities. */
  negotiate(client: { readonly maxData: number }): void {
    this.#maxData = Math.min(MAX_DATA, client.maxData);
  }

  /** Starts a new turn, in which the device may wait again. */
  startTurn(): void {
    this.#remainingMillis = TURN_MILLIS;
  }

  read(address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#pieces(Command.dmaRead, address, bytes, offset, length);
  }

  write(address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#pieces(Command.dmaWrite, address, bytes, offset, length);
  }

  /** Processes a reply of `size` bytes at `at`. Returns false if it does not belong to a request. */
  answer(at: number, size: number): boolean {
    const { bytes } = this.#connection;
    const id = u16(bytes, at + ID);
    const request = this.#pending.get(id);
    if (request === undefined || request.command !== u16(bytes, at + COMMAND)) return false;
    this.#pending.delete(id);
    this.#timeouts = 0;
    const failed = (u32(bytes, at + FLAGS) & Flag.error) !== 0;
    const isRead = request.command === Command.dmaRead;
    request.answer = failed || (isRead && size < DMA_DATA + request.length) ? "bad" : "good";
    if (isRead && request.answer === "good")
      request.bytes?.set(bytes.subarray(at + DMA_DATA, at + DMA_DATA + request.length), request.offset);
    return true;
  }

  #pieces(command: number, address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, this.#maxData);
      if (
        !this.#request(command, address + done, { command, bytes, offset: offset + done, length: part, answer: "none" })
      )
        return false;
      done += part;
    }
    return true;
  }

  #request(command: number, address: number, request: PendingRequest): boolean {
    if (this.#depth === MAX_DEPTH || this.#timeouts === MAX_TIMEOUTS || this.#remainingMillis <= 0) return false;
    const at = this.#connection.reserve();
    const id = this.#freeId();
    if (at < 0 || id < 0) return false;
    const { outgoing } = this.#connection;
    const { length, offset } = request;
    put64(outgoing, at + DMA_ADDRESS, address);
    put64(outgoing, at + DMA_COUNT, length);
    const data = command === Command.dmaWrite ? length : 0;
    if (data > 0) outgoing.set(request.bytes!.subarray(offset, offset + length), at + DMA_DATA);
    this.#pending.set(id, request);
    this.#connection.commit(id, command, DMA_DATA + data, Flag.request, 0);
    this.#depth++;
    this.#wait(request);
    this.#depth--;
    request.bytes = undefined;
    return request.answer === "good";
  }

  #wait(request: PendingRequest): void {
    const start = performance.now();
    const end = start + Math.min(LIMIT_MILLIS, this.#remainingMillis);
    this.#waitUntil(request, end);
    // Only the outermost wait is counted, because it includes the nested ones.
    if (this.#depth === 1) this.#remainingMillis -= performance.now() - start;
  }

  #waitUntil(request: PendingRequest, end: number): void {
    // Requests that the client sent before it received our request arrive before its reply, so they are executed first.
    for (let step = this.#serve(); request.answer === "none"; step = this.#serve()) {
      if (step === "end") return;
      const left = Math.ceil(end - performance.now());
      if (left <= 0) {
        this.#timeouts++;
        return;
      }
      if (step === "done") continue;
      this.#connection.flush();
      this.#connection.wait(left);
    }
  }

  /** An unused id; -1 while 256 requests have no reply. */
  #freeId(): number {
    if (this.#pending.size > 0xff) return -1;
    while (this.#pending.has(this.#nextId)) this.#nextId = (this.#nextId + 1) & 0xffff;
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    return id;
  }
}

/** The two facts about a message that are needed first: whether it is a reply, and its size. */
export const isReply = (bytes: Uint8Array, at: number): boolean =>
  (u32(bytes, at + FLAGS) & Flag.typeMask) === Flag.reply;
export const sizeOf = (bytes: Uint8Array, at: number): number => u32(bytes, at + SIZE);
