/** QEMU's machine protocol (QMP): one command at a time, and waiting for events. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: unknown;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Qmp {
  readonly #socket: Socket;
  readonly #commands: Waiting[] = [];
  readonly #listeners: { readonly event: string; readonly resolve: (data: unknown) => void }[] = [];
  readonly #seen: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.once("close", () => {
      for (const { reject } of this.#commands.splice(0)) reject(new Error("QEMU has ended"));
    });
    const lines = createInterface({ input: socket });
    // The reader of lines forwards the socket's errors, which are handled at "close".
    lines.on("error", () => {});
    lines.on("line", (line) => this.#handleMessage(JSON.parse(line) as Message));
  }

  /** @param socket a connection to QEMU, from which the greeting has not been read */
  static async open(socket: Socket): Promise<Qmp> {
    const qmp = new Qmp(socket);
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  #handleMessage(message: Message): void {
    if (message.event !== undefined) {
      this.#seen.push(message.event);
      for (let i = this.#listeners.length - 1; i >= 0; i--)
        if (this.#listeners[i]!.event === message.event) this.#listeners.splice(i, 1)[0]!.resolve(message.data);
    } else if (message.error !== undefined) {
      this.#commands.shift()?.reject(new Error(`QEMU: ${message.error.desc}`));
    } else if (message.return !== undefined) {
      this.#commands.shift()?.resolve(message.return);
    }
  }

  /** @throws {Error} if QEMU reports an error, or does not answer in time */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#commands.push({ resolve, reject });
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const limit = setTimeout(() => reject(new Error(`QEMU does not answer ${command}`)), LIMIT_MILLIS);
    return promise.finally(() => clearTimeout(limit));
  }

  /** Waits for the next event of that name. @throws {Error} if it does not occur in time */
  event(name: string, limitMillis = LIMIT_MILLIS): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#listeners.push({ event: name, resolve });
    const limit = setTimeout(() => reject(new Error(`QEMU sent no event ${name} in ${limitMillis} ms`)), limitMillis);
    return promise.finally(() => clearTimeout(limit));
  }

  /** Names of all events so far. */
  get events(): readonly string[] {
    return this.#seen;
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }
}
