import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed } from "#chip/chips.ts";
import { FerruleError } from "#kit/errors.ts";
import {
  parseAspm,
  parseBytes,
  parseDevice,
  parseChip,
  parseMtu,
  parseQueues,
  parseRings,
  parseStationAddress,
} from "./spec.ts";
import { parseWire } from "../wires/wire-spec.ts";
import { WrongUsage, parseInterfaceName } from "../terminal/usage.ts";

const refusal = (act: () => unknown): FerruleError => {
  try {
    act();
  } catch (error) {
    if (error instanceof FerruleError) return error;
    throw error;
  }
  return assert.fail("was accepted");
};

test("a model is chosen by its chip, and a served model by its socket", () => {
  assert.deepEqual(parseDevice("model:rtl8168h"), { kind: "model", chip: chipNamed("rtl8168h") });
  assert.deepEqual(parseDevice("vfio-user:/run/nic.sock"), { kind: "vfio-user", path: "/run/nic.sock" });
  assert.ok(refusal(() => parseDevice("vfio-user:")) instanceof WrongUsage);
});

test("an unknown chip is rejected, and the error suggests the most similar name", () => {
  const error = refusal(() => parseDevice("model:rtl8168hh"));
  assert.ok(error instanceof WrongUsage);
  assert.match(error.hint, /`rtl8168h`/);
});

test("a chip is found by the names on boards, in shops and in logs", () => {
  for (const [typed, key] of [
    ["RTL8168H", "rtl8168h"],
    ["rtl8111h", "rtl8168h"],
    ["8168h", "rtl8168h"],
    ["RTL8111HS-CG", "rtl8168h"],
    ["Realtek RTL8111HSH-CG", "rtl8168h"],
    ["RTL8111GS", "rtl8168g"],
    ["rtl8125bg", "rtl8125b"],
    ["RTL8125BG(S)".replaceAll(/[()]/g, ""), "rtl8125b"],
    ["8111ep", "rtl8168ep"],
    ["RTL8103E", undefined],
    ["rtl8126a-649", "rtl8126a-649"],
  ] as const)
    if (key === undefined) assert.ok(refusal(() => parseChip(typed)) instanceof WrongUsage, typed);
    else assert.equal(parseChip(typed).key, key, typed);
});

test("an ambiguous name, or a prefix of several, is rejected with all candidates", () => {
  for (const [typed, keys] of [
    ["rtl8126a", ["rtl8126a-649", "rtl8126a-64a"]],
    ["rtl8126", ["rtl8126a-649", "rtl8126a-64a"]],
    ["RTL8117", ["rtl8117-54a", "rtl8117-54b"]],
    ["8111fp", ["rtl8117-54a", "rtl8117-54b"]],
    ["r8125", ["rtl8125a", "rtl8125b", "rtl8125d-688", "rtl8125k"]],
    ["rtl8127", ["rtl8127a"]],
    ["rtl8168hx", ["rtl8168h"]],
  ] as const) {
    const error = refusal(() => parseChip(typed));
    assert.ok(error instanceof WrongUsage, typed);
    for (const key of keys) assert.ok(error.hint.includes(`\`${key}\``), `${typed}: ${error.hint}`);
  }
  assert.doesNotMatch(refusal(() => parseChip("rtl8126a")).hint, /8127/);
});

test("a chip with another number is not suggested", () => {
  for (const typed of ["rtl8128a", "e1000", "", "rtl", "8", "constructor", "x".repeat(100_000)])
    assert.doesNotMatch(refusal(() => parseChip(typed)).hint, /Did you mean|There are/, typed.slice(0, 20));
  assert.match(refusal(() => parseChip("rtl8139cp")).hint, /RTL8139C\+ has no model/);
});

test("a card is named by its address, with or without the domain", () => {
  for (const device of ["0000:0a:00.0", "0a:00.0", "0000:0A:00.0"])
    assert.deepEqual(parseDevice(device), { kind: "pci", address: "0000:0a:00.0" });
  for (const wrong of ["0a:00.8", "0a:20.0", "0a:00", ":0a:00.0"])
    assert.ok(refusal(() => parseDevice(wrong)) instanceof WrongUsage, wrong);
});

