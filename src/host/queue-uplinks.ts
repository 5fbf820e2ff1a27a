/**
 * The host's side of a NIC with several queues, polled by one thread: a TAP queue for each receive queue. The kernel
 * sends the frames of a flow through the TAP queue to which received frames of that flow were written last.
 */
import type { Link, Offloads } from "#kit/link.ts";
import type { Tap } from "#sys/tap.ts";
import type { FrameObserver } from "./frame-observer.ts";
import { TapUplink, type UplinkCounters, type UplinkSwitches } from "./tap-uplink.ts";

/** The interface that a data-plane thread calls, for one queue or for all. */
export type Uplink = Pick<TapUplink, "drained" | "pumpOut" | "pumpIn" | "counters" | "switch"> &
  Disposable & {
    /** Whether frames of this TAP queue can be sent: there is a link, and the transmit queue has room. */
    accepts(tap: number): boolean;
    /** Whether the transmit queue for this TAP queue has no room: reading from the TAP queue is then useless. */
    stalled(tap: number): boolean;
  };

export interface QueueUplinksOptions {
  /** The queues of one TAP, one for each link. */
  readonly taps: readonly Tap[];
  /** The links that can send come first; the others only receive. */
  readonly links: readonly (Link & { readonly sends: boolean })[];
  /** The send arena of each link that sends. */
  readonly sendArenas: readonly { readonly offset: number; readonly length: number }[];
  readonly offloads: Offloads;
  readonly switches?: UplinkSwitches | undefined;
  readonly capture?: FrameObserver | undefined;
}

/**
 * Creates an uplink for each queue. There may be fewer transmit queues than TAP queues; some TAP queues then share a
 * transmit queue.
 */
export const uplinksOf = ({
  taps,
  links,
  sendArenas,
  offloads,
  switches,
  capture,
}: QueueUplinksOptions): readonly TapUplink[] => {
  const senders = links.filter(({ sends }) => sends).length;
  return links.map((link, queue) => {
    const sources = link.sends ? taps.filter((_, i) => i % senders === queue) : [];
    return new TapUplink({
      tap: taps[queue]!,
      sources,
      link,
      sendArena: sendArenas[queue % senders]!,
      offloads,
      switches,
      capture,
    });
  });
};

export class QueueUplinks implements Uplink {
  readonly #uplinks: readonly TapUplink[];
  readonly #senders: number;

  constructor(options: QueueUplinksOptions) {
    this.#uplinks = uplinksOf(options);
    this.#senders = this.#uplinks.filter(({ sends }) => sends).length;
  }

  accepts(tap: number): boolean {
    return this.#uplinks[tap % this.#senders]!.accepts();
  }

  stalled(tap: number): boolean {
    return this.#uplinks[tap % this.#senders]!.stalled();
  }

  get drained(): boolean {
    return this.#uplinks.every(({ drained }) => drained);
  }

  /** Calls `TapUplink.pumpOut` for each queue. Returns the sum of the results. */
  pumpOut(budget: number): number {
    let moved = 0;
    for (const uplink of this.#uplinks) moved += uplink.pumpOut(budget);
    return moved;
  }

  /** Calls `TapUplink.pumpIn` for each queue. Returns the sum of the results. */
  pumpIn(budget: number): number {
    let moved = 0;
    for (const uplink of this.#uplinks) moved += uplink.pumpIn(budget);
    return moved;
  }

  switch(switches: UplinkSwitches): void {
    for (const uplink of this.#uplinks) uplink.switch(switches);
  }

  get counters(): UplinkCounters {
    return this.#uplinks.map(({ counters }) => counters).reduce(sum);
  }

  [Symbol.dispose](): void {
    for (const uplink of this.#uplinks) uplink[Symbol.dispose]();
  }
}

const sum = (a: UplinkCounters, b: UplinkCounters): UplinkCounters => {
  const total = { ...a };
  for (const name of Object.keys(a) as (keyof UplinkCounters)[]) total[name] += b[name];
  return total;
};
