/** A device model offered to others on a Unix socket: clients come one after the other, each finds the power just on. */
import type { Timers } from "#kit/clock.ts";
import type { Target } from "#kit/target.ts";
import { SystemError } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { MapWindows } from "#sys/map-window.ts";
import { Poll, type Poller } from "#sys/poll.ts";
import { UnixListener } from "#sys/unix-path.ts";
import { connectionBuffers, Ended } from "./connection.ts";
import type { IrqCounts } from "./interrupt-table.ts";
import { interruptsOf } from "./pci-interrupts.ts";
import type { MemoryChange } from "./replies.ts";
import { Session } from "./session.ts";

export interface ServerOptions {
  /** Where to listen: a path in the file system. */
  readonly path: string;
  /** Permissions of the socket's file: its owner's alone unless given. */
  readonly mode?: number | undefined;
  /** Whoever owns the clock runs the timers. */
  readonly clock: { now(): number };
  readonly timers: Timers;
  /** A client came; or it went, and `why` says what it did wrong, if anything; or there was no descriptor left to let one in. */
  readonly onClient?: (event: { readonly connected: boolean; readonly why?: string }) => void;
  /** A client mapped guest memory, or unmapped it. */
  readonly onMemory?: (change: MemoryChange) => void;
}

/** Whoever connects and does not say its version keeps everyone else waiting. Clients say it at once. */
const VERSION_MICROS = 5_000_000;
const NO_MEMORY = { region: () => undefined };

/**
 * Does its work in the thread of its owner, who waits for everything at once:
 *
 *     const poller = new Poller([server.fd, wire.fd, control.fd]);
 *     for (;;) {
 *       const patience = server.arm(poller, 0) ? untilNextTimer() : 0;
 *       poller.wait(patience);
 *       server.ready();
 *       …
 *     }
 *
 * Invariant: without a client the device is attached to nothing.
 */
export class VfioUserServer implements Disposable {
  readonly #target: Target;
  readonly #listener: UnixListener;
  readonly #irqs: IrqCounts;
  readonly #windows = new MapWindows();
  readonly #buffers = connectionBuffers();
  readonly #onClient: ServerOptions["onClient"];
  readonly #onMemory: ServerOptions["onMemory"];
  readonly #clock: ServerOptions["clock"];
  readonly #timers: Timers;
  #session: Session | undefined;
  #stopWaiting = (): void => {};

  /** @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} */
  constructor(target: Target, options: ServerOptions) {
    this.#target = target;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#onClient = options.onClient;
    this.#onMemory = options.onMemory;
    this.#irqs = interruptsOf(target);
    this.#listener = UnixListener.listen(options.path, options.mode);
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  /** Maps that the client has now. */
  get maps(): number {
    return this.#session?.maps ?? 0;
  }

  /** For poll(2): the client's socket, or the one that clients come to. Another one after each `ready`. */
  get fd(): number {
    return this.#session?.fd ?? this.#listener.number;
  }

  /** Puts `fd` in the poller's `i`th place. False: there is work already, do not wait. */
  arm(poller: Poller, i: number): boolean {
    poller.aim(i, this.fd);
    poller.watch(i, this.#session?.events ?? Poll.readable);
    return this.#session?.busy !== true;
  }

  /** Does what can be done without waiting. Returns how many requests were carried out. */
  ready(): number {
    if (this.#session === undefined && !this.#accept()) return 0;
    const done = this.#session!.work();
    if (!(done instanceof Ended)) return done;
    this.#release(done.why);
    return 0;
  }

  /** Asks the client to give the device back, as a slot's attention button does. @returns whether there is one that listens */
  requestUnplug(): boolean {
    return this.#session?.requestUnplug() ?? false;
  }

  /** Ends the client's connection. @returns whether there was one */
  disconnect(): boolean {
    if (this.#session === undefined) return false;
    this.#release("");
    return true;
  }

  [Symbol.dispose](): void {
    this.disconnect();
    this.#listener[Symbol.dispose]();
  }

  #accept(): boolean {
    const socket = this.#next();
    if (socket === undefined) return false;
    this.#target.powerCycle();
    this.#session = new Session(socket, {
      target: this.#target,
      windows: this.#windows,
      buffers: this.#buffers,
      irqs: this.#irqs,
      onMemory: this.#onMemory,
    });
    this.#onClient?.({ connected: true });
    this.#stopWaiting = this.#timers.schedule(this.#clock.now() + VERSION_MICROS, () => {
      if (this.#session?.negotiated === false) this.#release(`it did not say its version in ${VERSION_MICROS / 1e6} s`);
    });
    return true;
  }

  /** The next client, if there is one, and a descriptor for it. */
  #next(): Fd | undefined {
    try {
      return this.#listener.accept();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#onClient?.({ connected: false, why: error.message });
      return undefined;
    }
  }

  #release(why: string): void {
    this.#stopWaiting();
    this.#target.attach(NO_MEMORY, () => {});
    this.#session?.[Symbol.dispose]();
    this.#session = undefined;
    this.#target.powerCycle();
    this.#onClient?.(why === "" ? { connected: false } : { connected: false, why });
  }
}
