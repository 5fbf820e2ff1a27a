/** Sets speed and duplex of a TAP's interface to those of the cable, instead of the 10 Gbit/s of every TAP. */
import { SystemError } from "#sys/errno.ts";
import { type LinkMode, setLinkSettings } from "#sys/link-settings.ts";
import type { Tap } from "#sys/tap.ts";

/** For display only: if the kernel does not support it, or the process is not permitted, nothing changes. */
export const showLink = (tap: Tap, { up, speed, fullDuplex }: LinkMode): void => {
  try {
    tap.withInterfaces((interfaces, name) => setLinkSettings(interfaces, name, { up, speed, fullDuplex }));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
