import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutOfRange } from "#kit/errors.ts";
import { SystemError } from "./errno.ts";
import { Interfaces, InvalidInterfaceName, checkInterfaceName, parseIpv4 } from "./interface.ts";
import { setGsoMax } from "./netlink.ts";
import { NetworkNamespace } from "./namespace.ts";
import { whyNoNamespace } from "./permitted.ts";

const skip = whyNoNamespace()?.message ?? false;

const refused = (name: string, why: RegExp) =>
  assert.throws(
    () => checkInterfaceName(name),
    (error: unknown) => error instanceof InvalidInterfaceName && why.test(error.message) && error.hint.includes("15"),
    name,
  );

test("names that the kernel accepts are accepted", () => {
  for (const name of ["fe0", "a", "eth0.100", "tap-x_1", "123456789012345", "@!#"]) checkInterfaceName(name);
});

test("names are rejected with the reason", () => {
  refused("", /empty/);
  refused("1234567890123456", /16 characters/);
  refused("fe 0", /space/);
  refused("fe\n", /space/);
  refused("fe\0", /ASCII/);
  refused("né", /ASCII/);
  refused("fe/0", /one of/);
  refused("fe:0", /one of/);
  refused("fe%d", /one of/);
  refused(".", /reserved/);
  refused("..", /reserved/);
});

test("any text either passes the check or is rejected", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 20 }), (name) => {
      try {
        checkInterfaceName(name);
        assert.match(name, /^[!-~]{1,15}$/);
      } catch (error) {
        assert.ok(error instanceof InvalidInterfaceName);
      }
    }),
    { seed: 8169 },
  );
});

test("IPv4 addresses are parsed, and other text is rejected", () => {
  assert.deepEqual([...parseIpv4("192.0.2.255")], [192, 0, 2, 255]);
  for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "01.2.3.4", "1.2.3.4 ", "a.b.c.d", "1..2.3"])
    assert.throws(() => parseIpv4(text), OutOfRange, text);
});

test("loopback can be read without privileges", () => {
  using interfaces = Interfaces.open();
  assert.equal(interfaces.has("lo"), true);
  assert.equal(interfaces.index("lo"), 1);
  assert.equal(typeof interfaces.isUp("lo"), "boolean");
  assert.ok(interfaces.mtu("lo") > 0);
  assert.equal(interfaces.has("no-such-if"), false);
});

test("an interface that does not exist is ENODEV, with its name", () => {
  using interfaces = Interfaces.open();
  assert.throws(
    () => interfaces.mtu("no-such-if"),
    (error: unknown) => error instanceof SystemError && error.code === "ENODEV" && /no-such-if/.test(error.message),
  );
});

test("in a namespace of its own, an interface gets an address and an MTU, and is set up and down", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  assert.equal(interfaces.isUp("lo"), false);
  assert.equal(interfaces.ipv4("lo"), undefined);
  interfaces.setIpv4("lo", "127.0.0.9", 8);
  interfaces.up("lo");
  assert.equal(interfaces.isUp("lo"), true);
  assert.equal(interfaces.isRunning("lo"), true);
  assert.equal(interfaces.ipv4("lo"), "127.0.0.9");
  interfaces.setMtu("lo", 9000);
  assert.equal(interfaces.mtu("lo"), 9000);
  interfaces.down("lo");
  assert.equal(interfaces.isUp("lo"), false);
});

test("MTUs and prefixes out of range are refused before the kernel sees them", () => {
  using interfaces = Interfaces.open();
  for (const mtu of [0, 67, 65536, 1500.5, NaN]) assert.throws(() => interfaces.setMtu("lo", mtu), OutOfRange);
  for (const prefix of [0, 33, NaN]) assert.throws(() => interfaces.setIpv4("lo", "127.0.0.1", prefix), OutOfRange);
  assert.throws(() => interfaces.setHardwareAddress("lo", new Uint8Array(5)), OutOfRange);
  assert.throws(() => interfaces.setHardwareAddress("lo", Uint8Array.of(1, 0, 0, 0, 0, 0)), OutOfRange);
});

test("rtnetlink sets the GSO size, and reports errors", { skip }, () => {
  using namespace = NetworkNamespace.create();
  namespace.within(() => {
    setGsoMax(1, 16384, 64);
    assert.throws(() => setGsoMax(99, 16384, 64), { code: "ENODEV", syscall: "rtnetlink" });
    assert.throws(() => setGsoMax(1, 0, 64), OutOfRange);
    assert.throws(() => setGsoMax(1, 16384, 0), OutOfRange);
  });
});
