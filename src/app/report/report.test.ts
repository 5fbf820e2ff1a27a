import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { DirectDevice } from "#bus/direct.ts";
import { LEGACY_CHIPS, type Chip, CHIPS, chipNamed } from "#chip/chips.ts";
import { IntrStatus } from "#chip/registers.ts";
import { VirtualClock } from "#kit/clock.ts";
import { ro16 } from "#kit/mmio.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { Recorder } from "./recorder.ts";
import { REDACTED, Redaction } from "./redaction.ts";
import { readRegisters } from "./register-table.ts";
import { type DeviceReport, reportOn, sweptReport } from "./report.ts";
import { Redactor } from "./sweep.ts";

const MAC = "00:e0:4c:6a:b7:c9";

interface Reported {
  readonly report: DeviceReport;
  readonly model: Rtl8169;
  /** Offsets of the registers that were written. */
  readonly written: readonly number[];
}

const reportFor = (chip: Chip, { carrier = true, mac = MAC } = {}): Reported => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip, mac, clock, timers: clock.timers });
  model.setCarrier(carrier);
  const written: number[] = [];
  const registers = chip.bus === "pci" ? 1 : 2;
  const target: Target = {
    size: (region) => model.size(region),
    read: (region, offset, width) => model.read(region, offset, width),
    write: (region: RegionName, offset, width, value) => {
      if (region === registers) written.push(offset);
      model.write(region, offset, width, value);
    },
    reset: () => model.reset(),
    powerCycle: () => model.powerCycle(),
    detach: () => model.detach(),
    memoryChanged: () => model.memoryChanged(),
    asserted: () => model.asserted(),
    attach: (memory, raise) => model.attach(memory, raise),
  };
  using device = new DirectDevice(target, { name: `model:${chip.key}`, registers, dmaBytes: 16 << 20, vectors: 1 });
  return { report: reportOn({ device, clock }), model, written };
};

const RTL8168H = chipNamed("rtl8168h")!;
const text = (report: DeviceReport): string => JSON.stringify(report);

suite("a report", () => {
  test("a supported chip's report has link, PHY, counters, registers and every access of the bring-up", () => {
    const { report, model } = reportFor(RTL8168H);
    assert.equal(report.chip, "RTL8168h/8111h");
    assert.equal(report.xid, "0x0541");
    assert.equal(report.bringUp.error, undefined);
    assert.equal(report.bringUp.speed, 1000);
    assert.ok((report.bringUp.carrierMicros ?? -1) >= 0);
    assert.equal(report.phy["PHYID1"], "0x001c");
    assert.equal(report.counters["txPackets"], 0);
    assert.ok(report.registers.some((line) => /^0x0037 ChipCmd = 0x0c {2}receiveEnable transmitEnable$/.test(line)));
    assert.equal(report.config["VendorId"], "0x10ec");
    assert.ok(report.trace.some((line) => /^write8 0x0037 = 0x10 {2}ChipCmd: reset$/.test(line)));
    assert.deepEqual(
      Object.entries(model.offences).filter(([, count]) => count > 0),
      [],
    );
  });

  test("a report without a cable has no carrier time, and contains everything else", () => {
    const { report } = reportFor(RTL8168H, { carrier: false });
    assert.equal(report.bringUp.carrierMicros, undefined);
    assert.equal(report.bringUp.speed, 0);
    assert.ok(report.registers.length > 50);
    assert.ok(report.trace.some((line) => /PHYstatus {2}\(\d{3,} times\)/.test(line)));
  });

  test("a report contains no MAC address in any notation", () => {
    const byte = fc.integer({ min: 1, max: 254 });
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte), fc.constantFrom(RTL8168H, chipNamed("rtl8125b")!), (tail, chip) => {
        const digits = tail.map((each) => each.toString(16).padStart(2, "0"));
        const { report } = reportFor(chip, { mac: ["00", "e0", "4c", ...digits].join(":") });
        const output = text(report).toLowerCase();
        const [a = "", b = "", c = ""] = digits;
        for (const pattern of [a + b + c, c + b + a, [a, b, c].join(":"), [a, b, c].join("-")])
          assert.ok(!output.includes(pattern), pattern);
      }),
      { numRuns: 20 },
    );
  });

  test("a report hides the registers of station address, filter and boot ROM by their names", () => {
    const { report } = reportFor(RTL8168H);
    for (const name of ["IDR0", "IDR4", "MAR0", "MAR4", "FLASH"])
      assert.ok(
        report.registers.some((line) => line.endsWith(`${name} = ${REDACTED}`)),
        name,
      );
    assert.ok(!Object.keys(report.config).some((name) => /Bar\d|Address/.test(name)));
  });
});

