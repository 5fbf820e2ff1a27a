/** A thread that changes a descriptor's file while the server uses it, as a second process could. */
import assert from "node:assert/strict";
import { Worker, parentPort, workerData } from "node:worker_threads";
import { EventSignaller } from "#sys/aio.ts";
import { read, truncate, write } from "#sys/fd.ts";
import { libc } from "#sys/libc.ts";

/** `truncate` repeatedly truncates a file and restores its length. `fill` fills an eventfd's counter, once a round. */
export type Meddling = "truncate" | "fill";

interface MeddlerTask {
  readonly what: Meddling;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

/** Index of the cell with the descriptor to attack, or -1 for none. */
const FD = 0;
/** Index of the cell with the number of the current round. */
const ROUND = 1;
/** Index of the cell with the number of the last completed round. */
const OVER = 2;
/** Index of the cell that is set to 1 to end the thread. */
const END = 3;

const LIMIT_MILLIS = 10_000;
const F_SETFL = 4;
const BLOCKING = 0n;
/**
 * A value that can still be written after the server has added 1 to the counter. After both additions, the counter has
 * no room for another 1.
 */
const NEARLY_FULL = new Uint8Array(new BigUint64Array([2n ** 64n - 3n]).buffer);

/** Empties the counter, and fills it a moment later. In between, the server may find room in the counter. */
const fill = (fd: number, round: number, signaller: EventSignaller): void => {
  // SAFETY: no argument is an address.
  libc.fcntl(fd, F_SETFL, BLOCKING);
  read(fd, new Uint8Array(8));
  const end = performance.now() + (round % 40) / 200;
  while (performance.now() < end);
  write(fd, NEARLY_FULL);
  signaller.signal(fd);
};

const cutOff = (fd: number): void => {
  try {
    truncate(fd, 0);
    truncate(fd, 8192);
  } catch {
    // The descriptor was closed meanwhile.
  }
};

const meddle = ({ what, cells }: MeddlerTask): void => {
  using signaller = new EventSignaller();
  for (let last = 0; Atomics.load(cells, END) === 0;) {
    const fd = Atomics.load(cells, FD);
    const round = Atomics.load(cells, ROUND);
    if (fd < 0 || (what === "fill" && round === last)) continue;
    last = round;
    if (what === "fill") fill(fd, round, signaller);
    else cutOff(fd);
    Atomics.store(cells, OVER, round);
  }
};

if (parentPort !== null) meddle(workerData as MeddlerTask);

export class Meddler implements AsyncDisposable {
  readonly #cells = new Int32Array(new SharedArrayBuffer(16));
  readonly #worker: Worker;

  constructor(what: Meddling) {
    this.#cells[FD] = -1;
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { what, cells: this.#cells } satisfies MeddlerTask,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
  }

  /** Selects the descriptor to attack. */
  aim(fd: number): void {
    Atomics.store(this.#cells, FD, fd);
  }

  /** Runs `act` while the thread does its next round; returns when both have finished. */
  round(act: () => void): void {
    const round = Atomics.add(this.#cells, ROUND, 1) + 1;
    act();
    const end = performance.now() + LIMIT_MILLIS;
    while (Atomics.load(this.#cells, OVER) !== round) assert.ok(performance.now() < end, "the attacking thread hangs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(this.#cells, END, 1);
    const limit = setTimeout(() => void this.#worker.terminate(), LIMIT_MILLIS);
    await new Promise((resolve) => this.#worker.once("exit", resolve));
    clearTimeout(limit);
  }
}
