/** What a server's thread publishes about itself: names and places of shared counters. */

/** All are 53-bit counts. Frames are as the NIC sees them: sent ones are on their way out of the guest. */
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
