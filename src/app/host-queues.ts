/**
 * The host's side of every queue: the TAP's queues, memory for outgoing frames, and the threads that move frames.
 * Either the NIC's thread moves all frames, or each queue from 1 on has a thread of its own.
 */
import type { Nic } from "#driver/rtl8169.ts";
import type { CaptureFile } from "#host/capture.ts";
import { QueueUplinks, type Uplink } from "#host/queue-uplinks.ts";
import { TapUplink, type UplinkSwitches } from "#host/tap-uplink.ts";
import type { DmaDomain } from "#kit/dma.ts";
import { Misuse } from "#kit/errors.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import type { QueueThreadCounts } from "./counters.ts";
import type { QueueReach } from "./queue-messages.ts";
import { QueueThreads } from "./queue-threads.ts";
import type { DriverTask, OpenTap } from "./session-messages.ts";

/** Size in bytes of the DMA memory for a queue's outgoing frames. */
const SEND_ARENA_BYTES = 4 << 20;

/** The TAP's queues, one for each queue of the NIC. The first one is also used for settings. */
export type TapQueues = readonly [Tap, ...Tap[]];

export const openTapQueues = ({ host: { name, namespace }, queues }: DriverTask, scope: DisposableStack): TapQueues => {
  const open = (): TapQueues => {
    const first = scope.use(Tap.open(name, { vnetHeader: true, multiQueue: queues > 1 }));
    return [first, ...Array.from({ length: queues - 1 }, () => scope.use(first.addQueue()))];
  };
  return namespace === undefined ? open() : NetworkNamespace.fromFd(namespace).within(open);
};

/** Duplicates the TAP's descriptor for another owner. */
export const handOut = (tap: Tap): OpenTap => {
  const { name, vnetHeaderBytes } = tap;
  return { number: tap.duplicate().release(), name, vnetHeaderBytes };
};

export interface HostQueuesParts {
  readonly task: DriverTask;
  readonly taps: TapQueues;
  readonly nic: Nic;
  readonly dma: DmaDomain;
  readonly capture: CaptureFile | undefined;
  /** How other threads access the device; undefined if only this thread does. */
  readonly reach: QueueReach | undefined;
}

export class HostQueues {
  /** The descriptors of the TAP's queues that this thread reads, for poll(2). */
  readonly fds: readonly number[];
  readonly #parts: HostQueuesParts;
  /** The send arena of each transmit queue. */
  readonly #arenas: readonly { readonly offset: number; readonly length: number }[];
  readonly #threads: QueueThreads | undefined;

  /** @throws {DmaExhausted}; {Misuse} for a capture with several threads, because only one thread can write it */
  constructor(parts: HostQueuesParts, scope: DisposableStack) {
    const { task, taps, nic, dma, reach, capture } = parts;
    if (reach !== undefined && capture !== undefined)
      throw new Misuse("a capture on the host's side is not possible with a thread for each queue");
    const senders = Math.min(task.queues, nic.chip.profile.queues.transmit);
    const request = { what: "send arena", bytes: SEND_ARENA_BYTES, align: 4096, direction: "toDevice" } as const;
    this.#parts = parts;
    this.#arenas = Array.from({ length: senders }, () => scope.use(dma.allocate(request)));
    if (reach !== undefined)
      this.#threads = new QueueThreads(task.queueThreads, (queue) => ({
        command: "open",
        queue,
        reach,
        interrupt: nic.lentLines[queue - 1]!.fd!,
        tap: handOut(taps[queue]!),
        sources: this.#sourcesOf(queue).map(handOut),
        sendArena: this.#arenaOf(queue),
      }));
    const read = this.#threads === undefined ? taps : this.#sourcesOf(0);
    this.fds = read.map((tap) => tap.number);
  }

  /** Connects the TAP to new rings. Must be called when the NIC is up. */
  connect(switches: UplinkSwitches): Uplink {
    const { taps, nic, capture } = this.#parts;
    const links = nic.queues.map(({ link }) => link);
    const parts = { offloads: nic.offloads, switches, capture };
    if (this.#threads === undefined && links.length > 1)
      return new QueueUplinks({ ...parts, taps, links, sendArenas: this.#arenas });
    this.#threads?.lend(
      nic.queues.flatMap(({ lent }) => lent ?? []),
      switches,
    );
    const first = { tap: taps[0], sources: this.#sourcesOf(0), link: links[0]!, sendArena: this.#arenas[0]! };
    return new TapUplink({ ...parts, ...first });
  }

  /** Takes the rings back from other threads. Must be called before the NIC is stopped. @throws {QueueStuck} */
  recall(): void {
    this.#threads?.recall();
  }

  switch(switches: UplinkSwitches): void {
    this.#threads?.switch(switches);
  }

  /** The counts of other threads. */
  get counts(): readonly QueueThreadCounts[] {
    return this.#threads?.counts ?? [];
  }

  /**
   * The TAP queues whose frames go to a transmit queue. If there are more TAP queues than transmit queues, several TAP
   * queues share one. A TAP queue always uses the same transmit queue, so that a flow stays in order.
   */
  #sourcesOf(queue: number): readonly Tap[] {
    const senders = this.#arenas.length;
    return queue < senders ? this.#parts.taps.filter((_, i) => i % senders === queue) : [];
  }

  #arenaOf(queue: number): { readonly offset: number; readonly length: number } {
    const { offset, length } = this.#arenas[queue % this.#arenas.length]!;
    return { offset, length };
  }
}
