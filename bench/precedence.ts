/** Raises the priority of measurements over other programs of this machine, if the user may do so, to reduce noise. */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

const NICE = -20;

/**
 * Options for `spawn`. With autogroups, Linux shares the processor among sessions, and compares nice values only within
 * a session, so a nice value has an effect only if the process has a session of its own. Ctrl-C does not reach such a
 * process: its parent must end it.
 */
export const giveOwnSession = { detached: true } as const;

/** Raises the priority of a process. Without the permission to do so, the process runs at normal priority. */
export const withPrecedence = ({ pid }: { readonly pid?: number | undefined }): void => {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICE);
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE));
  } catch {
    // The user is not root, or the kernel has no autogroups.
  }
};
