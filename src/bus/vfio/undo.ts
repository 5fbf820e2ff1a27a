/** Taking back what was asked of the kernel. */
import { SystemError } from "#sys/errno.ts";

/** Closing the files takes it back as well, so a kernel that refuses (for the device has gone) changes nothing. */
export const undo = (act: () => void): void => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
};
