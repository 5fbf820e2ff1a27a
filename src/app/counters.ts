/** Names and positions of the counters that threads publish in shared memory. All are 53-bit counts. */
import { CAUSE_NAMES } from "./causes.ts";

/** Counters of the driver's thread. It counts frames as the host and the rings see them. */
export const DRIVER_COUNTERS = [
  /** Frames and bytes that the host sends (a super-frame counts once). */
  "sentFrames",
  "sentBytes",
  /** Sent frames that the NIC was to segment. */
  "superFrames",
  /** Sent frames whose checksum the NIC was to compute. */
  "checksumsAsked",
  /** Frames with a tag to be inserted, and frames whose tag was stripped. */
  "tagsInserted",
  "tagsTaken",
  /** Frames made of more than one fragment. */
  "scattered",
  /** Frames and bytes received from the wire, as they were in the ring. */
  "receivedFrames",
  "receivedBytes",
  /** Received frames that were merged with others before they were passed to the host; and write calls to the host. */
  "mergedFrames",
  "hostWrites",
  /** Frames lost on the way from the host or to it; should stay 0. */
  "sendDrops",
  "receiveDrops",
  /** Frames that the NIC marked bad, and invalid words from the device. */
  "receiveErrors",
  "deviceNonsense",
  /**
   * Frames lost because the NIC was stopped: those that waited to be sent, and those that were received but not yet
   * taken from the ring.
   */
  "sendDiscards",
  "receiveDiscards",
  /** How often the NIC reported a full receive FIFO, and how often a receive ring without descriptors. */
  "fifoOverflows",
  "ringsExhausted",
  /** Restarts of the NIC after it had failed. */
  "restarts",
  /** Occurrences of each cause in causes.ts. */
  ...CAUSE_NAMES,
  /** Timeouts of waits for the chip to drain, or for its firmware to hand over. Each was followed by a reset. */
  "overdueWaits",
  "interrupts",
  "spuriousInterrupts",
  "polls",
  /** Garbage collections in this thread, and their total time in microseconds. */
  "gcPauses",
  "gcMicros",
  /** Descriptors in the rings that the NIC owns now. */
  "transmitFill",
  "receiveFill",
  /** Link changes that the NIC signalled. If the link changes often, not all changes are reported as events. */
  "linkChanges",
  /** 1 while the link is up; its speed in Mbit/s; 1 for full duplex. */
  "linkUp",
  "linkSpeed",
  "linkFullDuplex",
  /** The interface's present MTU. */
  "mtu",
] as const;
export type DriverCounter = (typeof DRIVER_COUNTERS)[number];

/** Counters of the rings of one queue. Each is a part of the counter with the same name. */
export const QUEUE_COUNTERS = [
  "sentFrames",
  "sentBytes",
  "superFrames",
  "checksumsAsked",
  "tagsInserted",
  "scattered",
  "receivedFrames",
  "receivedBytes",
  "receiveErrors",
  "deviceNonsense",
] as const satisfies readonly DriverCounter[];
export type QueueCounts = Readonly<Record<(typeof QUEUE_COUNTERS)[number], number>>;

/** Counters of a queue's thread, apart from its rings. Each is a part of the counter with the same name. */
export const QUEUE_THREAD_COUNTERS = [
  "tagsTaken",
  "mergedFrames",
  "hostWrites",
  "sendDrops",
  "sendDiscards",
  "receiveDrops",
  "interrupts",
  "polls",
  "gcPauses",
  "gcMicros",
] as const satisfies readonly DriverCounter[];
export type QueueThreadCounts = Readonly<Record<(typeof QUEUE_THREAD_COUNTERS)[number], number>>;

/** Counters of the model's thread. It counts frames as they crossed the wire. */
export const WIRE_COUNTERS = [
  /** Frames that the NIC sent on the wire (each segment counts as a frame), and their bytes. */
  "wireSentFrames",
  "wireSentBytes",
  "wireReceivedFrames",
  "wireReceivedBytes",
  /** Frames lost between the wire and the far end, in either direction; should stay 0. */
  "wireDrops",
  /** Frames for which the NIC had no descriptor. */
  "missedFrames",
  /** Super-frames segmented by the NIC. */
  "segmentedFrames",
  /** Offences found by strict mode. */
  "offences",
  "modelGcPauses",
  "modelGcMicros",
] as const;
export type WireCounter = (typeof WIRE_COUNTERS)[number];

export type CounterName = DriverCounter | WireCounter;
export type Statistics = Record<CounterName, number> & {
  /** Counters of each queue. */
  readonly queues: readonly QueueCounts[];
};

/** Counters of a server's thread. "Sent" and "received" are as the NIC sees them: sent frames come from the guest. */
export const SERVE_COUNTERS = [
  /** Number of clients so far; 1 while a client is connected; number of its mappings of guest memory. */
  "clients",
  "connected",
  "maps",
  /** Clients disconnected for protocol errors, and clients rejected because the device was in use. */
  "clientFaults",
  "clientsTurnedAway",
  /** Executed requests of clients. */
  "requests",
  "sentFrames",
  "sentBytes",
  "receivedFrames",
  "receivedBytes",
  /** Frames that the NIC did not accept, including those for which it had no descriptor. */
  "refusedFrames",
  /** Frames lost on the wire or at its far end, in either direction. */
  "wireDrops",
  /** Frames for which the NIC had no descriptor, and super-frames that it segmented. */
  "missedFrames",
  "segmentedFrames",
  "offences",
  /** 1 while the link is up; its speed in Mbit/s; 1 for full duplex. */
  "linkUp",
  "linkSpeed",
  "linkFullDuplex",
  "gcPauses",
  "gcMicros",
] as const;
export type ServeCounter = (typeof SERVE_COUNTERS)[number];
export type ServeStatistics = Record<ServeCounter, number>;
