/** The power state of a PCI function (PCI Power Management 1.2), and the capabilities of its configuration space. */
import { type Clock, until } from "#kit/clock.ts";
import { type Mmio, ro16, ro8, rw16 } from "#kit/mmio.ts";
import { Asleep } from "./vfio/errors.ts";

const STATUS = ro16(0x06);
const HAS_CAPABILITIES = 1 << 4;
const CAPABILITIES = ro8(0x34);
export const POWER_MANAGEMENT = 0x01;
/** PCI Power Management 1.2, 3.2.4: the control word after the capability's header. */
export const CONTROL = 4;
export const STATE = 0b11;
/** Cleared by writing one, which `FunctionPower` does; `wake` below leaves the bit unchanged. */
export const PME_STATUS = 1 << 15;
/** The most capabilities that a list in 256 bytes can have. */
const MAX_CAPABILITIES = 48;
/** Table 5-6 allows 10 ms from D3hot to D0, but firmware may take longer. */
const WAKE_LIMIT_MICROS = 200_000;

/** Offset of a capability; undefined if the function does not have it. */
export const findCapability = (config: Mmio, id: number): number | undefined => {
  if ((config.read16(STATUS) & HAS_CAPABILITIES) === 0) return undefined;
  let at = config.read8(CAPABILITIES) & ~3;
  for (let n = 0; at >= 0x40 && n < MAX_CAPABILITIES; n++) {
    if (config.read8(ro8(at)) === id) return at;
    at = config.read8(ro8(at + 1)) & ~3;
  }
  return undefined;
};

/**
 * Brings the function to D0; a function without the capability is always in D0. @throws {Asleep} if it stays in another
 * state
 */
export const wake = (config: Mmio, clock: Clock, address: string): void => {
  const capability = findCapability(config, POWER_MANAGEMENT);
  if (capability === undefined) return;
  const control = rw16(capability + CONTROL);
  const state = (): number => config.read16(control) & STATE;
  if (state() === 0) return;
  config.update16(control, STATE | PME_STATUS, 0);
  clock.delay(10_000);
  if (!until(clock, WAKE_LIMIT_MICROS, 1000, () => state() === 0)) throw new Asleep(address, state());
};
