/**
 * The threads of queues 1 and up, as seen by the NIC's thread. The NIC's thread lends them the rings when the NIC is
 * up, and takes the rings back before the NIC is stopped.
 */
import { FerruleError } from "#kit/errors.ts";
import { Lender } from "#kit/lease.ts";
import type { LentQueue } from "#driver/rings.ts";
import type { UplinkSwitches } from "#host/tap-uplink.ts";
import { EventFd } from "#sys/eventfd.ts";
import { QUEUE_THREAD_COUNTERS, type QueueThreadCounts } from "./counters.ts";
import type { OpenQueue, QueueChannel, QueueCommand } from "./queue-messages.ts";
import { StatisticsReader } from "./statistics-page.ts";

/**
 * Time limit in milliseconds for a thread to return its rings. A thread checks once a round whether it must return
 * them. A round takes at most a millisecond, but other programs may keep the processor busy.
 */
const LIMIT_MILLIS = 10_000;

/** A thread did not return its rings, so they cannot be freed. */
export class QueueStuck extends FerruleError {
  readonly code = "QUEUE_STUCK";
  readonly hint =
    "The process ends, and the kernel takes the device back. Please report it with the output of `ferrule report`.";
  constructor(queue: number) {
    super(`the thread of queue ${queue} has not returned its rings for ${LIMIT_MILLIS / 1000} s`);
  }
}

class QueueThread {
  readonly lender: Lender;
  readonly counters: StatisticsReader<(typeof QUEUE_THREAD_COUNTERS)[number]>;
  readonly bell: EventFd;
  readonly #channel: QueueChannel;

  constructor(channel: QueueChannel) {
    this.#channel = channel;
    this.lender = new Lender(new Int32Array(channel.lease));
    this.counters = new StatisticsReader(channel.statistics, QUEUE_THREAD_COUNTERS);
    this.bell = EventFd.attach(channel.bell);
  }

  send(command: QueueCommand): void {
    this.#channel.port.postMessage(command);
    this.bell.signal();
  }
}

export class QueueThreads {
  readonly #threads: readonly QueueThread[];

  /** @param open returns the first message to the thread of a queue */
  constructor(channels: readonly QueueChannel[], open: (queue: number) => OpenQueue) {
    this.#threads = channels.map((channel) => new QueueThread(channel));
    for (const [i, thread] of this.#threads.entries()) thread.send(open(i + 1));
  }

  /** Lends the threads their rings. Must be called when the NIC is up. @param lent the rings of each queue from 1 on */
  lend(lent: readonly LentQueue[], switches: UplinkSwitches): void {
    for (const [i, thread] of this.#threads.entries())
      thread.send({ command: "run", term: thread.lender.lend(), lent: lent[i]!, switches });
  }

  /** Takes the rings back. Must be called before the NIC is stopped. @throws {QueueStuck} */
  recall(): void {
    for (const { lender, bell } of this.#threads) {
      lender.recall();
      bell.signal();
    }
    for (const [i, { lender }] of this.#threads.entries())
      if (!lender.returned(LIMIT_MILLIS)) throw new QueueStuck(i + 1);
  }

  switch(switches: UplinkSwitches): void {
    for (const thread of this.#threads) thread.send({ command: "switch", switches });
  }

  /**
   * The counts of the threads, without those of their rings. They are exact after `recall`, and otherwise up to 50 ms
   * old.
   */
  get counts(): readonly QueueThreadCounts[] {
    return this.#threads.map(({ counters }) => counters.read());
  }
}
