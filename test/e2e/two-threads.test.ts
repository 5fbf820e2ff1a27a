/** Driver and model in two threads: the threaded bus, the driver's loop, and strict mode between them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openSession } from "#app/open-session.ts";
import type { SessionEvent } from "#app/session.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { eventually } from "../rigs/eventually.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;

test("a driver in a separate thread brings its NIC up without an offence, and reports the link", { skip }, async () => {
  using namespace = NetworkNamespace.create();
  await using session = await openSession({
    device: { kind: "model", chip: "rtl8168h", wire: { kind: "responder" }, threads: 2 },
    host: { name: "ft0", namespace: namespace.fd },
    mtu: 1500,
  });
  const events: SessionEvent[] = [];
  session.onEvent((event) => events.push(event));
  await eventually("the carrier", () => events.find(({ kind }) => kind === "carrier"));
  const { linkUp, offences, wireDrops, deviceNonsense } = session.statistics();
  assert.deepEqual(
    { linkUp, offences, wireDrops, deviceNonsense },
    { linkUp: 1, offences: 0, wireDrops: 0, deviceNonsense: 0 },
  );
});
