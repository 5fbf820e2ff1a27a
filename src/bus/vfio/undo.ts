/** Releases of kernel resources. */
import { SystemError } from "#sys/errno.ts";

/** Closing the files releases the resources too, so an error here (because the device is gone) has no effect. */
export const undo = (act: () => void): void => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
