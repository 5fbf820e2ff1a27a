/**
 * The thread of one queue of a NIC. While it holds the queue's rings, it moves frames between them and the TAP queue.
 * Another thread owns the NIC, and lends the rings anew after each start of the NIC.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { ThreadedQueue } from "#bus/threaded.ts";
import { eventLine } from "#bus/event-line.ts";
import { VfioQueue } from "#bus/vfio/queue.ts";
import { NicQueue, type QueueDevice } from "#driver/nic-queue.ts";
import { TapUplink } from "#host/tap-uplink.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import { Borrower } from "#kit/lease.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";
import { Tap } from "#sys/tap.ts";
import { QUEUE_THREAD_COUNTERS, type QueueThreadCounts } from "./counters.ts";
import { BUDGET, Napi, runNapi } from "./napi.ts";
import type { PauseCounts } from "./pauses.ts";
import type { OpenQueue, QueueChannel, QueueCommand, QueueReach, RunQueue, SwitchQueue } from "./queue-messages.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { Control, Periodic, runThread } from "./thread.ts";

const BELL = 0;
const INTERRUPT = 1;
const HOST = 2;
/**
 * Limit in milliseconds of the first wait after polling. It is short because the acknowledgement may reach the NIC
 * late, and clear an event that occurred after the last check.
 */
const RECHECK_MILLIS = 2;
const WAIT_MILLIS = 250;

type Totals = Record<keyof QueueThreadCounts, number>;

const openDevice = (reach: QueueReach, queue: number, scope: DisposableStack): QueueDevice & { flush(): void } =>
  reach.bus === "threaded" ? new ThreadedQueue(reach.channel, queue) : scope.use(new VfioQueue(reach.card));

class Queue {
  readonly #channel: QueueChannel;
  readonly #control: Control;
  readonly #lease: Borrower;
  readonly #page: StatisticsPage<keyof QueueThreadCounts>;
  readonly #periodic: Periodic;
  /** Totals of the counters in earlier terms. */
  #before = Object.fromEntries(QUEUE_THREAD_COUNTERS.map((name) => [name, 0])) as Totals;
  #uplink: TapUplink | undefined;
  #napi: Napi | undefined;
  #polls = 0;
  #open: OpenQueue | undefined;
  #next: RunQueue | undefined;

  constructor(channel: QueueChannel, port: MessagePort, scope: DisposableStack) {
    this.#channel = channel;
    this.#control = new Control(channel.bell, port, () => {});
    this.#lease = new Borrower(new Int32Array(channel.lease));
    this.#page = new StatisticsPage(channel.statistics, QUEUE_THREAD_COUNTERS);
    this.#periodic = scope.use(new Periodic({ publish: (pauses) => this.#publish(pauses), flush: () => {} }));
  }

