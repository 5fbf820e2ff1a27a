/**
 * Makes a TAP's interface report speed and duplex of the cable, instead of the 10 Gbit/s that a TAP reports by default.
 */
import { SystemError } from "#sys/errno.ts";
import { type LinkMode, setLinkSettings } from "#sys/link-settings.ts";
import type { Tap } from "#sys/tap.ts";

/**
 * The values are only for display, so errors of the kernel are ignored, for example if it does not support or permit
 * the change.
 */
export const showLink = (tap: Tap, { up, speed, fullDuplex }: LinkMode): void => {
  try {
    tap.withInterfaces((interfaces, name) => setLinkSettings(interfaces, name, { up, speed, fullDuplex }));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
