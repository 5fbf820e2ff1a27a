import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { addressBytes } from "../cards/ip-address.ts";
import { Redactor, redacted } from "./sweep.ts";

const REDACTOR = new Redactor({ names: ["alice", "build-host"], serials: ["PF0XYZ12"] });

const hex = (value: number, digits = 2): string => value.toString(16).padStart(digits, "0");
const grouped = (digits: string, size: number, mark: string): string =>
  digits.match(new RegExp(`.{${size}}`, "g"))!.join(mark);

/** Notations of octets. */
const OCTET_FORMS: Readonly<Record<string, (octets: readonly number[]) => string>> = {
  colons: (octets) => octets.map((octet) => hex(octet)).join(":"),
  dashes: (octets) => octets.map((octet) => hex(octet)).join("-"),
  dots: (octets) => octets.map((octet) => hex(octet)).join("."),
  spaces: (octets) => octets.map((octet) => hex(octet)).join(" "),
  underscores: (octets) => octets.map((octet) => hex(octet)).join("_"),
  shortest: (octets) => octets.map((octet) => octet.toString(16)).join(":"),
  list: (octets) => octets.map((octet) => `0x${hex(octet)}`).join(", "),
  escapes: (octets) => octets.map((octet) => String.raw`\x${hex(octet)}`).join(""),
  url: (octets) => octets.map((octet) => hex(octet)).join("%3A"),
  bare: (octets) => octets.map((octet) => hex(octet)).join(""),
  number: (octets) => `0x${octets.map((octet) => hex(octet)).join("")}`,
  backwards: (octets) =>
    octets
      .toReversed()
      .map((octet) => hex(octet))
      .join(""),
  interface: (octets) => `enx${octets.map((octet) => hex(octet)).join("")}`,
  cisco: (octets) => grouped(octets.map((octet) => hex(octet)).join(""), 4, "."),
  huawei: (octets) => grouped(octets.map((octet) => hex(octet)).join(""), 4, "-"),
  decimal: (octets) => octets.join("."),
};

const IPV4_FORMS: Readonly<Record<string, (octets: readonly number[]) => string>> = {
  dotted: (octets) => octets.join("."),
  reverse: (octets) => `${octets.toReversed().join(".")}.in-addr.arpa`,
  "a host's name": (octets) => `ip-${octets.join("-")}`,
  "dotted hexadecimal": (octets) => octets.map((octet) => `0x${hex(octet)}`).join("."),
  hexadecimal: (octets) =>
    octets
      .map((octet) => hex(octet))
      .join("")
      .toUpperCase(),
  "a number": (octets) => `0x${octets.map((octet) => hex(octet)).join("")}`,
  "mapped into IPv6": (octets) => `::ffff:${octets.join(".")}`,
  "with a port": (octets) => `${octets.join(".")}:8080`,
};

const groupsOf = (text: string): readonly string[] =>
  Array.from({ length: 8 }, (_, i) => hex((addressBytes(text)![2 * i]! << 8) | addressBytes(text)![2 * i + 1]!, 4));
const IPV6_FORMS: Readonly<Record<string, (text: string) => string>> = {
  "as it comes": (text) => text,
  "upper case": (text) => text.toUpperCase(),
  "in full": (text) => groupsOf(text).join(":"),
  bare: (text) => groupsOf(text).join(""),
  reverse: (text) => `${groupsOf(text).join("").split("").toReversed().join(".")}.ip6.arpa`,
  "a name": (text) => `${text.replaceAll(":", "-").replace(/^-/, "0-").replace(/-$/, "-0")}.ipv6-literal.net`,
};

/** Puts text around an address, with or without a separator. Redaction must find the address in this text. */
const around = fc.constantFrom(
  (planted: string) => planted,
  (planted: string) => `up to ${planted}, and no further`,
  (planted: string) => `peer=${planted};`,
  (planted: string) => `eth0(${planted})[${planted}]`,
  (planted: string) => `"${planted}"\n${planted}/64`,
  (planted: string) => `a ${planted} b ${planted}`,
);

