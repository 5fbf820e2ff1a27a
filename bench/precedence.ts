/** Precedence over other programs of this machine, where the user may have it: noise is what measurements suffer from. */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

const NICE = -20;

/**
 * For `spawn`. Linux weighs sessions against each other before it looks at the nice values inside one (autogroup), so a
 * process with a nice value needs a session of its own. Ctrl-C no longer reaches it: whoever starts it must end it.
 */
export const giveOwnSession = { detached: true } as const;

/** Without the rights the process runs as any other. */
export const withPrecedence = ({ pid }: { readonly pid?: number | undefined }): void => {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICE);
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE));
  } catch {
    // Not root, or a kernel without autogroups.
  }
};
