/** Names and positions of the counters that threads publish in shared memory. All are 53-bit counts. */
import { CAUSE_NAMES } from "./causes.ts";

/** Counters of the driver's thread: frames as seen by the host and the rings. */
export const DRIVER_COUNTERS = [
  /** Frames and bytes that the host sends (a super-frame counts once). */
  "sentFrames",
  "sentBytes",
  /** Sent frames with requested segmentation. */
  "superFrames",
  /** Sent frames with a requested checksum. */
  "checksumsAsked",
  /** Frames with a tag to be inserted, and frames whose tag was stripped. */
  "tagsInserted",
  "tagsTaken",
  /** Frames made of more than one fragment. */
  "scattered",
  /** Frames and bytes received from the wire, as they were in the ring. */
  "receivedFrames",
  "receivedBytes",
  /** Frames merged with others before they were passed to the host; writes to the host. */
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
  /** Times that the NIC reported a full receive FIFO, or a receive ring without descriptors. */
  "fifoOverflows",
  "ringsExhausted",
  /** Restarts of the NIC after it had failed. */
  "restarts",
  /** Occurrences of each cause in causes.ts. */
  ...CAUSE_NAMES,
  /** Timeouts while waiting for the chip to drain, or for the take-over from its firmware; a reset followed. */
  "overdueWaits",
  "interrupts",
  "spuriousInterrupts",
  "polls",
  /** Garbage collections in this thread, and the time they took, in microseconds. */
  "gcPauses",
  "gcMicros",
  /** Current fill of the rings: descriptors that the NIC owns. */
  "transmitFill",
  "receiveFill",
  /** Link changes that the NIC signalled. If the link flaps, not all of them are reported as events. */
  "linkChanges",
  /** 1 while the link is up; its speed in Mbit/s; 1 for full duplex. */
  "linkUp",
  "linkSpeed",
  "linkFullDuplex",
  /** The interface's MTU now. */
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

/** Counters of the model's thread: frames as they crossed the wire. */
export const WIRE_COUNTERS = [
  /** Frames sent by the NIC on the wire (segments counted singly), and their bytes. */
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

/** Counters of a server's thread. Frames are counted from the NIC's view: sent ones leave the guest. */
export const SERVE_COUNTERS = [
  /** Clients so far; 1 while one is connected; its maps of guest memory. */
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
  /** Frames that the NIC did not accept, including those without a descriptor. */
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
