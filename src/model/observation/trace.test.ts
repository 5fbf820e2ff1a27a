import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import type { Target } from "#kit/target.ts";
import { BASE, Guest, MEMORY_BYTES, OneRegion, RTL8168H } from "../guest.test-kit.ts";
import { RegisterNames } from "./register-names.ts";
import { registersOf } from "../registers/register-set.ts";
import { Trace, type TraceFormat } from "./trace.ts";

const setUp = (format: TraceFormat = "text") => {
  const lines: string[] = [];
  const clock = new VirtualClock();
  const trace = new Trace({ format, clock, write: (line) => lines.push(line) });
  const guest = new Guest({ report: (offence) => trace.offence(offence) });
  const nic: Target = trace.wrap(guest.nic, new RegisterNames(registersOf(RTL8168H), RTL8168H, guest.nic));
  nic.attach(new OneRegion(BASE, MEMORY_BYTES), () => {});
  return { lines, clock, trace, guest, nic };
};

/** The lines without their times. */
const text = (lines: readonly string[]): string[] => lines.map((line) => line.slice(13).replaceAll(/ +/g, " ").trim());

test("the trace names registers and their bits, and the consequences of a write", () => {
  const { lines, nic, clock } = setUp();
  clock.delay(1234.4);
  nic.write(2, 0x37, 1, 0x10);
  nic.read(2, 0x37, 1);
  nic.read(2, 0x3e, 2);
  nic.write(2, 0x3c, 2, 0x25);
  nic.write("config", 4, 2, 0x6);
  assert.equal(lines[0]!.slice(0, 13), "     0.001234");
  assert.deepEqual(text(lines), [
    "- write8 bar2+0x37 0x10 ChipCmd: reset -> reset",
    "- read8 bar2+0x37 0x00 ChipCmd",
    "- read16 bar2+0x3e 0x0000 IntrStatus",
    "- write16 bar2+0x3c 0x0025 IntrMask: linkChange transmitOk receiveOk",
    "- write16 config+0x04 0x0006 Command: busMaster memory",
  ]);
});

test("the trace names the fields of side-bus commands, and the capabilities of configuration space", () => {
  const { lines, nic } = setUp();
  nic.write(2, 0xb8, 4, 0xa430 * 2 ** 15);
  const power = nic.read("config", 0x34, 1);
  nic.read(4, 0x2c, 4);
  nic.write("config", power + 4, 2, 3);
  const [ocp, , msix, control] = text(lines);
  assert.match(ocp!, /PHYOCP: address=0xa430/);
  assert.match(control!, /Power\.Control: state=3$/);
  assert.match(msix!, /bar4\+0x2c .* MsiX\[2\]\.Control: masked$/);
});

test("a wide access names every register it covers, and a narrow one is marked as part", () => {
  const { lines, nic } = setUp();
  nic.write(2, 0x3c, 4, 0xffff_0001);
  nic.read(2, 0x45, 1);
  nic.read(2, 0x3e, 4);
  assert.match(lines[0]!, /IntrMask: receiveOk, IntrStatus: systemError timer .* -> offence width$/);
  assert.match(lines[1]!, /offence width at 0x3c/);
  assert.match(lines[2]!, /RxConfig \(part\)/);
  assert.match(lines[3]!, /IntrStatus.*, TxConfig \(part\)/);
});

test("an interrupt or offence during an access is traced as its consequence, otherwise on a line of its own", () => {
  const { lines, guest, nic } = setUp();
  nic.write(2, 0x3c, 2, 0x100);
  nic.write(2, 0x38, 1, 0x01);
  nic.write(2, 0x54, 1, 0x20);
  assert.match(lines[1]!, /TxPoll: softwareInterrupt {2}-> interrupt 0$/);
  assert.match(lines[2]!, /Config3: magicPacket {2}-> offence locked$/);
  assert.match(lines[3]!, /offence locked at 0x54: a configuration register was written while Cfg9346 was locked/);
  nic.write(2, 0x3e, 2, 0xffff);
  nic.write(2, 0x3c, 2, 0x20);
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  assert.match(lines.at(-1)!, / interrupt 0$/);
});

test("as JSON every line is one record with numbers", () => {
  const { lines, nic, trace } = setUp("json");
  trace.client = 3;
  nic.write(2, 0x37, 1, 0x0c);
  trace.emit({ event: "map", address: 0x1000, length: 0x2000, access: "rw" });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      {
        micros: 0,
        client: 3,
        event: "write",
        region: "bar2",
        offset: 0x37,
        width: 8,
        value: 0x0c,
        registers: [{ name: "ChipCmd", value: 12, fields: { receiveEnable: 1, transmitEnable: 1 } }],
        effects: [],
      },
      { micros: 0, client: 3, event: "map", address: 0x1000, length: 0x2000, access: "rw" },
    ],
  );
});

test("events have a line of text each", () => {
  const { lines, trace } = setUp();
  trace.client = 1;
  trace.emit({ event: "connect" });
  trace.emit({ event: "unmap", address: 0, length: 0x8000_0000 });
  trace.emit({ event: "link", what: "down" });
  assert.deepEqual(text(lines), ["1 connect", "1 dma unmap 0x0 to 0x80000000", "1 link down"]);
});

test("a traced device gets accesses, sizes and resets unchanged; an offset without a register has no name", () => {
  const { lines, guest, nic } = setUp();
  assert.equal(nic.size(2), guest.nic.size(2));
  assert.equal(nic.read(2, 0x40, 4), guest.nic.read(2, 0x40, 4));
  nic.read(2, 0x3f0, 4);
  assert.match(lines.at(-2)!, /\? {2}-> offence unknown$/);
  nic.write(2, 0x38, 1, 0x40);
  assert.match(lines.at(-2)!, /TxPoll: normalPriority {2}-> doorbell, offence disabled$/);
  nic.write("config", 4, 2, 7);
  nic.reset();
  assert.match(lines.at(-1)!, / reset$/);
  assert.equal(guest.nic.read("config", 4, 2), 0);
});
