/**
 * The host's side of a NIC with several queues, polled by one thread: a TAP queue for each receive queue. The kernel remembers in which TAP
 * queue a flow arrived, and sends replies through the same one.
 */
import type { Link, Offloads } from "#kit/link.ts";
import type { Tap } from "#sys/tap.ts";
import type { FrameObserver } from "./frame-observer.ts";
import { TapUplink, type UplinkCounters, type UplinkSwitches } from "./tap-uplink.ts";

/** The interface that a data-plane thread drives: one queue, or all. */
export type Uplink = Pick<TapUplink, "drained" | "pumpOut" | "pumpIn" | "counters" | "switch"> &
  Disposable & {
    /** The transmit queue for this TAP queue has no room, so there is no point in reading from it. */
    stalled(tap: number): boolean;
  };

export interface QueueUplinksOptions {
  /** The queues of one TAP, one for each link. */
  readonly taps: readonly Tap[];
  /** The first ones can send; the others only receive. */
  readonly links: readonly (Link & { readonly sends: boolean })[];
  /** The send arena of each link that sends. */
  readonly sendArenas: readonly { readonly offset: number; readonly length: number }[];
  readonly offloads: Offloads;
  readonly switches?: UplinkSwitches | undefined;
  readonly capture?: FrameObserver | undefined;
}

/** The uplink of each queue. A TAP queue without a transmit queue of its own shares one. */
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

  stalled(tap: number): boolean {
    return this.#uplinks[tap % this.#senders]!.stalled();
  }

  get drained(): boolean {
    return this.#uplinks.every(({ drained }) => drained);
  }

  /** Moves at most `budget` frames into each queue. */
  pumpOut(budget: number): number {
    let moved = 0;
    for (const uplink of this.#uplinks) moved += uplink.pumpOut(budget);
    return moved;
  }

  /** Moves at most `budget` frames out of each queue. */
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
