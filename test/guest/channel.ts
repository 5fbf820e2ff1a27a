/** One port of a guest's agent, through which one command at a time is run. agent.sh defines the protocol. */
import type { Socket } from "node:net";

export interface Ran {
  /** The command's exit code; 124 if the agent ended it at its time limit. */
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The bytes of `stdout`. */
  readonly bytes: Buffer;
}

interface Waiting {
  readonly id: string;
  readonly resolve: (ran: Ran) => void;
  readonly reject: (error: Error) => void;
}

/** The agent enforces the time limit itself. If it has not answered this long after the limit, it never will. */
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
    socket.once("close", () => this.#lose("QEMU has ended"));
  }

  get idle(): boolean {
    return this.#ready && this.#waiting === undefined;
  }

  #lose(why: string): void {
    this.#ready = false;
    this.#waiting?.reject(new Error(why));
    this.#waiting = undefined;
  }

  /** Takes one message from the bytes received. Returns whether they contained a complete message. */
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

  /** Resolves when the agent is ready, also after a reset of the guest. */
  ready(): Promise<void> {
    return this.#ready ? Promise.resolve() : new Promise((resolve) => this.#onReady.push(resolve));
  }

  /** To be called before the guest restarts. The agent then counts as not ready until it reports again. */
  restarting(): void {
    this.#lose("the guest was reset");
    this.#received = Buffer.alloc(0);
  }

  /**
   * Runs a command. May be called only while `idle`. @throws {Error} if the guest does not answer in time, or restarts
   */
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
