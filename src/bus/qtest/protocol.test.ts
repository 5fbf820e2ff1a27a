import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  interceptPins,
  Lines,
  parseLine,
  parseValue,
  readMemory,
  readPort,
  writeMemory,
  writePort,
} from "./protocol.ts";

test("requests are as in QEMU's description of the protocol", () => {
  assert.equal(readMemory(0xe000_0040, 4), "readl 0xe0000040");
  assert.equal(writeMemory(2 ** 32, 2, 0x1234), "writew 0x100000000 0x1234");
  assert.equal(readPort(0xcfe, 1), "inb 0xcfe");
  assert.equal(writePort(0xcf8, 4, 0x8000_0800), "outl 0xcf8 0x80000800");
  assert.equal(interceptPins("ioapic"), "irq_intercept_in ioapic");
});

test("parses replies", () => {
  assert.deepEqual(parseLine("OK"), { kind: "ok", text: "" });
  assert.deepEqual(parseLine("OK 0x0000000074800000"), { kind: "ok", text: "0x0000000074800000" });
  assert.deepEqual(parseLine("IRQ raise 21"), { kind: "irq", pin: 21, raised: true });
  assert.deepEqual(parseLine("IRQ lower 21"), { kind: "irq", pin: 21, raised: false });
  assert.deepEqual(parseLine("FAIL Unknown command 'x'"), { kind: "refused", why: "Unknown command 'x'" });
  assert.deepEqual(parseLine("ERR"), { kind: "refused", why: "no reason given" });
  for (const line of ["", "ok", "OKAY", "IRQ raise", "IRQ raise 256", "IRQ raise -1", "IRQ up 3", "HTTP/1.1 400"])
    assert.deepEqual(parseLine(line), { kind: "nonsense" }, line);
});

test("a reply is a number only if it fits the request", () => {
  assert.equal(parseValue("0x00000000000000ff", 1), 0xff);
  assert.equal(parseValue("0x0000000000000100", 1), undefined);
  assert.equal(parseValue("0xffff", 2), 0xffff);
  assert.equal(parseValue("0xffffffff", 4), 0xffff_ffff);
  for (const text of ["", "0x", "12", "0xg", "0x100000000", "0x00000000000000000"])
    assert.equal(parseValue(text, 4), undefined, text);
});

test("lines are complete and in order, however the stream was divided", () => {
  const line = fc.string({ unit: "grapheme-ascii", maxLength: 40 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(30), { maxLength: 40 }), (lines, cuts) => {
      const stream = Buffer.from(lines.map((text) => `${text}\n`).join(""), "latin1");
      const reader = new Lines();
      const out: string[] = [];
      let at = 0;
      for (const length of [...cuts, stream.length]) {
        assert.ok(reader.push(stream.subarray(at, at + length)));
        at += length;
        for (let next = reader.next(); next !== undefined; next = reader.next()) out.push(next);
      }
      assert.deepEqual(out, lines);
    }),
  );
});

test("an endless line is not kept without limit", () => {
  const reader = new Lines();
  assert.ok(reader.push(new Uint8Array(4096).fill(65)));
  assert.equal(reader.push(Uint8Array.of(65)), false);
  assert.equal(new Lines().push(Buffer.from(`${"A".repeat(5000)}\n`)), false);
});

test("no input makes the parser throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseValue(text, 4)));
  fc.assert(fc.property(fc.string(), (text) => assert.ok(parseLine(text).kind.length > 0)));
});
