/** What the compiler refuses about buffers. */
import { type Buffers, type BufferPool, type CpuBuffer, type DeviceBuffer, NONE } from "./buffers.ts";

export const givenTwice = (pool: Buffers, buffer: CpuBuffer): void => {
  pool.give(buffer);
  // @ts-expect-error a buffer given away is `never`
  pool.give(buffer);
};

export const usedAfterGiving = (pool: Buffers, bytes: Uint8Array, buffer: CpuBuffer): void => {
  pool.give(buffer);
  // @ts-expect-error nothing can be read through it
  bytes[buffer.valueOf()] = 0;
};

export const usedWhileLent = (pool: Buffers, buffer: CpuBuffer): void => {
  pool.lend(buffer);
  // @ts-expect-error the device has it
  pool.give(buffer);
  // @ts-expect-error the device has it
  pool.lend(buffer);
};

export const usedAfterGivingToThePoolItself = (pool: BufferPool, buffer: CpuBuffer): void => {
  pool.lend(buffer);
  // @ts-expect-error the concrete class says the same as the interface
  pool.lend(buffer);
};

export const notLookedAt = (pool: Buffers): void => {
  const buffer = pool.take();
  // @ts-expect-error it may be NONE
  pool.give(buffer);
};

export const lookedAt = (pool: Buffers): void => {
  const buffer = pool.take();
  if (buffer !== NONE) pool.give(buffer);
};

export const madeUp = (pool: Buffers): void => {
  // @ts-expect-error a bare number is no buffer
  pool.give(2048);
};

export const theDevices = (pool: Buffers, buffer: DeviceBuffer): void => {
  // @ts-expect-error a buffer of the device is not the CPU's to give
  pool.give(buffer);
};

export const taken = (buffer: DeviceBuffer): CpuBuffer => {
  // @ts-expect-error nor does it become the CPU's by saying so: that takes `regain`
  return buffer;
};
