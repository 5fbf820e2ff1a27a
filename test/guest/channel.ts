/** One port of a guest's agent: a command at a time, its exit code and what it printed. What agent.sh speaks. */
import type { Socket } from "node:net";

export interface Ran {
  /** 124 when the guest ended it for taking too long. */
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What `stdout` is made of. */
  readonly bytes: Buffer;
}

interface Waiting {
  readonly id: string;
  readonly resolve: (ran: Ran) => void;
  readonly reject: (error: Error) => void;
}

/** The agent ends a command itself; only a guest that hangs needs longer than this on top. */
const GRACE_MILLIS = 120_000;

export class Channel {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #count = 0;
  #ready = false;
  #onReady: (() => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      while (this.#take());
    });
    socket.once("close", () => this.#lose("QEMU has gone"));
  }

  get idle(): boolean {
    return this.#ready && this.#waiting === undefined;
  }

  #lose(why: string): void {
    this.#ready = false;
    this.#waiting?.reject(new Error(why));
    this.#waiting = undefined;
  }

  /** Whether there was a whole answer. */
  #take(): boolean {
    const end = this.#received.indexOf(10);
    if (end < 0) return false;
    const line = this.#received.toString("latin1", 0, end);
    if (line.endsWith("ready")) {
      this.#lose("the guest has started again");
      this.#received = this.#received.subarray(end + 1);
      this.#ready = true;
      for (const tell of this.#onReady.splice(0)) tell();
      return true;
    }
    const [id, exit, out, err] = line.split(" ");
    const start = end + 1;
    const middle = start + Number(out);
    const last = middle + Number(err);
    if (this.#received.length < last) return false;
    const bytes = this.#received.subarray(start, middle);
    const stderr = this.#received.toString("utf8", middle, last);
    this.#received = this.#received.subarray(last);
    const waiting = this.#waiting;
    if (waiting?.id === id) {
      this.#waiting = undefined;
      waiting?.resolve({ exit: Number(exit), stdout: bytes.toString("utf8"), stderr, bytes: Buffer.from(bytes) });
    }
    return true;
  }

  /** Once the agent is there; after a reset of the guest, once it is there again. */
  ready(): Promise<void> {
    return this.#ready ? Promise.resolve() : new Promise((resolve) => this.#onReady.push(resolve));
  }

  /** The guest is about to start again: nothing is ready until it says so. */
  restarting(): void {
    this.#lose("the guest was reset");
    this.#received = Buffer.alloc(0);
  }

  /** Only while idle. @throws {Error} when the guest does not answer in time, or starts again */
  run(command: string, limitMillis: number): Promise<Ran> {
    const id = String(++this.#count);
    const { promise, resolve, reject } = Promise.withResolvers<Ran>();
    this.#waiting = { id, resolve, reject };
    const seconds = limitMillis / 1000;
    this.#socket.write(`${id} ${seconds} ${Buffer.from(command).toString("base64")}\n`);
    const limit = setTimeout(
      () => reject(new Error(`the guest does not answer: ${command}`)),
      limitMillis + GRACE_MILLIS,
    );
    return promise.finally(() => clearTimeout(limit));
  }
}
