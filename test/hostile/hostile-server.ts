/**
 * A proxy between our driver and a correct server, in a thread. It forwards all messages until a test selects a
 * misbehaviour.
 */
import assert from "node:assert/strict";
import { Worker, parentPort, workerData } from "node:worker_threads";
import { Command, Flag, HEADER_BYTES, SIZE } from "#bus/vfio-user/protocol.ts";
import { putHeader, u16, u32 } from "#bus/vfio-user/codec.ts";
import { EventSignaller } from "#sys/aio.ts";
import { EventFd } from "#sys/eventfd.ts";
import { SystemError } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { libc } from "#sys/libc.ts";
import { Poll, Poller } from "#sys/poll.ts";
import { UnixListener, connectUnix } from "#sys/unix-path.ts";
import { UnixSocket } from "#sys/unix-socket.ts";

export const Misbehaviour = {
  none: 0,
  /** Stops replying. */
  silence: 1,
  /** Replies with another request's id. */
  wrongId: 2,
  /** Passes a descriptor, that of a socket, with each reply. */
  descriptor: 3,
  /** Requests the client's memory again and again, and does not reply. */
  questions: 4,
  /** Announces in each reply's header that the reply has four gigabytes. */
  size: 5,
  /** Closes the connection in the middle of a reply. */
  half: 6,
  /** Refuses every request. */
  refusal: 7,
  /** Makes the driver's eventfd block, signals the eventfd all the time, and clears it again. */
  theft: 8,
} as const;

interface HostileTask {
  readonly path: string;
  readonly server: string;
  /** Cell 0 is the present misbehaviour. Cell 1 is set to 1 to end the thread. */
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const [F_SETFL, BLOCKING] = [4, 0n];
const ID_OF_ANOTHER = 0x5555;
const LIMIT_MILLIS = 20_000;

class Hostile {
  readonly #task: HostileTask;
  readonly #client: UnixSocket;
  readonly #server: UnixSocket;
  readonly #bytes = new Uint8Array(1 << 18);
  readonly #signaller = new EventSignaller();
  /** The eventfds that the client has passed. */
  readonly #events: Fd[] = [];

  constructor(task: HostileTask, client: UnixSocket, server: UnixSocket) {
    this.#task = task;
    this.#client = client;
    this.#server = server;
  }

  run(): void {
    const poller = new Poller([this.#client.number, this.#server.number]);
    while (Atomics.load(this.#task.cells, 1) === 0) {
      const what = Atomics.load(this.#task.cells, 0);
      if (what === Misbehaviour.theft) this.#steal();
      if (what === Misbehaviour.questions) this.#ask();
      if (poller.wait(what === Misbehaviour.theft ? 0 : 10) === 0) continue;
      if (poller.ready(0) && !this.#toServer(what)) return;
      if (poller.ready(1) && !this.#toClient(what)) return;
    }
  }

  /**
   * Forwards one message of the client. Both ends send small messages, one at a time. Returns whether the client is
   * connected.
   */
  #toServer(what: number): boolean {
    const incoming = this.#client.receive(this.#bytes);
    if (incoming === undefined) return true;
    if (incoming.length === 0) return false;
    if (what !== Misbehaviour.questions) {
      const fds = incoming.fds.map(({ number }) => number);
      sendAll(this.#server, this.#bytes.subarray(0, incoming.length), fds);
    }
    if (u16(this.#bytes, 2) === Command.setIrqs) this.#events.push(...incoming.fds);
    else for (const fd of incoming.fds) fd[Symbol.dispose]();
    return true;
  }

  #toClient(what: number): boolean {
    const incoming = this.#server.receive(this.#bytes);
    if (incoming === undefined) return true;
    if (incoming.length === 0) return false;
    const answer = this.#bytes.subarray(0, incoming.length);
    if (what === Misbehaviour.silence || what === Misbehaviour.questions) return true;
    if (what === Misbehaviour.wrongId) answer.set([ID_OF_ANOTHER & 0xff, ID_OF_ANOTHER >> 8]);
    if (what === Misbehaviour.size) answer.fill(0xff, SIZE, SIZE + 4);
    if (what === Misbehaviour.half) {
      sendAll(this.#client, answer.subarray(0, HEADER_BYTES + 1));
      return false;
    }
    if (what === Misbehaviour.refusal) {
      const refused = new Uint8Array(HEADER_BYTES);
      putHeader(refused, 0, u16(answer, 0), u16(answer, 2), HEADER_BYTES, Flag.reply | Flag.error, 13);
      sendAll(this.#client, refused);
      return true;
    }
    assert.equal(u32(answer, SIZE) <= answer.length || what === Misbehaviour.size, true);
    sendAll(this.#client, answer, what === Misbehaviour.descriptor ? [this.#client.number] : []);
    return true;
  }

  #ask(): void {
    const question = new Uint8Array(HEADER_BYTES + 16);
    putHeader(question, 0, 1, Command.dmaRead, question.length, Flag.request, 0);
    this.#client.send(question);
  }

  #steal(): void {
    for (const { number } of this.#events) {
      // SAFETY: no argument is an address.
      libc.fcntl(number, F_SETFL, BLOCKING);
      this.#signaller.signal(number);
      EventFd.attach(number, { shared: true }).drain();
    }
  }
}

const sendAll = (socket: UnixSocket, bytes: Uint8Array, fds: readonly number[] = []): void => {
  const poller = new Poller([socket.number]);
  poller.watch(0, Poll.writable);
  let sent = socket.send(bytes, fds);
  for (let at = Math.max(0, sent); at < bytes.length; at += Math.max(0, sent)) {
    poller.wait(1000);
    sent = socket.send(bytes.subarray(at), at === 0 ? fds : []);
    if (sent < 0 && sent !== -11) return;
  }
};

const serve = (task: HostileTask): void => {
  using listener = UnixListener.listen(task.path);
  parentPort!.postMessage("listening");
  const poller = new Poller([listener.number]);
  while (Atomics.load(task.cells, 1) === 0) {
    if (poller.wait(10) === 0) continue;
    const fd = listener.accept();
    if (fd === undefined) continue;
    using client = new UnixSocket(fd);
    using server = new UnixSocket(connectUnix(task.server));
    try {
      new Hostile(task, client, server).run();
    } catch (error) {
      // ECONNRESET: the client closed the connection with unread data.
      if (!(error instanceof SystemError)) throw error;
    }
  }
};

if (parentPort !== null) serve(workerData as HostileTask);

export class HostileServer implements AsyncDisposable {
  readonly path: string;
  readonly #cells = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  private constructor(path: string, server: string) {
    this.path = path;
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { path, server, cells: this.#cells } satisfies HostileTask,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
  }

  /** @param path where the hostile server listens @param server where the correct server listens */
  static async open(path: string, server: string): Promise<HostileServer> {
    const hostile = new HostileServer(path, server);
    await new Promise((resolve, reject) => {
      hostile.#worker.once("message", resolve);
      hostile.#worker.once("error", reject);
    });
    return hostile;
  }

  misbehave(how: keyof typeof Misbehaviour): void {
    Atomics.store(this.#cells, 0, Misbehaviour[how]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(this.#cells, 1, 1);
    const ended = new Promise<boolean>((resolve) => this.#worker.once("exit", () => resolve(true)));
    let late: NodeJS.Timeout | undefined;
    const limit = new Promise<boolean>((resolve) => (late = setTimeout(() => resolve(false), LIMIT_MILLIS)));
    assert.ok(await Promise.race([ended, limit]), "the hostile server hangs");
    clearTimeout(late);
  }
}
