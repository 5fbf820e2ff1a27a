/** A TAP's interface shows the speed and duplex of the cable that ends there, instead of the 10 Gbit/s of every TAP. */
import { SystemError } from "#sys/errno.ts";
import { type Link, setLinkSettings } from "#sys/link-settings.ts";
import type { Tap } from "#sys/tap.ts";

/** Only for people to see: where the kernel, or this process's rights, do not allow it, the interface stays as it is. */
export const showLink = (tap: Tap, { up, speed, fullDuplex }: Link): void => {
  try {
    tap.withInterfaces((interfaces, name) => setLinkSettings(interfaces, name, { up, speed, fullDuplex }));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
