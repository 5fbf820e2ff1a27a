/** Echoes that all have to be answered. */
import assert from "node:assert/strict";

/**
 * Seconds between two echoes, one round after the other. For the last answer of a round ping waits as long as from one echo to
 * the next, or twice as long as the slowest answer took, whatever -W says: a machine that is busy gets more time in each round.
 */
const INTERVALS = [0.02, 0.05, 0.16, 0.64, 2.56, 5];

/**
 * Sends echoes by ping(8), with these arguments, until all of a round are answered. A guest that is held up may also find out late
 * that the link was away for a moment.
 * @param shell runs a command and resolves with what it printed, whatever its exit code
 * @throws {AssertionError} when some are lost in each round
 */
export const answered = async (shell: (command: string) => Promise<string>, args: string): Promise<void> => {
  let said = "";
  for (const interval of INTERVALS) {
    said = await shell(`ping -q -i ${interval} -W ${Math.ceil(4 * interval)} ${args}`);
    if (said.includes(" 0% packet loss")) return;
  }
  assert.fail(`ping ${args}\n${said}`);
};
