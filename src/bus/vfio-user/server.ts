/** Serves a device model on a Unix socket, to one client at a time. */
import type { Timers } from "#kit/clock.ts";
import type { Target } from "#kit/target.ts";
import { EventSignaller } from "#sys/aio.ts";
import { SystemError } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { MapWindows } from "#sys/map-window.ts";
import type { MessageStream } from "#sys/message-stream.ts";
import { BounceBuffer } from "#sys/peer-memory.ts";
import { Poll, Poller } from "#sys/poll.ts";
import { UnixListener } from "#sys/unix-path.ts";
import { connectionBuffers, Ended } from "./connection.ts";
import type { IrqCounts } from "./interrupt-table.ts";
import { interruptsOf } from "./pci-interrupts.ts";
import { refusalBuffers, refuseClient } from "./refuse-client.ts";
import type { MemoryChange } from "./replies.ts";
import { Session } from "./session.ts";

export interface ServerOptions {
  /** Path of the socket on which the server listens. */
  readonly path: string;
  readonly mode?: number | undefined;
  /**
   * Keep the device as the last client left it, but with DMA off, as in a machine that is restarted. Default: each
   * client gets the device as after power-on.
   */
  readonly keepsState?: boolean | undefined;
  /** The server only reads the clock; its owner runs the timers. */
  readonly clock: { now(): number };
  readonly timers: Timers;
  /** A client connected or disconnected; `why` is the client's error, if any. */
  readonly onClient?: (event: { readonly connected: boolean; readonly why?: string }) => void;
  /** A client was rejected: the device is in use, or there is no free descriptor. */
  readonly onTurnedAway?: (why: string) => void;
  /** Used for the server's own accesses to configuration space, which must not be traced. Default: the target. */
  readonly untraced?: Pick<Target, "read" | "write">;
  /** A client mapped or unmapped guest memory. */
  readonly onMemory?: (change: MemoryChange) => void;
  /**
   * Closes a client's descriptor that is neither memory nor an eventfd, without blocking on its file system. Default:
   * Node's thread pool. In a thread that never returns to its event loop, finished requests of the thread pool would
   * accumulate in memory.
   */
  readonly close?: (fd: number) => void;
}

/** Time limit for a client to send its version, because others wait meanwhile. Clients send it immediately. */
const VERSION_MICROS = 5_000_000;
/**
 * While the device is in use, the server checks at this interval whether other clients wait. If clients wait at two
 * checks in a row, and the served client has sent its version, those that wait are rejected.
 */
const QUEUE_MICROS = 250_000;
/**
 * Maximum number of clients rejected at a time: each costs a few system calls, during which the served client waits.
 */
const MAX_REPORTS = 16;
/** Number of a former client's windows that are cleared at a time. */
const MAX_CLEARED = 64;
/** Interval at which windows are cleared. */
const CLEARING_MICROS = 2000;
const IN_USE = "the device is in use by another client";
/** The command register in configuration space (PCI 3.0, 6.2.2). */
const COMMAND = 4;
const BUS_MASTER = 1 << 2;

/**
 * Runs in its owner's thread, which waits for all events together:
 *
 *     const poller = new Poller([server.fd, wire.fd, control.fd]);
 *     for (;;) {
 *       const timeout = server.arm(poller, 0) ? untilNextTimer() : 0;
 *       poller.wait(timeout);
 *       server.ready();
 *       …
 *     }
 *
 * Invariant: without a client the device is attached to neither memory nor interrupts.
 */
export class VfioUserServer implements Disposable {
  readonly #target: Target;
  readonly #untraced: Pick<Target, "read" | "write">;
  readonly #keepsState: boolean;
  readonly #listener: UnixListener;
  readonly #irqs: IrqCounts;
  readonly #windows = new MapWindows();
  readonly #buffers: MessageStream;
  readonly #bounce: BounceBuffer;
  readonly #signaller: EventSignaller;
  readonly #queue: Poller;
  readonly #refusals = refusalBuffers();
  readonly #onClient: ServerOptions["onClient"];
  readonly #onTurnedAway: ServerOptions["onTurnedAway"];
  readonly #onMemory: ServerOptions["onMemory"];
  readonly #clock: ServerOptions["clock"];
  readonly #timers: Timers;
  readonly #scope: DisposableStack;
  #session: Session | undefined;
  #stopWaiting = (): void => {};
  #stopChecking = (): void => {};
  #stopClearing = (): void => {};

