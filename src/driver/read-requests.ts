/**
 * PCI Express: sets the largest read request of a chip.
 *
 * Source: PCI Express Base Specification, Device Control register; FreeBSD if_re.c, re_set_jumbo (512 bytes with jumbo
 * frames, 4096 otherwise).
 */
import type { Chip } from "#chip/chips.ts";
import { STANDARD_MTU } from "#chip/frames.ts";
import type { Mmio } from "#kit/mmio.ts";
import { rw16 } from "#kit/mmio.ts";

/** Offset of Device Control in the Express capability. */
const DEVICE_CONTROL = 8;
const REQUEST_MASK = 7 << 12;
const REQUEST = { 512: 2 << 12, 4096: 5 << 12 } as const;

/**
 * Sets the size of the chip's largest read request. Chips for at most 100 Mbit/s keep the system's value; PCI chips
 * have no such setting.
 */
export const limitReadRequests = (config: Mmio, { profile, speed }: Chip, mtu: number): void => {
  const { expressAt } = profile.function;
  if (expressAt === 0 || speed < 1000) return;
  const bytes = mtu > STANDARD_MTU ? profile.mac.readRequest.jumbo : profile.mac.readRequest.usual;
  config.update16(rw16(expressAt + DEVICE_CONTROL), REQUEST_MASK, REQUEST[bytes]);
};
