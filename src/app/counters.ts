/** Names and places of the counters that threads publish in shared memory. All are 53-bit counts. */

/** Counters of the driver's thread: frames as the host and the rings saw them. */
export const DRIVER_COUNTERS = [
  /** Frames and bytes from the host towards the wire, as the host handed them over (a super-frame is one). */
  "sentFrames",
  "sentBytes",
  /** Frames among them that the NIC was asked to cut. */
  "superFrames",
  /** Frames for which the NIC was asked for a checksum. */
  "checksumsAsked",
  /** Frames with a tag to be inserted, and frames whose tag was taken out. */
  "tagsInserted",
  "tagsTaken",
  /** Frames made of more than one fragment. */
  "scattered",
  /** Frames and bytes from the wire towards the host, as the ring held them. */
  "receivedFrames",
  "receivedBytes",
  /** Frames handed to the host merged with others, and writes to the host. */
  "mergedFrames",
  "hostWrites",
  /** Frames lost on the way to the host or from it; must stay 0. */
  "sendDrops",
  "receiveDrops",
  /** Frames the NIC marked bad, and words of the device that made no sense. */
  "receiveErrors",
  "deviceNonsense",
  /** Frames lost because the NIC was stopped: given to it or read for it and not sent, and received but not taken from its ring. */
  "sendDiscards",
  "receiveDiscards",
  /** Times that the NIC reported a full receive FIFO, or a receive ring without descriptors. */
  "fifoOverflows",
  "ringsExhausted",
  /** Restarts of the NIC after it had failed. */
  "restarts",
  /** What has gone wrong, by cause: see causes.ts. */
  "systemErrors",
  "transmitTimeouts",
  "receiveStalls",
  "startFailures",
  "phyLosses",
  "absences",
  "busErrors",
  "lostDoorbells",
  "lostInterrupts",
  /** Waits for the chip to drain or to be handed over that ran out; a reset followed. */
  "overdueWaits",
  "interrupts",
  "spuriousInterrupts",
  "polls",
  /** Garbage collections in this thread, and the time they took, in microseconds. */
  "gcPauses",
  "gcMicros",
  /** Now in the rings: descriptors the NIC owns. */
  "transmitFill",
  "receiveFill",
  /** Link changes that the NIC signalled; more than are reported one by one when the link flaps. */
  "linkChanges",
  /** 1 while the link is up; its speed in Mbit/s; 1 for full duplex. */
  "linkUp",
  "linkSpeed",
  "linkFullDuplex",
  /** The interface's MTU now. */
  "mtu",
] as const;
export type DriverCounter = (typeof DRIVER_COUNTERS)[number];

/** Counters of the model's thread: frames as they crossed the wire. */
export const WIRE_COUNTERS = [
  /** Frames the NIC put on the wire (segments counted singly), and their bytes. */
  "wireSentFrames",
  "wireSentBytes",
  "wireReceivedFrames",
  "wireReceivedBytes",
  /** Frames lost between the wire and the far end, either way; must stay 0. */
  "wireDrops",
  /** Frames the NIC had no descriptor for. */
  "missedFrames",
  /** Super-frames the segmentation engine cut. */
  "segmentedFrames",
  /** What strict mode found. */
  "offences",
  "modelGcPauses",
  "modelGcMicros",
] as const;
export type WireCounter = (typeof WIRE_COUNTERS)[number];

export type Statistics = Record<DriverCounter | WireCounter, number>;

/** Counters of a server's thread. Frames are as the NIC sees them: sent ones are on their way out of the guest. */
export const SERVE_COUNTERS = [
  /** Clients so far; 1 while one is connected; its maps of guest memory. */
  "clients",
  "connected",
  "maps",
  /** Clients whose connection was ended for what they sent, and those that found the device in use. */
  "clientFaults",
  "clientsTurnedAway",
  /** Requests of clients that were carried out. */
  "requests",
  "sentFrames",
  "sentBytes",
  "receivedFrames",
  "receivedBytes",
  /** Frames that came and that the NIC did not take, those without a descriptor among them. */
  "refusedFrames",
  /** Frames lost on the wire or at its far end, either way. */
  "wireDrops",
  /** Frames the NIC had no descriptor for, and super-frames it cut. */
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