  /** @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} */
  constructor(target: Target, options: ServerOptions) {
    using scope = new DisposableStack();
    this.#target = target;
    this.#untraced = options.untraced ?? target;
    this.#keepsState = options.keepsState ?? false;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#onClient = options.onClient;
    this.#onTurnedAway = options.onTurnedAway;
    this.#onMemory = options.onMemory;
    this.#irqs = interruptsOf(this.#untraced);
    this.#buffers = connectionBuffers(options.close);
    this.#bounce = scope.use(new BounceBuffer());
    this.#signaller = scope.use(new EventSignaller());
    this.#listener = scope.use(UnixListener.listen(options.path, options.mode));
    this.#queue = new Poller([this.#listener.number]);
    this.#scope = scope.move();
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  /** Number of the client's maps. */
  get maps(): number {
    return this.#session?.maps ?? 0;
  }

  /** For poll(2): the client's socket, or the listening socket. It may change at each `ready`. */
  get fd(): number {
    return this.#session?.fd ?? this.#listener.number;
  }

  /** Puts `fd` at index `i` of the poller. If this returns false, there is work: do not wait. */
  arm(poller: Poller, i: number): boolean {
    poller.aim(i, this.fd);
    poller.watch(i, this.#session?.events ?? Poll.readable);
    return this.#session?.busy !== true;
  }

  /**
   * Accepts a client or executes received requests, for a limited time. Waits only for guest memory that was mapped
   * without a descriptor (`ClientMemory`). Returns the number of executed requests.
   */
  ready(): number {
    if (this.#session === undefined && !this.#accept()) return 0;
    const done = this.#session!.work();
    if (!(done instanceof Ended)) return done;
    this.#release(done.why);
    return 0;
  }

  /** Asks the client to release the device, like a slot's attention button. @returns whether a client supports that */
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
    this.#stopClearing();
    this.#scope.dispose();
  }

  #accept(): boolean {
    const socket = this.#next();
    if (socket === undefined) return false;
    this.#prepare();
    this.#session = new Session(socket, {
      target: this.#target,
      windows: this.#windows,
      bounce: this.#bounce,
      signaller: this.#signaller,
      buffers: this.#buffers,
      irqs: this.#irqs,
      onMemory: this.#onMemory,
    });
    this.#onClient?.({ connected: true });
    this.#stopWaiting = this.#timers.schedule(this.#clock.now() + VERSION_MICROS, () => {
      if (this.#session?.negotiated === false)
        this.#release(`it did not send its version in ${VERSION_MICROS / 1e6} s`);
    });
    this.#checkQueue(false);
    return true;
  }

  /** Prepares the device for the next client: turns only its DMA off, or its power off and on. */
  #prepare(): void {
    const device = this.#untraced;
    if (this.#keepsState) device.write("config", COMMAND, 2, device.read("config", COMMAND, 2) & ~BUS_MASTER);
    else this.#target.powerCycle();
  }

  /** @param before whether a client was waiting at the previous check */
  #checkQueue(before: boolean): void {
    this.#stopChecking = this.#timers.schedule(this.#clock.now() + QUEUE_MICROS, () => {
      const waiting = this.#queue.wait(0) > 0;
      // Waiting clients are rejected only at the second check, because the served client may be about to disconnect.
      const reject = waiting && before && this.#session?.negotiated === true;
      if (reject) this.#turnAway();
      this.#checkQueue(waiting && !reject);
    });
  }

  #turnAway(): void {
    for (let n = 0; n < MAX_REPORTS; n++) {
      const socket = this.#next();
      if (socket === undefined) return;
      refuseClient(socket, this.#refusals);
      this.#onTurnedAway?.(IN_USE);
    }
  }

  /** Accepts the next client, if one waits and a descriptor is free. */
  #next(): Fd | undefined {
    try {
      return this.#listener.accept();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#onTurnedAway?.(error.message);
      return undefined;
    }
  }

  /** Clears the windows of a client that had many maps, a few at a time. */
  #clear(): void {
    this.#stopClearing();
    if (!this.#windows.clear(MAX_CLEARED)) return;
    this.#stopClearing = this.#timers.schedule(this.#clock.now() + CLEARING_MICROS, () => this.#clear());
  }

  #release(why: string): void {
    this.#stopWaiting();
    this.#stopChecking();
    this.#target.detach();
    this.#session?.[Symbol.dispose]();
    this.#session = undefined;
    this.#clear();
    this.#prepare();
    this.#onClient?.(why === "" ? { connected: false } : { connected: false, why });
  }
}
