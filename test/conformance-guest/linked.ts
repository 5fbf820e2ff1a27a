/** The link as reported by the guest's ethtool. */
import assert from "node:assert/strict";
import type { Guest } from "../guest/guest.ts";
import { NEAR } from "../guest/rig.ts";

/**
 * Resolves when `ethtool` shows the link up at that speed, which takes one autonegotiation.
 * @throws {Error} with what `ethtool` shows instead
 */
export const linked = async (guest: Guest, speed: number, duplex: "half" | "full" = "full"): Promise<void> => {
  const { exit, stdout } = await guest.run(
    `for i in $(seq 3000); do
       ethtool ${NEAR.name} >/tmp/link
       grep -q 'Speed: ${speed}Mb/s' /tmp/link && grep -qi 'Duplex: ${duplex}' /tmp/link && grep -q 'detected: yes' /tmp/link && exit 0
       sleep 0.1
     done
     cat /tmp/link; exit 1`,
  );
  assert.equal(exit, 0, `the link is not at ${speed} Mbit/s, ${duplex} duplex:\n${stdout}`);
};