test("doorbells and registers that are cleared by reading are not read", () => {
  const everywhere = CHIPS.flatMap((chip) => readRegisters(chip).map(({ name }) => name));
  assert.ok(!everywhere.some((name) => /^(TxPoll|TPPOLL|ANER)/.test(name)));
  assert.ok(everywhere.includes("IntrStatus"));
});

test("the RTL8139C+ has a separate table, in which every name has an offset", () => {
  const rows = readRegisters(LEGACY_CHIPS[0]!);
  assert.ok(rows.length > 30);
  for (const { name, offset, width } of rows) {
    assert.ok(Number.isInteger(offset) && offset < 0x100, name);
    assert.equal(offset % (width / 8), 0, name);
  }
});

test("a value with two adjacent bytes of the address's last three, in either order, is hidden", () => {
  const redaction = new Redaction(Uint8Array.of(0x00, 0xe0, 0x4c, 0x6a, 0xb7, 0xc9));
  for (const value of [0x6ab7, 0xb76a, 0xc9b7, 0x116a_b700, 0x0011_b7c9]) assert.ok(redaction.isPrivate([], value, 4));
  for (const value of [0x6a00, 0x6a00_b700, 0xe04c, 0]) assert.ok(!redaction.isPrivate([], value, 4));
  assert.ok(!redaction.isPrivate([], 0xb7, 1));
  assert.ok(redaction.isPrivate(["IDR0"], 0, 4));
  const sparse = new Redaction(Uint8Array.of(0x00, 0xe0, 0x4c, 0x12, 0x00, 0x34));
  for (const value of [0x0012_0034, 0x3400_1200]) assert.ok(sparse.isPrivate([], value, 4));
  const trivial = new Redaction(Uint8Array.of(2, 0, 0, 0, 0, 1));
  assert.ok(!trivial.isPrivate([], 0x0000_0001, 4));
});

test("addresses, names and paths in device names and error messages are removed; formatted values stay", () => {
  const planted = [
    "enx021122334455",
    "0211.2233.4455",
    "2001:db8::",
    "192.0.2.1",
    "alice",
    "/home/x/nic.sock",
    "4C:1-2",
  ];
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip: RTL8168H, mac: MAC, clock, timers: clock.timers });
  const secrets = planted.join(" ");
  using device = new DirectDevice(model, { name: `vfio-user:${secrets}`, registers: 2, dmaBytes: 1 << 20, vectors: 1 });
  // This makes the bring-up fail, with an error that contains the planted texts.
  device.setBusMaster = () => {
    throw new Error(secrets);
  };
  const redactor = new Redactor({ names: ["alice"], serials: ["4C:1-2"] });
  const output = text(sweptReport(reportOn({ device, clock }), redactor)).toLowerCase();
  for (const word of planted) assert.ok(!output.includes(word.toLowerCase()), word);
  const { report } = reportFor(RTL8168H);
  assert.deepEqual(sweptReport(report, redactor), report);
});

test("the recorder counts repetitions, and stops at its limit", () => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip: RTL8168H, mac: MAC, clock, timers: clock.timers });
  using device = new DirectDevice(model, { name: "model", registers: 2, dmaBytes: 1 << 20, vectors: 1 });
  const recorder = new Recorder();
  const { registers } = recorder.around(device);
  for (let i = 0; i < 5; i++) registers.read16(IntrStatus);
  assert.deepEqual(recorder.accesses, [{ write: false, offset: IntrStatus, width: 2, value: 0, times: 5 }]);
  for (let i = 0; i < 6_000; i++) registers.read16(i % 2 === 0 ? ro16(0) : IntrStatus);
  assert.equal(recorder.accesses.length, 5_000);
  assert.ok(recorder.lost > 0);
});
