/**
 * The interface to the PTP clock's registers, which is the same for a clock in the MAC and a clock in the PHY. Also
 * converts times from and to register values.
 */

/** The clock, whether in the MAC or in the PHY. Times are in nanoseconds. */
export interface ClockRegisters {
  /** Largest deviation from the nominal rate, as a fraction. */
  readonly maxRate: number;
  enabled(): boolean;
  enable(): void;
  read(): bigint;
  write(nanos: bigint): void;
  step(nanos: bigint): void;
  setRate(fraction: number): void;
  sent(): bigint | undefined;
  /**
   * Timestamp of the last received event message of a type, 0 to 3; undefined if none has arrived since the last call.
   * The function is missing if descriptors hold the timestamps.
   */
  readonly received?: (message: number) => bigint | undefined;
}

const SECOND = 1_000_000_000n;
/** The latest time that a timestamp in a burst can hold: such timestamps are signed 64-bit numbers. */
export const LATEST = 2n ** 63n - 1n;

/** A time as five words of 16 bits, the lowest first: two of nanoseconds, three of seconds. */
export const timeWords = (nanos: bigint): readonly number[] => {
  const below = Number(nanos % SECOND);
  const seconds = nanos / SECOND;
  return [below & 0xffff, below >>> 16, ...[0n, 16n, 32n].map((shift) => Number((seconds >> shift) & 0xffffn))];
};

/** The inverse of `timeWords`. */
export const timeOf = (words: readonly number[]): bigint => {
  const [low = 0, high = 0, ...seconds] = words;
  const whole = seconds.reduceRight((sum, word) => (sum << 16n) | BigInt(word), 0n);
  return whole * SECOND + BigInt((high & 0x3fff) * 0x1_0000 + low);
};

/** A time as a NIC writes it in words of 32 bits. */
export const timeFrom = (nanoseconds: number, seconds: number, secondsHigh: number): bigint =>
  timeOf([nanoseconds & 0xffff, nanoseconds >>> 16, seconds & 0xffff, seconds >>> 16, secondsHigh & 0xffff]);
