/** DMA memory of a device: one window, mapped once. */
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { type AddressSpace } from "./access.ts";
import { placeWindow } from "./addresses.ts";
import { MapRefused, MemlockTooLow, NoAddresses } from "./errors.ts";
import type { VfioKernel } from "./kernel.ts";
import { undo } from "./undo.ts";

/** Room for rings, receive buffers for the largest MTU, and the send arena, which need a little more than 17 MiB. */
export const DEFAULT_BYTES = 20 << 20;
/**
 * Room for rings, receive buffers and send arena at an MTU of 1500. This is below the limit of 8 MiB that most systems
 * set for locked memory.
 */
export const MIN_BYTES = 6 << 20;
const STEP = 1 << 20;
const PAGE_BYTES = 4096;

/** Maps memory; undefined if the limit on locked memory is exceeded. */
const tryMap = (
  kernel: VfioKernel,
  space: AddressSpace,
  bytes: number,
  outer: DisposableStack,
): DmaArena | undefined => {
  using scope = new DisposableStack();
  const info = space.info();
  const iova = placeWindow(info, bytes);
  if (iova === undefined) throw new NoAddresses(bytes);
  const { buffer } = scope.use(kernel.memory(bytes, "DMA memory"));
  try {
    space.map(buffer, iova);
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    if (cause.errno === Errno.ENOMEM && kernel.memlock() !== Infinity) return undefined;
    throw new MapRefused({ iova, bytes, cause });
  }
  scope.defer(() => undo(() => space.unmap(iova, bytes)));
  const arena = scope.use(new DmaArena(buffer, iova, bytes));
  outer.use(scope.move());
  return arena;
};

/**
 * Allocates and maps `wanted` bytes. Default: `DEFAULT_BYTES`, or what the limit on locked memory allows.
 * @throws {OutOfRange} if `wanted` is not a multiple of 4096; {MemlockTooLow} {MapRefused} {NoAddresses} {SystemError}
 */
export const mapMemory = (
  kernel: VfioKernel,
  space: AddressSpace,
  wanted: number | undefined,
  scope: DisposableStack,
): DmaArena => {
  if (wanted !== undefined && !(wanted > 0 && wanted % PAGE_BYTES === 0))
    throw new OutOfRange(`DMA memory cannot have ${wanted} bytes`, `Use a multiple of ${PAGE_BYTES}.`);
  const whole = tryMap(kernel, space, wanted ?? DEFAULT_BYTES, scope);
  if (whole !== undefined) return whole;
  const limit = kernel.memlock();
  const max = Math.min(Math.floor(limit / STEP) * STEP, DEFAULT_BYTES - STEP);
  if (wanted !== undefined) throw new MemlockTooLow({ limit, wanted });
  for (let bytes = max; bytes >= MIN_BYTES; bytes -= STEP) {
    const part = tryMap(kernel, space, bytes, scope);
    if (part !== undefined) return part;
  }
  throw new MemlockTooLow({ limit, wanted: MIN_BYTES });
};
