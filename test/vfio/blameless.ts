/** What the model saw a driver do that real hardware punishes. */
import assert from "node:assert/strict";
import type { Nic } from "../guest/nic.ts";

/** @throws {AssertionError} with the offences, unless all are of these kinds */
export const blameless = async (nic: Nic, allowed: readonly string[] = []): Promise<void> => {
  const others = Object.keys((await nic.state()).offences).filter((name) => !allowed.includes(name));
  assert.deepEqual(others, [], nic.offences.join("\n"));
};
