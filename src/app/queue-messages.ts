/** Messages from the NIC's thread to the threads of its other queues, and what these threads share. */
import type { MessagePort } from "node:worker_threads";
import type { ThreadedChannel } from "#bus/threaded-channel.ts";
import type { SharedCard } from "#bus/vfio/queue.ts";
import type { LentQueue } from "#driver/rings.ts";
import type { UplinkSwitches } from "#host/tap-uplink.ts";
import type { OpenTap } from "./session-messages.ts";

/** How a queue's thread accesses the device. */
export type QueueReach =
  | { readonly bus: "threaded"; readonly channel: ThreadedChannel }
  | { readonly bus: "vfio"; readonly card: SharedCard };

/** The first message: everything that does not change later. The receiver owns the descriptors of the TAP's queues. */
export interface OpenQueue {
  readonly command: "open";
  readonly queue: number;
  readonly reach: QueueReach;
  /** The eventfd that the queue's interrupt vectors signal. */
  readonly interrupt: number;
  /** The TAP queue with this queue's number, to which received frames are written. */
  readonly tap: OpenTap;
  /** The TAP queues whose frames this queue sends. */
  readonly sources: readonly OpenTap[];
  readonly sendArena: { readonly offset: number; readonly length: number };
}

/** Message: the NIC is up with these rings. */
export interface RunQueue {
  readonly command: "run";
  /** Number of the term for which the rings are lent. */
  readonly term: number;
  readonly lent: LentQueue;
  readonly switches: UplinkSwitches;
}

/** Message: users have switched offloads, or the link has come up or gone down. */
export interface SwitchQueue {
  readonly command: "switch";
  readonly switches: UplinkSwitches;
}

export type QueueCommand = OpenQueue | RunQueue | SwitchQueue;

/** The connection between the NIC's thread and a queue's thread: one end of a channel, and shared memory. */
export interface QueueChannel {
  readonly port: MessagePort;
  /** The eventfd that signals a message, or that the rings must be returned. */
  readonly bell: number;
  /** Memory that the rings' `Lender` and `Borrower` share. */
  readonly lease: SharedArrayBuffer;
  /** A statistics page of `QUEUE_THREAD_COUNTERS`. */
  readonly statistics: SharedArrayBuffer;
}
