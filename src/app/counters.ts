/** Names and positions of the counters that threads publish in shared memory. All are integers of up to 53 bits. */
import { CAUSE_NAMES } from "./causes.ts";

/** Counters of the driver's thread. It counts frames as the host and the rings see them. */
export const DRIVER_COUNTERS = [
  /** Frames that the host sends (a super-frame counts once). */
  "sentFrames",
  /** Bytes in the frames that the host sends. */
  "sentBytes",
  /** Sent frames that the NIC was to segment. */
  "superFrames",
  /** Sent frames whose checksum the NIC was to compute. */
  "checksumsAsked",
  /** Sent frames into which the NIC was to insert a VLAN tag. */
  "tagsInserted",
  /** Received frames whose VLAN tag the NIC stripped. */
  "tagsTaken",
  /** Sent frames made of more than one fragment. */
  "scattered",
  /** Frames that the NIC received into its ring. */
  "receivedFrames",
  /** Bytes in the received frames, as they were in the ring. */
  "receivedBytes",
  /** Received frames that were merged with others before they were passed to the host. */
  "mergedFrames",
  /** Write calls that passed received frames to the host. */
  "hostWrites",
  /** Frames from the host that were dropped; should stay 0. */
  "sendDrops",
  /** Received frames that the host rejected; should stay 0. */
  "receiveDrops",
  /** Received frames that the NIC marked bad. */
  "receiveErrors",
  /** Invalid words that the device wrote into descriptors. */
  "deviceNonsense",
  /** Frames that were waiting to be sent when the NIC was stopped, and were lost. */
  "sendDiscards",
  /** Received frames that were still in the ring when the NIC was stopped, and were lost. */
  "receiveDiscards",
  /** Number of times that the NIC reported a full receive FIFO. */
  "fifoOverflows",
  /** Number of times that the NIC reported a receive ring without free descriptors. */
  "ringsExhausted",
  /** Restarts of the NIC after it had failed. */
  "restarts",
  /** Occurrences of each cause in causes.ts. */
  ...CAUSE_NAMES,
  /**
   * Waits for the chip that timed out, for example while its FIFOs drained. After each timeout, the driver continued.
   */
  "overdueWaits",
  "interrupts",
  "spuriousInterrupts",
  "polls",
  /** Garbage collections in this thread. */
  "gcPauses",
  /** Total time of the garbage collections in microseconds. */
  "gcMicros",
  /** Transmit descriptors that the NIC owns now. */
  "transmitFill",
  /** Receive descriptors that the NIC owns now. */
  "receiveFill",
  /** Link changes that the NIC signalled. If the link changes often, not all changes are reported as events. */
  "linkChanges",
  /** 1 while the link is up, otherwise 0. */
  "linkUp",
  /** Speed of the link in Mbit/s. */
  "linkSpeed",
  /** 1 if the link is full duplex, otherwise 0. */
  "linkFullDuplex",
  /** The interface's present MTU. */
  "mtu",
] as const;
export type DriverCounter = (typeof DRIVER_COUNTERS)[number];

/** Counters of the rings of one queue. Each is this queue's share of the driver's counter with the same name. */
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

/**
 * Counters of a queue's thread, without those of its rings. Each is this thread's share of the driver's counter with
 * the same name.
 */
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
  /** Frames that the NIC sent on the wire (each segment counts as a frame). */
  "wireSentFrames",
  /** Bytes in the frames that the NIC sent on the wire. */
  "wireSentBytes",
  "wireReceivedFrames",
  "wireReceivedBytes",
  /** Frames lost between the NIC and the far end, in either direction; should stay 0. */
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
  /** Number of clients so far. */
  "clients",
  /** 1 while a client is connected, otherwise 0. */
  "connected",
  /** Number of the connected client's mappings of guest memory. */
  "maps",
  /** Clients disconnected because of protocol errors. */
  "clientFaults",
  /** Clients rejected because the device was in use. */
  "clientsTurnedAway",
  /** Requests of clients that were executed. */
  "requests",
  "sentFrames",
  "sentBytes",
  "receivedFrames",
  "receivedBytes",
  /** Frames that the NIC did not accept, including those for which it had no descriptor. */
  "refusedFrames",
  /** Frames lost on the wire or at its far end, in either direction. */
  "wireDrops",
  /** Frames for which the NIC had no descriptor. */
  "missedFrames",
  /** Super-frames segmented by the NIC. */
  "segmentedFrames",
  /** Offences found by strict mode. */
  "offences",
  /** 1 while the link is up, otherwise 0. */
  "linkUp",
  /** Speed of the link in Mbit/s. */
  "linkSpeed",
  /** 1 if the link is full duplex, otherwise 0. */
  "linkFullDuplex",
  "gcPauses",
  "gcMicros",
] as const;
export type ServeCounter = (typeof SERVE_COUNTERS)[number];
export type ServeStatistics = Record<ServeCounter, number>;
