/** Pings that must all be answered. */
import assert from "node:assert/strict";

/**
 * Seconds between two echo requests, for each round. For a round's last reply ping waits one interval, or twice the
 * longest round trip, regardless of -W: a busy machine gets more time in each round.
 */
const INTERVALS = [0.02, 0.05, 0.16, 0.64, 2.56, 5];

/**
 * Sends rounds of echoes with ping(8) and these arguments, until all of a round are answered. A delayed guest may also
 * notice a short loss of link late. @param shell runs a command and resolves with its output, whatever its exit code
 * @throws {AssertionError} if some are lost in each round
 */
export const answered = async (shell: (command: string) => Promise<string>, args: string): Promise<void> => {
  let said = "";
  for (const interval of INTERVALS) {
    said = await shell(`ping -q -i ${interval} -W ${Math.ceil(4 * interval)} ${args}`);
    if (said.includes(" 0% packet loss")) return;
  }
  assert.fail(`ping ${args}\n${said}`);
};
