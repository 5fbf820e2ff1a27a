/** A model behind a vfio-user socket, in a separate thread. The test's thread controls its cable. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { VfioUserServer } from "#bus/vfio-user/server.ts";
import { type Chip, chipNamed } from "#chip/chips.ts";
import { RealClock, Timers } from "#kit/clock.ts";
import type { Port } from "#kit/port.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";
import { Bench } from "./direct.ts";
import { LIMIT_MILLIS } from "./eventually.ts";
import type { Cable, Served } from "./vfio-user.ts";

export interface ModelReport {
  readonly offences: Readonly<Record<string, number>>;
  readonly clients: number;
}

interface ModelTask {
  readonly path: string;
  readonly chip: string;
  readonly mac: string;
  /** Requests to the thread and its replies: the words of `Word`, followed by bytes. */
  readonly shared: SharedArrayBuffer;
  /** Descriptor of an eventfd, which is signalled after each request. */
  readonly bell: number;
}

/** Indices of words at the start of the shared memory. */
const Word = { request: 0, answered: 1, value: 2 } as const;
const BYTES_AT = 64;
const FRAME_BYTES = 64 << 10;
const Request = { carrier: 1, deliver: 2, take: 3, settle: 4, end: 5 } as const;

/** Executes a request of the test's thread concerning the cable. Returns false if the request is `end`. */
const handleRequest = (words: Int32Array, bytes: Uint8Array, model: Rtl8169, bench: Bench): boolean => {
  const request = Atomics.load(words, Word.request);
  if (request === Request.carrier) model.setCarrier(words[Word.value] === 1);
  else if (request === Request.deliver) bench.nic?.receive(bytes.slice(0, words[Word.value]), 0, words[Word.value]!);
  else if (request === Request.take) {
    const frame = bench.sent.shift();
    words[Word.value] = frame?.length ?? 0;
    if (frame !== undefined) bytes.set(frame);
  }
  return request !== Request.end;
};

const serve = ({ path, chip, mac, shared, bell }: ModelTask): ModelReport => {
  const words = new Int32Array(shared, 0, BYTES_AT >> 2);
  const bytes = new Uint8Array(shared, BYTES_AT);
  const clock = new RealClock();
  const timers = new Timers();
  const bench = new Bench();
  const model = new Rtl8169({ chip: chipNamed(chip)!, mac, clock, timers, strict: "warn" });
  model.connect(bench satisfies Port);
  let clients = 0;
  using server = new VfioUserServer(model, {
    path,
    clock,
    timers,
    onClient: ({ connected }) => {
      if (connected) clients++;
    },
  });
  const event = EventFd.attach(bell);
  const poller = new Poller([server.fd, bell]);
  parentPort!.postMessage("listening");
  for (let more = true; more;) {
    const timeoutMillis = Math.min(100, Math.ceil((timers.next - clock.now()) / 1000));
    poller.wait(server.arm(poller, 0) ? Math.max(0, timeoutMillis) : 0);
    timers.run(clock.now());
    const asked = event.drain();
    // First processes register writes that were made before the request.
    while (server.ready() > 0);
    if (!asked) continue;
    more = handleRequest(words, bytes, model, bench);
    Atomics.store(words, Word.answered, 1);
    Atomics.notify(words, Word.answered);
  }
  return { offences: model.offences, clients };
};

/** A NIC that another thread serves, because the test's thread blocks while it waits for the device's replies. */
export class ServedModel implements Served, AsyncDisposable {
  readonly path: string;
  readonly chip: Chip;
  readonly #folder: string;
  readonly #worker: Worker;
  readonly #bell: EventFd;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #report: Promise<ModelReport> | undefined;

  private constructor(chip: Chip) {
    this.chip = chip;
    this.#folder = mkdtempSync(join(tmpdir(), "ferrule-vfio-user-"));
    this.path = join(this.#folder, "nic.sock");
    this.#bell = EventFd.create();
    const shared = new SharedArrayBuffer(BYTES_AT + FRAME_BYTES);
    this.#words = new Int32Array(shared, 0, BYTES_AT >> 2);
    this.#bytes = new Uint8Array(shared, BYTES_AT);
    const task: ModelTask = {
      path: this.path,
      chip: chip.key,
      mac: "02:00:00:00:00:01",
      shared,
      bell: this.#bell.number,
    };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: task });
  }

  /** Resolves when the driver may connect. */
  static async start(key: string): Promise<ServedModel> {
    const served = new ServedModel(chipNamed(key)!);
    await once(served.#worker, "message");
    return served;
  }

  cable = (): Cable => ({
    take: () => {
      const frames: Uint8Array[] = [];
      for (let n = this.#ask(Request.take, 0); n > 0; n = this.#ask(Request.take, 0))
        frames.push(this.#bytes.slice(0, n));
      return frames;
    },
    deliver: (frame) => {
      this.#bytes.set(frame);
      this.#ask(Request.deliver, frame.length);
    },
    setCarrier: (plugged) => void this.#ask(Request.carrier, plugged ? 1 : 0),
    settle: () => void this.#ask(Request.settle, 0),
    [Symbol.dispose]: () => {},
  });

  /** Makes the thread stop serving; resolves with its report. */
  stop(): Promise<ModelReport> {
    if (this.#report !== undefined) return this.#report;
    this.#report = once(this.#worker, "message").then(([message]) => message as ModelReport);
    this.#ask(Request.end, 0);
    return this.#report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#worker.terminate();
    this.#bell[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true });
  }

  /** @throws {Error} if the thread does not reply in time */
  #ask(request: number, value: number): number {
    const words = this.#words;
    words[Word.value] = value;
    Atomics.store(words, Word.answered, 0);
    Atomics.store(words, Word.request, request);
    this.#bell.signal();
    if (Atomics.wait(words, Word.answered, 0, LIMIT_MILLIS) === "timed-out")
      throw new Error(`the model's thread did not reply to request ${request}`);
    return words[Word.value]!;
  }
}

if (parentPort !== null && workerData !== null) parentPort.postMessage(serve(workerData as ModelTask));