const survives = (planted: string, text: string): boolean => text.toLowerCase().includes(planted.toLowerCase());

const octet = fc.integer({ min: 0, max: 255 });
const octets = (length: number) => fc.array(octet, { minLength: length, maxLength: length });

suite("no notation of an address survives", () => {
  for (const [form, spell] of Object.entries(OCTET_FORMS))
    test(`no MAC address, EUI-64, WWN, DUID or GUID survives in the form: ${form}`, () => {
      fc.assert(
        fc.property(fc.constantFrom(6, 8, 14, 16).chain(octets), around, (bytes, wrap) => {
          const planted = spell(bytes);
          for (const text of [redacted(wrap(planted)), REDACTOR.text(wrap(planted))])
            assert.ok(!survives(planted, text), text);
        }),
      );
    });

  for (const [form, spell] of Object.entries(IPV4_FORMS))
    test(`no IPv4 address survives in the form: ${form}`, () => {
      // 0.0.0.0 and 255.255.255.255 identify nobody.
      const some = octets(4).filter((bytes) => bytes.some((each) => each !== 0) && bytes.some((each) => each !== 255));
      fc.assert(
        fc.property(some, around, (bytes, wrap) => {
          const planted = spell(bytes);
          const text = REDACTOR.text(wrap(planted));
          assert.ok(!survives(planted, text), text);
          assert.ok(!survives(bytes.join("."), text), text);
        }),
      );
    });

  for (const [form, spell] of Object.entries(IPV6_FORMS))
    test(`no IPv6 address survives in the form: ${form}`, () => {
      const some = fc
        .ipV6()
        .filter((text) => addressBytes(text)!.length === 16 && addressBytes(text)!.some((each) => each !== 0));
      fc.assert(
        fc.property(some, around, (address, wrap) => {
          const planted = spell(address);
          const text = redacted(wrap(planted));
          assert.ok(!survives(planted, text), text);
        }),
      );
    });

  test("no UUID survives", () => {
    fc.assert(
      fc.property(fc.uuid(), around, (uuid, wrap) => assert.ok(!survives(uuid.slice(0, 8), redacted(wrap(uuid))))),
    );
  });

  test("this machine's names and serial numbers, labelled values, and paths are removed", () => {
    const text = REDACTOR.text(
      "Alice@build-host: /home/alice/my.sock, serial number: 4711-AB, S/N=X9, hostname = box7 uuid: Q, vfio-user:/tmp/nic pf0xyz12z",
    );
    for (const word of ["alice", "build-host", "4711", "X9", "box7", "PF0XYZ12", "my.sock", "nic", "home", "Q"])
      assert.ok(!survives(word, text.replaceAll(/<\w+>/g, "")), `${word} in ${text}`);
  });
});

test("PCI addresses, kernel paths, chip names and register values stay", () => {
  for (const line of [
    "0000:03:00.0 is in use by process 238",
    "/dev/vfio/7 cannot be opened [EBUSY]: see /sys/bus/pci/devices/0000:03:00.0 and /proc/cmdline",
    "unknown chip: the chip table has no row for the identification 0x0541",
    "register 0x003c reads 0xffffffff: the card has gone",
    "the reset did not end within 100 ms; 8.0 GT/s PCIe x1, intel_iommu=on,sm_on iommu.strict=1 vfio-pci.ids=10ec:8168",
    "10ec:8168 revision 15, subsystem 1458:e000 at 12:34:56",
  ])
    assert.equal(REDACTOR.text(line), line);
  for (const line of ["read32 0x0040 = 0x57100f80  TxConfig: interframeGap=3", "write16 0x003c = 0x803f  (5000 times)"])
    assert.equal(redacted(line), line);
});

test("every text of a document is redacted at any depth, and nothing else is changed", () => {
  const before = { a: ["alice", { b: "10.0.0.1", n: 4711, t: true }], u: undefined };
  assert.deepEqual(REDACTOR.all(before), { a: ["<name>", { b: "<IPv4>", n: 4711, t: true }], u: undefined });
});
