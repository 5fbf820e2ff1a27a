/** Echoes between a guest and the far end. */
import type { Far } from "../guest/far-end.ts";
import * as echoes from "../rigs/echoes.ts";

/**
 * Sends echo requests by ping(8) from that end, with these arguments, until every request of a round is answered.
 * @throws {AssertionError}
 */
export const answered = (from: Pick<Far, "run">, args: string): Promise<void> =>
  echoes.answered(async (command) => {
    const { stdout, stderr } = await from.run(command);
    return stdout + stderr;
  }, args);
