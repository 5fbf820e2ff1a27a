import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { NetworkNamespace } from "./namespace.ts";
import { whyNoNamespace } from "./permitted.ts";
import { PingSocket } from "./ping.ts";

const skip = whyNoNamespace()?.message ?? false;

test("loopback answers pings of every size, and each reply is matched to its own request", { skip }, () => {
  using namespace = NetworkNamespace.create();
  namespace.loopbackUp();
  using ping = namespace.within(() => PingSocket.open());
  using other = namespace.within(() => PingSocket.open());
  for (const [sequence, bytes] of [0, 1, 56, 1472, 8972, 65507].entries()) {
    const micros = ping.ping("127.0.0.1", sequence, bytes, 2000);
    assert.ok(micros !== undefined && micros > 0, `${bytes} bytes`);
    assert.notEqual(other.ping("127.0.0.1", sequence, bytes, 2000), undefined);
  }
});

test("a ping to an address without a route is an error", { skip }, () => {
  using namespace = NetworkNamespace.create();
  namespace.loopbackUp();
  using ping = namespace.within(() => PingSocket.open());
  assert.throws(() => ping.ping("192.0.2.1", 1, 56, 1), { code: "ENETUNREACH" });
});

test("sizes and addresses out of range are refused", { skip }, () => {
  using ping = PingSocket.open();
  for (const bytes of [-1, 65508, 1.5, NaN]) assert.throws(() => ping.ping("127.0.0.1", 1, bytes, 1), OutOfRange);
  assert.throws(() => ping.ping("localhost", 1, 1, 1), OutOfRange);
  assert.throws(() => ping.ping("127.0.0.1", 65536, 1, 1), OutOfRange);
});
