/** Asserts that the model has seen no offences of a driver. */
import assert from "node:assert/strict";
import type { Nic } from "../guest/nic.ts";

/** @throws {AssertionError} with the offences, unless all are of the allowed kinds */
export const assertNoOffence = async (nic: Nic, allowed: readonly string[] = []): Promise<void> => {
  const others = Object.keys((await nic.state()).offences).filter((name) => !allowed.includes(name));
  assert.deepEqual(others, [], nic.offences.join("\n"));
};
