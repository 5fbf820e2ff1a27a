/**
 * Interrupt moderation: units of time and ranges of the fields.
 *
 * Sources: the units that Linux's `ethtool -c` shows for IntrMitigate; OpenBSD `if_rge.c` and DPDK `drivers/net/r8169`
 * for the blocks (`queues.ts`); no source says that these count frames.
 */

/** By bus and speed in Mbit/s. */
const UNIT_NANOS = {
  pci: { 10: 40_960, 100: 2560, 1000: 320 },
  pcie: { 10: 40_960, 100: 2560, 1000: 5000 },
} as const;

/** IntrMitigate: the unit of time in nanoseconds at CPlusCmd's unit 0. @param speed Mbit/s; 0 without a link counts as 1000 */
export const mitigationUnitNanos = (bus: keyof typeof UNIT_NANOS, speed: number): number => {
  const nanos: Readonly<Record<number, number>> = UNIT_NANOS[bus];
  return nanos[speed] ?? UNIT_NANOS[bus][1000];
};

/** CPlusCmd's units 0 to 3, as multiples of unit 0. */
export const MITIGATION_SCALES = [1, 8, 16, 32] as const;
/** IntrMitigate: the largest value of a field, frames per unit, and the fields of a direction. */
export const Mitigation = {
  most: 0xf,
  framesUnit: 4,
  receive: { time: 4, frames: 0 },
  transmit: { time: 12, frames: 8 },
} as const;
/** A moderation block has one byte of time for each direction. */
export const BLOCK_MOST_TIME = 0xff;
