/**
 * The clock of the Precision Time Protocol (IEEE 1588): its commands and fields. It is in the MAC of the RTL8125B and
 * in the PHY of later chips, except the RTL8125BP, for which no source describes one. A time has 30 bits of nanoseconds
 * and 48 bits of seconds.
 *
 * Source: Realtek's own drivers for Linux (r8125 9.016.01 and r8127, their PTP parts), which name only the commands and
 * fields below.
 */
import { bits } from "#kit/mmio.ts";

/** Messages whose type in the PTP header is below this number are event messages. They are timestamped. */
export const EVENT_MESSAGES = 4;

/** PTP_CTRL. Realtek's driver sets the bits of `on`, but describes only bit 0, which enables the clock. */
export const PtpControl = bits("PtpControl", { enable: 1 << 0, on: 0x1459 });
/** PTP_ISR: a sent message was timestamped, or could not be timestamped. */
export const PtpEvent = bits("PtpEvent", { sent: 1 << 1, failed: 1 << 2 });
/**
 * PTP_TIME_CORRECT_CMD: what the chip does with the words of time. The chip clears `execute`. Realtek's driver uses
 * `set` for a new time and also for a signed difference. Both cannot be right; earlier versions of the driver used
 * `set` only for a new time.
 */
export const PtpCommand = bits("PtpCommand", { execute: 1 << 7, set: 0, drift: 1, latch: 2, code: 3 });
/**
 * A drift is the amount that the clock adds in each cycle of 8 ns, in units of 2^-30 ns, as a signed number of 31 bits.
 * The timestamp of a sent message is written to one of four places of 16 bytes; bits 11:10 of `At2032` are the number
 * of the next place.
 */
export const MacClock = {
  driftBits: 31,
  driftScale: 2 ** 33,
  /** The MAC-OCP register, and the bit in it, with which the clock of the MAC is selected instead of the PHY's. */
  source: { macOcp: 0xdc00, mac: 1 << 6 },
  sent: { macOcp: 0xcf20, bytes: 16, seconds: 4, places: 4, nextShift: 10 },
} as const;

/** Registers of the clock in the PHY: PHY-OCP addresses. Times are words of 16 bits, the lowest first. */
export const PhyClock = {
  control: 0xe400,
  interrupts: 0xe402,
  /** Events. Writing 1 to a bit clears it if bit 0 of `configuration` is set. */
  events: 0xe404,
  synchronous: 0xe406,
  configuration: 0xe408,
  command: 0xe410,
  time: 0xe412,
  stampCommand: 0xe430,
  stamp: 0xe446,
  /** Number of words of a time: two of nanoseconds, three of seconds. */
  words: 5,
  /** A rate has 22 bits, in units of 2^-32. */
  rateBits: 22,
  rateScale: 2 ** 32,
} as const;
/** Bits of `control`. Realtek's driver sets all the bits of `on`. */
export const PhyClockControl = { enable: 1 << 0, on: 0x10ff } as const;
export const PhyClockEvent = { received: 1 << 2, sent: 1 << 3 } as const;
/** Bits of `command`. The PHY clears `execute`. */
export const PhyClockCommand = {
  execute: 1 << 0,
  code: 7 << 1,
  read: 2 << 1,
  set: 3 << 1,
  add: 4 << 1,
  subtract: 5 << 1,
  setRate: 7 << 1,
} as const;
/**
 * Bits of `stampCommand`. A write selects the timestamp to show, by direction and message type. A read shows for which
 * messages there is a timestamp: bit 15 for a sent message of type 0, bit 11 for a received one, and the bits below
 * each for types 1 to 3. The PHY clears `execute`. Realtek's driver sets bit 4, whose meaning is not known.
 */
export const PhyStamp = {
  execute: 1 << 0,
  received: 1 << 1,
  messageShift: 2,
  messageMask: 3,
  fixed: 1 << 4,
  sentReady: 15,
  receivedReady: 11,
} as const;
