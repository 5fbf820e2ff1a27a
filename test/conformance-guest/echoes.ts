/** Echoes between a guest and the far end. */
import type { Far } from "../guest/far-end.ts";
import * as echoes from "../rigs/echoes.ts";

/**
 * Runs ping(8) with `args` on `from`, in rounds, until every request of a round is answered.
 * @throws {AssertionError}
 */
export const answered = (from: Pick<Far, "run">, args: string): Promise<void> =>
  echoes.answered(async (command) => {
    const { stdout, stderr } = await from.run(command);
    return stdout + stderr;
  }, args);
