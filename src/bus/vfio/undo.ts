/** Releases kernel resources without reporting errors. */
import { SystemError } from "#sys/errno.ts";

/** Errors are ignored: they occur if the device is gone, and closing the files releases the resources too. */
export const undo = (act: () => void): void => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
