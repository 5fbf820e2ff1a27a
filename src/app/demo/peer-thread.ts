/** The main thread's handle of a peer: calls with a time limit, and its end. */
import { Worker } from "node:worker_threads";
import { within } from "../limit.ts";
import { entryUrl } from "../compiled-code.ts";
import { terminate, ThreadFailure } from "../worker-thread.ts";
import type { CallName, PeerCalls, PeerTask, PeerWord } from "./peer-messages.ts";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class PeerThread implements AsyncDisposable {
  /** Bytes a download of this peer has brought so far. */
  onProgress: (bytes: number) => void = () => undefined;
  readonly #worker: Worker;
  readonly #what: string;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(task: PeerTask) {
    this.#what = `the peer at ${task.interfaceName}`;
    this.#worker = new Worker(entryUrl("./peer.ts", import.meta.url), { workerData: task, name: this.#what });
    this.#worker.on("message", (word: PeerWord) => this.#handleWord(word));
    this.#worker.on("error", (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", () =>
      this.#end(new ThreadFailure({ code: "THREAD_ENDED", message: `${this.#what} ended`, hint: "Try again." })),
    );
  }

  /** Sends a request to the peer. @throws the peer's error; {TookTooLong} after `limitMillis` */
  async call<K extends CallName>(
    name: K,
    ask: PeerCalls[K]["ask"],
    limitMillis: number,
  ): Promise<PeerCalls[K]["answer"]> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#worker.postMessage({ id, name, ask });
    try {
      return (await within(promise, `"${name}" of ${this.#what}`, limitMillis)) as PeerCalls[K]["answer"];
    } finally {
      this.#waiting.delete(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await terminate(this.#worker, this.#what);
  }

  #handleWord(word: PeerWord): void {
    if (word.kind === "progress") this.onProgress(word.bytes);
    else if (word.kind === "answer") this.#waiting.get(word.id)?.resolve(word.value);
    else this.#waiting.get(word.id)?.reject(new ThreadFailure(word.error));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
  }
}
