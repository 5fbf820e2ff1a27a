import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongUsage } from "../terminal/usage.ts";
import { parseWire } from "./wire-spec.ts";

test("every kind of wire is parsed", () => {
  assert.deepEqual(parseWire("responder"), { kind: "responder" });
  assert.deepEqual(parseWire("tap:w0"), { kind: "tap", name: "w0" });
  assert.deepEqual(parseWire("unix:/tmp/a:b=c"), { kind: "stream", path: "/tmp/a:b=c", listen: false });
  assert.deepEqual(parseWire("unix:s,listen"), { kind: "stream", path: "s", listen: true });
  assert.deepEqual(parseWire("unix:a,dgram=b"), { kind: "datagram", path: "a", peer: "b" });
  const file = { kind: "pcap", file: "in.pcap", record: undefined, rate: undefined, loop: false };
  assert.deepEqual(parseWire("pcap:in.pcap"), file);
  assert.deepEqual(parseWire("pcap:in.pcap,rate=max,loop"), { ...file, rate: Infinity, loop: true });
  assert.deepEqual(parseWire("pcap:in.pcap,rate=0.5,record=o"), { ...file, rate: 0.5, record: "o" });
  assert.deepEqual(parseWire("pcap:,record=o"), { ...file, file: undefined, record: "o" });
});

test("invalid wires are rejected, with a hint", () => {
  for (const wrong of [
    "",
    "tap",
    "tap:",
    "tap:a/b",
    "wire:x",
    "unix:",
    "unix:a,lisen",
    "unix:a,listen=1",
    "unix:a,dgram",
    "unix:a,dgram=",
    "unix:a,dgram=a",
    "unix:a,dgram=b,listen",
    "unix:a,listen,listen",
    "pcap:",
    "pcap:,loop",
    "pcap:a,record=a",
    "pcap:a,rate=0",
    "pcap:a,rate=fast",
    "pcap:a,rate",
    "pcap:a,rate=0x10",
    "pcap:a,rate=1e3",
    "pcap:,record=o,loop",
    "pcap:,record=o,rate=5",
    "responder:x",
  ])
    assert.throws(() => parseWire(wrong), WrongUsage, wrong);
});
