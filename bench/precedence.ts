/** Raises the priority of measurements over other programs of this machine, if the user may do so, to reduce noise. */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

const NICE = -20;

/**
 * Options for `spawn`. Linux schedules sessions against each other before it compares nice values within one
 * (autogroup), so a process with a nice value needs a session of its own. Ctrl-C no longer reaches it: its parent must
 * end it.
 */
export const giveOwnSession = { detached: true } as const;

/** Without the permission the process runs at normal priority. */
export const withPrecedence = ({ pid }: { readonly pid?: number | undefined }): void => {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICE);
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE));
  } catch {
    // The user is not root, or the kernel has no autogroups.
  }
};
