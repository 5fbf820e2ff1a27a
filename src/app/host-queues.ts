/**
 * The host's side of every queue: the TAP's queues, memory for outgoing frames, and who moves their frames: the thread that has the NIC,
 * or for queues 1 and up a thread each.
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

/** Outgoing frames of a queue are read into this much DMA memory. */
const SEND_ARENA_BYTES = 4 << 20;

/** A queue of the TAP for each of the NIC's; the first one is used for settings. */
export type TapQueues = readonly [Tap, ...Tap[]];

export const openTapQueues = ({ host: { name, namespace }, queues }: DriverTask, scope: DisposableStack): TapQueues => {
  const open = (): TapQueues => {
    const first = scope.use(Tap.open(name, { vnetHeader: true, multiQueue: queues > 1 }));
    return [first, ...Array.from({ length: queues - 1 }, () => scope.use(first.addQueue()))];
  };
  return namespace === undefined ? open() : NetworkNamespace.fromFd(namespace).within(open);
};

/** Another owner's descriptor of it. */
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
  /** How other threads reach the device; undefined where only this one does. */
  readonly reach: QueueReach | undefined;
}

export class HostQueues {
  /** For poll(2): the TAP's queues that this thread reads. */
  readonly fds: readonly number[];
  readonly #parts: HostQueuesParts;
  /** One for each transmit queue. */
  readonly #arenas: readonly { readonly offset: number; readonly length: number }[];
  readonly #threads: QueueThreads | undefined;

  /** @throws {DmaExhausted}; {Misuse} for a capture, which one thread writes, with several threads */
  constructor(parts: HostQueuesParts, scope: DisposableStack) {
    const { task, taps, nic, dma, reach, capture } = parts;
    if (reach !== undefined && capture !== undefined)
      throw new Misuse("a capture of a host with a thread for each queue");
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

  /** The NIC is up, with new rings. */
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

  /** The NIC is about to be stopped: nobody else works on its rings afterwards. @throws {QueueStuck} */
  recall(): void {
    this.#threads?.recall();
  }

  switch(switches: UplinkSwitches): void {
    this.#threads?.switch(switches);
  }

  /** What other threads have counted. */
  get counts(): readonly QueueThreadCounts[] {
    return this.#threads?.counts ?? [];
  }

  /** A TAP queue without a transmit queue of its number shares one, always the same, so that a flow stays in order. */
  #sourcesOf(queue: number): readonly Tap[] {
    const senders = this.#arenas.length;
    return queue < senders ? this.#parts.taps.filter((_, i) => i % senders === queue) : [];
  }

  #arenaOf(queue: number): { readonly offset: number; readonly length: number } {
    const { offset, length } = this.#arenas[queue % this.#arenas.length]!;
    return { offset, length };
  }
}