  /** Runs until the thread is asked to close. */
  serve(): void {
    using scope = new DisposableStack();
    const idle = new Poller([this.#control.fd]);
    while (this.#open === undefined && !this.#control.closing) {
      idle.wait(WAIT_MILLIS);
      this.#handleMessages();
    }
    if (this.#open === undefined) return;
    const { queue, reach, interrupt, tap, sources } = this.#open;
    const device = openDevice(reach, queue, scope);
    const taps = [tap, ...sources].map((each) => scope.use(Tap.owning(each.number, each)));
    const line = eventLine({ event: EventFd.attach(interrupt), dispose: () => {} });
    const poller = new Poller([this.#control.fd, interrupt, ...taps.slice(1).map(({ number }) => number)]);
    while (!this.#control.closing) {
      const run = this.#next;
      this.#next = undefined;
      if (run !== undefined && this.#lease.take(run.term)) this.#run(run, { device, taps, line, poller });
      else {
        idle.wait(WAIT_MILLIS);
        this.#handleMessages();
        this.#periodic.run();
      }
    }
  }

  /** Runs one term. The rings are given back even if this throws. */
  #run({ lent, switches }: RunQueue, parts: { device: ReturnType<typeof openDevice> } & TermParts): void {
    const { device, taps, line } = parts;
    const [tap, ...sources] = taps;
    try {
      using scope = new DisposableStack();
      const nic = new NicQueue(lent, device, line);
      const { sendArena } = this.#open!;
      const { link, offloads } = nic;
      const uplink = scope.use(new TapUplink({ tap: tap!, sources, link, sendArena, offloads, switches }));
      scope.defer(() => {
        nic.mask();
        nic.settle();
      });
      const napi = new Napi(nic, () => {});
      this.#uplink = uplink;
      this.#napi = napi;
      napi.start();
      line.unmask();
      nic.unmask();
      this.#poll(nic, napi, uplink, parts);
    } finally {
      device.flush();
      this.#retire();
      this.#lease.giveBack();
    }
  }

  #poll(nic: NicQueue, napi: Napi, uplink: TapUplink, { taps, poller }: TermParts): void {
    const lease = this.#lease;
    const control = this.#control;
    /**
     * `budget` is the maximum number of frames that the next round reads from the host. `rechecked` is whether the ring
     * was checked again since frames were last moved.
     */
    let [budget, rechecked] = [BUDGET, false];
    runNapi(napi, {
      get closing() {
        return lease.recalled || control.closing;
      },
      round: () => {
        this.#polls++;
        const moved = uplink.pumpOut(budget) + uplink.pumpIn(BUDGET);
        const { drained } = uplink;
        // Once a read finds that the host has no more frames, the host is not read again until poll(2) reports some.
        budget = drained ? 0 : BUDGET;
        if (moved > 0) rechecked = false;
        if (moved === 0) return "idle";
        return drained ? "hostDrained" : "busy";
      },
      handleError: (error) => {
        throw error;
      },
      housekeep: () => {
        nic.settle();
        this.#periodic.run();
      },
      wait: (block) => {
        const stalled = uplink.stalled();
        for (let i = HOST; i < HOST + taps.length - 1; i++) poller.include(i, uplink.accepts());
        const longest = stalled ? 1 : rechecked ? WAIT_MILLIS : RECHECK_MILLIS;
        if (poller.wait(block ? longest : 0) === 0) {
          rechecked ||= block;
          return;
        }
        if (poller.ready(BELL)) this.#handleMessages();
        if (poller.ready(INTERRUPT)) napi.interrupt();
        for (let i = HOST; i < HOST + taps.length - 1; i++)
          if (poller.ready(i)) {
            // The first frame is sent at once, even if more follow, because its sender may wait for a reply.
            budget = block ? 1 : BUDGET;
            napi.schedule();
          }
      },
    });
  }

  /** Handles messages from the main thread and from the NIC's thread. */
  #handleMessages(): void {
    this.#control.handle();
    const { port } = this.#channel;
    for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port)) {
      const command = m.message as QueueCommand;
      if (command.command === "open") this.#open = command;
      else if (command.command === "run") this.#next = command;
      else this.#switch(command);
    }
  }

  #switch({ switches }: SwitchQueue): void {
    this.#uplink?.switch(switches);
    if (this.#next !== undefined) this.#next = { ...this.#next, switches };
  }

  #publish(pauses: PauseCounts): void {
    this.#page.publish({ ...this.#counts(), gcPauses: pauses.count, gcMicros: pauses.micros });
  }

  #counts(): Totals {
    const before = this.#before;
    const uplink = this.#uplink?.counters;
    return {
      ...before,
      tagsTaken: before.tagsTaken + (uplink?.tagsTaken ?? 0),
      mergedFrames: before.mergedFrames + (uplink?.merged ?? 0),
      hostWrites: before.hostWrites + (uplink?.writes ?? 0),
      sendDrops: before.sendDrops + (uplink?.sendDrops ?? 0),
      sendDiscards: before.sendDiscards + (uplink?.sendDiscards ?? 0),
      receiveDrops: before.receiveDrops + (uplink?.receiveDrops ?? 0),
      interrupts: before.interrupts + (this.#napi?.interrupts ?? 0),
      polls: this.#polls,
    };
  }

  #retire(): void {
    this.#before = this.#counts();
    this.#uplink = undefined;
    this.#napi = undefined;
    this.#periodic.publish();
  }
}

interface TermParts {
  readonly taps: readonly Tap[];
  readonly line: InterruptLine;
  readonly poller: Poller;
}

runThread((port, report) => {
  using scope = new DisposableStack();
  const queue = new Queue(workerData as QueueChannel, port, scope);
  report({ report: "ready" });
  queue.serve();
});
