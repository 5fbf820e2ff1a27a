/** Messages between the main thread and the data-plane threads of a session. */
import type { ThreadedChannel } from "#bus/threaded-channel.ts";
import type { AspmPolicy } from "#driver/aspm.ts";
import type { ReceiveFilter } from "#driver/receive-filter.ts";
import type { SharedMemory } from "#wire/sum-kernel.ts";
import type { Argument } from "./argument.ts";
import type { QueueChannel } from "./queue-messages.ts";
import type { PlainError } from "./plain-error.ts";
import type { HostSpec, SessionEvent, SessionFacts } from "./session.ts";
import type { WireSpec } from "./wires/wire-spec.ts";

/** How a driver reaches its device: in another thread, behind a socket, or in a slot. */
export type DeviceTask =
  | { readonly bus: "threaded"; readonly channel: ThreadedChannel }
  /** `stop`: an eventfd that is signalled when the device must be released. */
  | { readonly bus: "vfio-user"; readonly path: string; readonly stop: number }
  | { readonly bus: "vfio"; readonly address: string; readonly unsafeNoIommu: boolean };

/** Worker data of the driver's thread. */
export interface DriverTask {
  readonly device: DeviceTask;
  readonly host: HostSpec;
  readonly mtu: number;
  /** Number of descriptors in each ring; default: the driver's choice. */
  readonly rings: number | undefined;
  /** Number of receive queues. */
  readonly queues: number;
  /** Channels to the threads of queues 1 and up; empty if one thread polls all queues. */
  readonly queueThreads: readonly QueueChannel[];
  readonly aspm: AspmPolicy | undefined;
  readonly address: Uint8Array | undefined;
  /** Wake-up events, as ethtool writes them; default: the setting that the chip has. */
  readonly wake?: string | undefined;
  /** Folder of firmware files; default: the system's folders. */
  readonly firmware: string | undefined;
  readonly capture: string | undefined;
  /** Microseconds to wait for a card that no longer responds. */
  readonly waitMicros: number;
  /** Microseconds without a link after which the NIC sleeps; if absent, it never sleeps. */
  readonly withoutLinkMicros?: number | undefined;
  readonly statistics: SharedArrayBuffer;
  /** For each queue, a statistics page of `QUEUE_COUNTERS`. */
  readonly queueStatistics: readonly SharedArrayBuffer[];
  /** The eventfd that signals a message. */
  readonly control: number;
}

/** Worker data of the model's thread. */
export interface ModelTask {
  readonly channel: ThreadedChannel;
  /** The WebAssembly memory whose buffer is the channel's `dma`. */
  readonly memory: SharedMemory;
  readonly chip: string;
  readonly mac: string;
  readonly wire: WireSpec;
  /** Permissions of a socket on which the wire listens. */
  readonly socketMode: number | undefined;
  readonly mtu: number;
  readonly capture: string | undefined;
  readonly statistics: SharedArrayBuffer;
  readonly control: number;
}

/** Worker data of a thread that runs both driver and model. */
export interface OneThreadTask {
  readonly driver: DriverTask;
  readonly model: ModelTask;
}

/** Message to the driver's thread: users' settings of the interface. */
export interface FollowCommand {
  readonly command: "follow";
  /** MTU of the interface; undefined while the interface cannot be read. */
  readonly mtu: number | undefined;
  readonly address: Uint8Array;
  readonly filter: ReceiveFilter;
}

/** Message to the driver's thread: on close, leave the NIC asleep if wake-up events are enabled. */
export interface HandOverCommand {
  readonly command: "handOver";
}

/**
 * Message to the driver's thread: an operation that another process requests. It gets one reply, with the same `id`.
 */
export interface OperateCommand {
  readonly command: "operate";
  readonly id: number;
  readonly operation: string;
  readonly argument: Argument;
  /** Time limit for the reply. */
  readonly limitMillis: number;
}

/** Message from the driver's thread: the reply to an operation. */
export type AnswerReport = { readonly report: "answer"; readonly id: number } & (
  | { readonly value: object; readonly error?: never }
  | { readonly error: PlainError; readonly value?: never }
);

/** Messages to the driver's or the model's thread. */
export type Command = { readonly command: "close" } | DriverCommand;
/** Messages to the driver's thread only. */
export type DriverCommand = FollowCommand | OperateCommand | HandOverCommand;

/** A descriptor of the host's TAP, which the receiver owns. */
export interface OpenTap {
  readonly number: number;
  readonly name: string;
  readonly vnetHeaderBytes: number;
}

/** Messages from the driver's or the model's thread. */
export type Report =
  | { readonly report: "ready"; readonly facts?: SessionFacts; readonly tap?: OpenTap }
  /** Facts have changed. */
  | { readonly report: "facts"; readonly facts: SessionFacts }
  | { readonly report: "event"; readonly event: SessionEvent }
  /** The chip rejected an MTU, and still uses the old MTU, which is `mtu`. */
  | { readonly report: "mtuRefused"; readonly mtu: number; readonly error: PlainError }
  | AnswerReport
  | { readonly report: "closed" };