test("a chip name alone is rejected, with a hint on how to write the device", () =>
  assert.match(refusal(() => parseDevice("rtl8168h")).hint, /model:rtl8168h/));

test("an interface name is accepted only if the kernel uses it unchanged", () => {
  for (const name of ["fe0", "a", "fe0.100", "x".repeat(15)]) assert.equal(parseInterfaceName(name), name);
  for (const name of ["", "x".repeat(16), "fe%d", "a/b", "a b", ".", "..", "fe:0", "ä"])
    assert.ok(refusal(() => parseInterfaceName(name)) instanceof WrongUsage, name);
});

test("an MTU is between RFC 791's minimum and the chip's maximum", () => {
  const chip = chipNamed("rtl8168h")!;
  assert.equal(parseMtu("68", chip), 68);
  assert.equal(parseMtu("9194", chip), 9194);
  for (const wrong of ["67", "9195", "1500.5", "", "-1", "1e3", "0x600"])
    assert.ok(refusal(() => parseMtu(wrong, chip)) instanceof WrongUsage, wrong);
});

test("the number of descriptors is a power of two, from 64 to the chip's limit", () => {
  assert.equal(parseRings("64", chipNamed("rtl8169s")), 64);
  assert.equal(parseRings("1024", chipNamed("rtl8169s")), 1024);
  assert.equal(parseRings("4096", chipNamed("rtl8168h")), 4096);
  assert.equal(parseRings("4096"), 4096);
  for (const wrong of ["32", "100", "2048", "64.0", "0x40", "-64", ""])
    assert.match(
      refusal(() => parseRings(wrong, chipNamed("rtl8169s"))).hint,
      /^Choose a power of two from 64 to 1024\.$/,
    );
});

test("the number of queues is a power of two, up to the chip's limit", () => {
  for (const [text, chip, queues] of [
    ["1", "rtl8168h", 1],
    ["4", "rtl8125b", 4],
    ["8", "rtl8127a", 8],
  ] as const)
    assert.equal(parseQueues(text, chipNamed(chip)), queues);
  assert.equal(parseQueues("8"), 8);
  for (const wrong of ["0", "3", "8", "16", "-1", "2.0", "", "x"])
    assert.equal(refusal(() => parseQueues(wrong, chipNamed("rtl8125b"))).hint, "Choose a power of two up to 4.");
  assert.equal(refusal(() => parseQueues("2", chipNamed("rtl8168g"))).hint, "This chip has one queue: omit --queues.");
});

test("an amount of data takes binary suffixes", () => {
  assert.equal(parseBytes("1000"), 1000);
  assert.equal(parseBytes("8M"), 8 * 2 ** 20);
  assert.equal(parseBytes("1g"), 2 ** 30);
  assert.equal(parseBytes("1.5KiB"), 1536);
  for (const wrong of ["", "0", "-1", "M", "1T", "1e9", "NaN", "1025G", "9".repeat(400)])
    assert.ok(refusal(() => parseBytes(wrong)) instanceof WrongUsage, wrong);
});

test("any text is either accepted or rejected with an error", () => {
  const chip = chipNamed("rtl8168h")!;
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const parse of [
        parseDevice,
        parseWire,
        parseInterfaceName,
        parseBytes,
        parseRings,
        parseAspm,
        (t: string) => parseMtu(t, chip),
      ])
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof FerruleError && error.hint !== "", String(error));
        }
    }),
    { seed: 8168 },
  );
});

test("a station address must be unicast", () => {
  assert.deepEqual(parseStationAddress("02-00-5E-10-00-01"), Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1));
  for (const text of ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:00:5e:10:00", ""]) {
    const error = refusal(() => parseStationAddress(text));
    assert.ok(error instanceof WrongUsage, text);
    assert.match(error.hint, /02:00:5e:10:00:01/);
  }
});
