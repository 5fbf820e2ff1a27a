/** Messages from the thread that has the NIC to the threads of its other queues, and what they share. */
import type { MessagePort } from "node:worker_threads";
import type { ThreadedChannel } from "#bus/threaded-channel.ts";
import type { SharedCard } from "#bus/vfio/queue.ts";
import type { LentQueue } from "#driver/rings.ts";
import type { UplinkSwitches } from "#host/tap-uplink.ts";
import type { OpenTap } from "./session-messages.ts";

/** How a queue's thread reaches the device. */
export type QueueReach =
  | { readonly bus: "threaded"; readonly channel: ThreadedChannel }
  | { readonly bus: "vfio"; readonly card: SharedCard };

/** The first message: what stays the same. The receiver owns the descriptors of the TAP's queues. */
export interface OpenQueue {
  readonly command: "open";
  readonly queue: number;
  readonly reach: QueueReach;
  /** Event descriptor of its vectors. */
  readonly interrupt: number;
  /** The TAP's queue of its number, and the queues whose frames it sends. */
  readonly tap: OpenTap;
  readonly sources: readonly OpenTap[];
  readonly sendArena: { readonly offset: number; readonly length: number };
}

/** The NIC is up, with these rings. */
export interface RunQueue {
  readonly command: "run";
  /** Of the lease. */
  readonly term: number;
  readonly lent: LentQueue;
  readonly switches: UplinkSwitches;
}

/** Users have switched offloads. */
export interface SwitchQueue {
  readonly command: "switch";
  readonly switches: UplinkSwitches;
}

export type QueueCommand = OpenQueue | RunQueue | SwitchQueue;

/** What both threads have of each other: one end of a channel, and shared memory. */
export interface QueueChannel {
  readonly port: MessagePort;
  /** Event descriptor: there is a message, or the rings are wanted back. */
  readonly bell: number;
  /** `Lender` and `Borrower` of the rings. */
  readonly lease: SharedArrayBuffer;
  /** A page of `QUEUE_THREAD_COUNTERS`. */
  readonly statistics: SharedArrayBuffer;
}
