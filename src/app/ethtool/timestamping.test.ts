/** `-T`: the output is the same as ethtool's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { timestamping } from "./timestamping.ts";

const [{ lines }] = timestamping.flags as readonly [(typeof timestamping.flags)[number]];

// The expected texts are what ethtool printed in a guest with a model of the RTL8125B: the first with Realtek's driver
// r8125 9.015.00, compiled with PTP, the second with Linux's r8169.
test("time stamping abilities are named as ethtool names them", () => {
  const all = lines({ capabilities: 0x5f, clock: 0, transmit: 0x3, receive: 0x71c1 }, "eth0", {});
  assert.deepEqual(all, [
    "Time stamping parameters for eth0:",
    "Capabilities:",
    "\thardware-transmit",
    "\tsoftware-transmit",
    "\thardware-receive",
    "\tsoftware-receive",
    "\tsoftware-system-clock",
    "\thardware-raw-clock",
    "PTP Hardware Clock: 0",
    "Hardware Transmit Timestamp Modes:",
    "\toff",
    "\ton",
    "Hardware Receive Filter Modes:",
    "\tnone",
    "\tptpv2-l4-event",
    "\tptpv2-l4-sync",
    "\tptpv2-l4-delay-req",
    "\tptpv2-event",
    "\tptpv2-sync",
    "\tptpv2-delay-req",
  ]);
  assert.deepEqual(lines({ capabilities: 0x1a, clock: -1, transmit: 0, receive: 0 }, "fe0", {}).slice(2), [
    "\tsoftware-transmit",
    "\tsoftware-receive",
    "\tsoftware-system-clock",
    "PTP Hardware Clock: none",
    "Hardware Transmit Timestamp Modes: none",
    "Hardware Receive Filter Modes: none",
  ]);
});
