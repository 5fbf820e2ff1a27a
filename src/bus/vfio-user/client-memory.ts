/**
 * A client's memory that came without a descriptor: asked for in messages, while the client's own requests go on.
 *
 * They must: a processor that reads a register holds QEMU's big lock, which QEMU needs to answer us.
 */
import { put64, u16, u32 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import type { DistantMemory } from "./guest-memory.ts";
import { COMMAND, Command, DMA_ADDRESS, DMA_COUNT, DMA_DATA, FLAGS, Flag, ID, MOST_DATA, SIZE } from "./protocol.ts";

/** The client's own patience with a device is 5 s (QEMU's default), so ours is shorter. */
const LIMIT_MILLIS = 500;
/** Limit for all waits of one turn together. The server answers no control request during that time. */
const TURN_MILLIS = 2000;
/** Most nested waits: during each, an access of the guest to a register may make the device wait again. */
const DEEPEST = 8;
/** After this many missed answers a client is not asked again until a late answer arrives. */
const STRIKES = 3;
/** What became of one step of the client's own requests: one was carried out, there is none, or the wait has to end. */
export type Step = "done" | "nothing" | "end";

interface Question {
  readonly command: number;
  /** Where the answer goes; nowhere once nobody waits for it. */
  bytes: Uint8Array | undefined;
  readonly offset: number;
  readonly length: number;
  answer: "none" | "good" | "bad";
}

export class ClientMemory implements DistantMemory {
  readonly #connection: Connection;
  readonly #serve: () => Step;
  readonly #questions = new Map<number, Question>();
  #nextId = 0;
  #depth = 0;
  #strikes = 0;
  /** What is left of the turn's time. */
  #left = TURN_MILLIS;
  #most = MOST_DATA;

  /** @param serve carries out one request of what can be done meanwhile, without waiting */
  constructor(connection: Connection, serve: () => Step) {
    this.#connection = connection;
    this.#serve = serve;
  }

  /** What the client has said of itself. */
  agree(client: { readonly mostData: number }): void {
    this.#most = Math.min(MOST_DATA, client.mostData);
  }

  /** A new turn: the device may wait again. */
  renew(): void {
    this.#left = TURN_MILLIS;
  }

  read(address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#pieces(Command.dmaRead, address, bytes, offset, length);
  }

  write(address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#pieces(Command.dmaWrite, address, bytes, offset, length);
  }

  /** A reply came, of `size` bytes at `at`. False when it answers nothing that was asked. */
  answer(at: number, size: number): boolean {
    const { bytes } = this.#connection;
    const id = u16(bytes, at + ID);
    const question = this.#questions.get(id);
    if (question === undefined || question.command !== u16(bytes, at + COMMAND)) return false;
    this.#questions.delete(id);
    this.#strikes = 0;
    const failed = (u32(bytes, at + FLAGS) & Flag.error) !== 0;
    const isRead = question.command === Command.dmaRead;
    question.answer = failed || (isRead && size < DMA_DATA + question.length) ? "bad" : "good";
    if (isRead && question.answer === "good")
      question.bytes?.set(bytes.subarray(at + DMA_DATA, at + DMA_DATA + question.length), question.offset);
    return true;
  }

  #pieces(command: number, address: number, bytes: Uint8Array, offset: number, length: number): boolean {
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, this.#most);
      if (!this.#ask(command, address + done, { command, bytes, offset: offset + done, length: part, answer: "none" }))
        return false;
      done += part;
    }
    return true;
  }

  #ask(command: number, address: number, question: Question): boolean {
    if (this.#depth === DEEPEST || this.#strikes === STRIKES || this.#left <= 0) return false;
    const at = this.#connection.reserve();
    const id = this.#freeId();
    if (at < 0 || id < 0) return false;
    const { outgoing } = this.#connection;
    const { length, offset } = question;
    put64(outgoing, at + DMA_ADDRESS, address);
    put64(outgoing, at + DMA_COUNT, length);
    const data = command === Command.dmaWrite ? length : 0;
    if (data > 0) outgoing.set(question.bytes!.subarray(offset, offset + length), at + DMA_DATA);
    this.#questions.set(id, question);
    this.#connection.commit(id, command, DMA_DATA + data, Flag.request, 0);
    this.#depth++;
    this.#wait(question);
    this.#depth--;
    question.bytes = undefined;
    return question.answer === "good";
  }

  #wait(question: Question): void {
    const start = performance.now();
    const end = start + Math.min(LIMIT_MILLIS, this.#left);
    this.#waitUntil(question, end);
    // A wait within a wait is counted with it.
    if (this.#depth === 1) this.#left -= performance.now() - start;
  }

  #waitUntil(question: Question, end: number): void {
    // What the client sent before it saw the question comes first: its answer is behind that.
    for (let step = this.#serve(); question.answer === "none"; step = this.#serve()) {
      if (step === "end") return;
      const left = Math.ceil(end - performance.now());
      if (left <= 0) {
        this.#strikes++;
        return;
      }
      if (step === "done") continue;
      this.#connection.flush();
      this.#connection.wait(left);
    }
  }

  /** -1 while the client has not answered 256 requests. */
  #freeId(): number {
    if (this.#questions.size > 0xff) return -1;
    while (this.#questions.has(this.#nextId)) this.#nextId = (this.#nextId + 1) & 0xffff;
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    return id;
  }
}

/** Bytes in a message that are looked at before anything else. */
export const isReply = (bytes: Uint8Array, at: number): boolean =>
  (u32(bytes, at + FLAGS) & Flag.typeMask) === Flag.reply;
export const sizeOf = (bytes: Uint8Array, at: number): number => u32(bytes, at + SIZE);
