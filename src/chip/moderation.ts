/**
 * Interrupt moderation: units of time and ranges of the fields.
 *
 * Sources: the units that Linux's `ethtool -c` shows for IntrMitigate; OpenBSD `if_rge.c` and DPDK `drivers/net/r8169`
 * for the blocks (`queues.ts`). According to these sources the blocks have limits of time only, not of frames.
 */

/** IntrMitigate's unit 0 of time, by bus and by speed in Mbit/s. */
const UNIT_NANOS = {
  pci: { 10: 40_960, 100: 2560, 1000: 320 },
  pcie: { 10: 40_960, 100: 2560, 1000: 5000 },
} as const;

/**
 * IntrMitigate: the unit of time in nanoseconds, when CPlusCmd selects unit 0.
 * @param speed Mbit/s; 0 (no link) is treated as 1000
 */
export const mitigationUnitNanos = (bus: keyof typeof UNIT_NANOS, speed: number): number => {
  const nanos: Readonly<Record<number, number>> = UNIT_NANOS[bus];
  return nanos[speed] ?? UNIT_NANOS[bus][1000];
};

/** The units 0 to 3 that CPlusCmd can select, as multiples of unit 0. */
export const MITIGATION_SCALES = [1, 8, 16, 32] as const;
/**
 * IntrMitigate: the largest value of a field, the number of frames that one unit stands for, and the position of each
 * direction's fields.
 */
export const Mitigation = {
  max: 0xf,
  framesUnit: 4,
  receive: { time: 4, frames: 0 },
  transmit: { time: 12, frames: 8 },
} as const;
/** A moderation block has one byte of time for each direction. */
export const MAX_BLOCK_TIME = 0xff;
