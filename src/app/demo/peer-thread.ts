/** The main thread's handle of a peer. It sends calls with a time limit, and ends the peer. */
import { Worker } from "node:worker_threads";
import { entryUrl } from "../compiled-code.ts";
import { PendingRequests } from "../pending-requests.ts";
import { terminate, ThreadFailure } from "../worker-thread.ts";
import type { CallName, PeerCalls, PeerTask, PeerWord } from "./peer-messages.ts";

export class PeerThread implements AsyncDisposable {
  /** Called with the number of bytes that this peer has downloaded so far. */
  onProgress: (bytes: number) => void = () => undefined;
  readonly #worker: Worker;
  readonly #what: string;
  readonly #pending = new PendingRequests<unknown>();

  constructor(task: PeerTask) {
    this.#what = `the peer at ${task.interfaceName}`;
    this.#worker = new Worker(entryUrl("./peer.ts", import.meta.url), { workerData: task, name: this.#what });
    this.#worker.on("message", (word: PeerWord) => this.#handleWord(word));
    this.#worker.on("error", (error) => this.#pending.end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", () =>
      this.#pending.end(
        new ThreadFailure({ code: "THREAD_ENDED", message: `${this.#what} ended`, hint: "Try again." }),
      ),
    );
  }

  /** Sends a request to the peer. @throws the peer's error; {TookTooLong} after `limitMillis` */
  async call<K extends CallName>(
    name: K,
    ask: PeerCalls[K]["ask"],
    limitMillis: number,
  ): Promise<PeerCalls[K]["answer"]> {
    const send = (id: number): void => this.#worker.postMessage({ id, name, ask });
    return (await this.#pending.ask(`"${name}" of ${this.#what}`, limitMillis, send)) as PeerCalls[K]["answer"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await terminate(this.#worker, this.#what);
  }

  #handleWord(word: PeerWord): void {
    if (word.kind === "progress") this.onProgress(word.bytes);
    else if (word.kind === "answer") this.#pending.answer(word.id, word.value);
    else this.#pending.fail(word.id, word.error);
  }
}
