/** What the NIC and its driver must do together, on the direct rig: our driver, our model, one thread. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ends, payload, udp } from "../rigs/frames.ts";
import { openDirectRig } from "../rigs/direct.ts";
import { conformance } from "./conformance.ts";

conformance({ open: openDirectRig, chip: "rtl8168h", xid: 0x541, speed: 1000, cannot: {}, absent: false });

test("does nothing a real chip would punish, up, in traffic and down", () => {
  using rig = openDirectRig();
  rig.up();
  rig.send(udp(ends(), payload(100)));
  rig.deliver(udp(ends({ inbound: true }), payload(100)));
  rig.poll();
  rig.nic.down();
  assert.deepEqual(
    Object.entries(rig.model.offences).filter(([, n]) => n > 0),
    [],
  );
});

test("says of each frame from the cable whether it took it", () => {
  using rig = openDirectRig({ slots: 8 });
  rig.up();
  const frame = udp(ends({ inbound: true }), payload(100));
  assert.equal(Array.from({ length: 12 }, () => rig.deliver(frame)).filter(Boolean).length, 8);
});
