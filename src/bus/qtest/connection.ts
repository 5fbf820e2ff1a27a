/** A connection to QEMU's qtest: one request at a time, with a time limit for its reply. */
import { type FerruleError, Timeout } from "#kit/errors.ts";
import { Errno, errorName } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { Iovecs, readv, writev } from "#sys/memory.ts";
import { Poller } from "#sys/poll.ts";
import { QemuEnded, QtestBroken, QtestRefused } from "./errors.ts";
import { Lines, parseLine, parseValue } from "./protocol.ts";

const LIMIT_MILLIS = 5000;
const OUT_BYTES = 256;
const IN_BYTES = 4096;
const LINE_FEED = 10;

export interface ConnectionOptions {
  readonly name: string;
  /** A connected non-blocking stream socket, which the connection then owns. */
  readonly socket: Fd;
  /** Called when a pin of the intercepted interrupt controller changes. */
  readonly onPin: (pin: number, raised: boolean) => void;
  /** Time limit of QEMU's replies in milliseconds; default 5000. */
  readonly limitMillis?: number;
}

/**
 * Invariant: after any error except `QtestRefused`, no request is sent, because a late reply would be mistaken for the
 * reply to the next request. `gone` has the reason.
 */
export class QtestConnection implements Disposable {
  readonly #name: string;
  readonly #socket: Fd;
  readonly #onPin: (pin: number, raised: boolean) => void;
  readonly #limitMillis: number;
  readonly #poller: Poller;
  readonly #bytes = new Uint8Array(new ArrayBuffer(OUT_BYTES + IN_BYTES));
  readonly #iovecs: Iovecs;
  readonly #lines = new Lines();
  readonly #encoder = new TextEncoder();
  #failure: FerruleError | undefined;

  constructor(options: ConnectionOptions) {
    this.#name = options.name;
    this.#socket = options.socket;
    this.#onPin = options.onPin;
    this.#limitMillis = options.limitMillis ?? LIMIT_MILLIS;
    this.#poller = new Poller([options.socket.number]);
    this.#iovecs = new Iovecs(1, this.#bytes.buffer);
  }

  /** Why the connection has failed; undefined while it works. */
  get gone(): string | undefined {
    return this.#failure?.message;
  }

  /** Sends a request and waits for its reply. @throws {QemuEnded} {QtestRefused} {QtestBroken} {Timeout} */
  ask(request: string): string {
    if (this.#failure !== undefined) throw this.#failure;
    this.#send(request);
    const end = performance.now() + this.#limitMillis;
    for (;;) {
      const answer = this.#answer(request);
      if (answer !== undefined) return answer;
      const left = Math.ceil(end - performance.now());
      if (left <= 0)
        this.#fail(new Timeout({ what: `${this.#name}: \`${request}\``, waitedMicros: this.#limitMillis * 1000 }));
      this.#receive(left);
    }
  }

  /** Sends a request whose reply is a number of `bytes` bytes. @throws as `ask` */
  askNumber(request: string, bytes: 1 | 2 | 4): number {
    const answer = this.ask(request);
    return (
      parseValue(answer, bytes) ??
      this.#fail(new QtestBroken(this.#name, `the reply to \`${request}\` is \`${answer}\``))
    );
  }

  /**
   * Waits up to `millis` for data from QEMU, and processes the messages about interrupts that have arrived.
   * @throws {QemuEnded} {QtestBroken} {QtestRefused}
   */
  listen(millis: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#receive(millis);
    if (this.#answer("nothing") !== undefined)
      this.#fail(new QtestBroken(this.#name, "it sent a reply without a request"));
  }

  [Symbol.dispose](): void {
    this.#failure ??= new QemuEnded(this.#name, "it was closed");
    this.#socket[Symbol.dispose]();
  }

  /** Returns the reply if it has arrived. Processes other messages. */
  #answer(request: string): string | undefined {
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      const message = parseLine(line);
      if (message.kind === "ok") return message.text;
      if (message.kind === "irq") this.#onPin(message.pin, message.raised);
      else if (message.kind === "refused") throw new QtestRefused(this.#name, request, message.why);
      else this.#fail(new QtestBroken(this.#name, `it sent an invalid line: ${JSON.stringify(line.slice(0, 80))}`));
    }
    return undefined;
  }

  /** One write suffices: a request is shorter than the socket's buffer, and only one is outstanding. */
  #send(request: string): void {
    const { written } = this.#encoder.encodeInto(request, this.#bytes);
    this.#bytes[written] = LINE_FEED;
    this.#iovecs.point(0, 0, written + 1);
    const sent = writev(this.#socket.number, this.#iovecs, 1);
    if (sent === written + 1) return;
    this.#fail(new QemuEnded(this.#name, sent < 0 ? errorName(-sent) : "it accepts no more requests"));
  }

  #receive(millis: number): void {
    if (this.#poller.wait(millis) === 0) return;
    this.#iovecs.point(0, OUT_BYTES, IN_BYTES);
    const length = readv(this.#socket.number, this.#iovecs, 1);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return;
    if (length <= 0)
      this.#fail(new QemuEnded(this.#name, length === 0 ? "it closed the connection" : errorName(-length)));
    if (!this.#lines.push(this.#bytes.subarray(OUT_BYTES, OUT_BYTES + length)))
      this.#fail(new QtestBroken(this.#name, "it sent a line that is too long"));
  }

  #fail(failure: FerruleError): never {
    this.#failure = failure;
    throw failure;
  }
}
