/**
 * A stream socket at the far end of the wire: connects to the other side or accepts its connection, and does so again
 * when the connection is lost.
 */
import { statSync } from "node:fs";
import { StreamWire } from "#host/wire-stream.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { Poll } from "#sys/poll.ts";
import { connectUnix, SocketPathTaken, socketAddress, UnixListener } from "#sys/unix-path.ts";
import { Timeout } from "#kit/errors.ts";
import type { FarEnd, FarEndParts } from "./far-end.ts";

const RETRY_MICROS = 500_000;
/** Errors that mean that nobody listens at the path yet, or that nobody listens there any longer. */
const NOT_LISTENING: readonly number[] = [Errno.ENOENT, Errno.ECONNREFUSED];

export interface StreamSpec {
  readonly path: string;
  readonly listen: boolean;
}

class StreamEnd {
  readonly wire: StreamWire;
  readonly #parts: FarEndParts;
  readonly #path: string;
  readonly #listener: UnixListener | undefined;
  /** Time of the next attempt to connect. */
  #retryAt = 0;
  /** The last reported reason that there is no connection. */
  #lastError = "";

  constructor(scope: DisposableStack, { path, listen }: StreamSpec, parts: FarEndParts) {
    const { clock, capture, onPlug } = parts;
    this.#parts = parts;
    this.#path = path;
    // This fails at once if the path can never be a socket address.
    socketAddress(path);
    const found = listen ? undefined : statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isSocket()) throw new SocketPathTaken(path, "a file");
    this.#listener = listen ? scope.use(UnixListener.listen(path, parts.socketMode)) : undefined;
    this.wire = scope.use(new StreamWire({ clock, capture, onEnd: (why) => onPlug(false, why) }));
  }

  get fd(): number {
    return this.wire.connected ? this.wire.fd : (this.#listener?.number ?? -1);
  }

  get due(): number {
    return this.wire.connected || this.#listener !== undefined ? Infinity : this.#retryAt;
  }

  pump(budget: number): number {
    if (!this.wire.connected && !this.#tryConnect()) return 0;
    return this.wire.pump(budget);
  }

  #tryConnect(): boolean {
    const now = this.#parts.clock.now();
    if (this.#listener === undefined && now < this.#retryAt) return false;
    this.#retryAt = now + RETRY_MICROS;
    try {
      const socket = this.#listener === undefined ? connectUnix(this.#path, 0) : this.#listener.accept();
      if (socket === undefined) return false;
      this.wire.connect(socket);
      this.#lastError = "";
      this.#parts.onPlug(true, "");
      return true;
    } catch (error) {
      if (!(error instanceof SystemError || error instanceof Timeout)) throw error;
      const { message } = error;
      const expected = error instanceof Timeout || NOT_LISTENING.includes(error.errno);
      // A reason is reported once, not at every attempt.
      if (message !== this.#lastError && expected) this.#parts.onPlug(false, `nobody listens at ${this.#path} yet`);
      else if (message !== this.#lastError) this.#parts.onError(error);
      this.#lastError = message;
      return false;
    }
  }
}

export const openStreamEnd = (scope: DisposableStack, spec: StreamSpec, parts: FarEndParts): FarEnd => {
  const end = new StreamEnd(scope, spec, parts);
  const { wire } = end;
  return {
    port: wire,
    setLink: () => {},
    get fd() {
      return end.fd;
    },
    get events() {
      return wire.blocked ? Poll.readable | Poll.writable : Poll.readable;
    },
    get due() {
      return end.due;
    },
    get pending() {
      return wire.pending;
    },
    get plugged() {
      return wire.connected;
    },
    pump: (budget) => end.pump(budget),
    traffic: () => wire.delivery.traffic(),
  };
};
