/** Pings that must all be answered. */
import assert from "node:assert/strict";

/**
 * Seconds between two echo requests, for each round. Each round gives a busy machine more time: for the last reply of a
 * round ping waits one interval, or twice the longest round trip, regardless of -W.
 */
const INTERVALS = [0.02, 0.05, 0.16, 0.64, 2.56, 5];

/**
 * Sends rounds of echo requests with ping(8) and these arguments, until all requests of a round are answered. More than
 * one round may be needed because a delayed guest can notice a short loss of link late. @param shell runs a command and
 * resolves with its output, whatever its exit code
 * @throws {AssertionError} if some echoes are lost in every round
 */
export const answered = async (shell: (command: string) => Promise<string>, args: string): Promise<void> => {
  let output = "";
  for (const interval of INTERVALS) {
    output = await shell(`ping -q -i ${interval} -W ${Math.ceil(4 * interval)} ${args}`);
    if (output.includes(" 0% packet loss")) return;
  }
  assert.fail(`ping ${args}\n${output}`);
};
