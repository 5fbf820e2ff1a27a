/** Echoes that all have to be answered. */
import assert from "node:assert/strict";
import type { Far } from "../guest/far-end.ts";
import { settles } from "./settles.ts";

/**
 * Sends echoes by ping(8) from that end, with these arguments, until all of a round are answered. Why not once: for the last
 * answer ping waits just twice as long as the slowest one before it took, whatever -W says, and a busy machine is late more often.
 */
export const answered = (from: Pick<Far, "run">, args: string): Promise<void> =>
  settles(async () => {
    const { stdout, stderr } = await from.run(`ping -q -W 5 ${args}`);
    assert.match(stdout, / 0% packet loss/, `ping ${args}\n${stdout}${stderr}`);
  });
