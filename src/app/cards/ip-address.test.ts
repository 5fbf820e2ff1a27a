import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { addressBytes, addressOfWords, addressText, isLinkLocal, isLoopback } from "./ip-address.ts";

const bytes = (text: string): Uint8Array => addressBytes(text)!;

test("addresses are read and written as in RFC 5952", () => {
  for (const text of ["192.0.2.1", "::", "::1", "fe80::1", "2001:db8::1:0:0:1", "2001:db8:1:2:3:4:5:6", "1::"])
    assert.equal(addressText(addressBytes(text)!), text);
  assert.equal(addressText(addressBytes("2001:DB8:0:0:1:0:0:1")!), "2001:db8::1:0:0:1");
  assert.equal(addressText(addressBytes("::ffff:10.0.0.1")!), "10.0.0.1");
  for (const text of ["", "1.2.3", "256.1.1.1", "fe80::1%eth0", "::1::", "host"])
    assert.equal(addressBytes(text), undefined);
});

test("an address that is written and parsed again is unchanged", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const bytes = addressBytes(text)!;
      assert.deepEqual(addressBytes(addressText(bytes)), bytes, text);
    }),
  );
});

test("the addresses of /proc/net/tcp are parsed: hexadecimal words in the machine's byte order", () => {
  assert.equal(addressText(addressOfWords("0100007F")!), "127.0.0.1");
  assert.equal(addressText(addressOfWords("000080FE000000000000000002000000")!), "fe80::2");
  assert.equal(addressText(addressOfWords("0000000000000000FFFF00000500000A")!), "10.0.0.5");
  for (const text of ["", "0100007", "x".repeat(8)]) assert.equal(addressOfWords(text), undefined);
});

test("loopback and link-local addresses are distinguished from others", () => {
  assert.deepEqual(
    ["127.3.2.1", "::1", "1.0.0.127", "::2"].map((text) => isLoopback(bytes(text))),
    [true, true, false, false],
  );
  assert.deepEqual(
    ["fe80::1", "febf::1", "fec0::1", "10.0.0.1"].map((text) => isLinkLocal(bytes(text))),
    [true, true, false, false],
  );
});
