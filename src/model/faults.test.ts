/** Effects of each fault. A fault occurs as many times as its count says, and no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChipCmd, Cmd, DTCCR, DTCCRHigh, Dtccr, FLAG, Intr, IntrMask, IntrStatus, PHYOCP } from "#chip/registers.ts";
import { ANAR, BMCR, Bmcr, OCP_STANDARD } from "#chip/phy.ts";
import { FAULTS, Faults, LINK_LOSS_MICROS } from "./faults.ts";
import { BASE, BROADCAST, frame, Guest } from "./guest.test-kit.ts";

const up = (): Guest => {
  const guest = new Guest();
  guest.bringUp();
  guest.post(64);
  guest.w16(IntrStatus, 0xffff);
  guest.w16(IntrMask, 0xffff);
  guest.interrupts = 0;
  return guest;
};
/** PHY-OCP address of a clause 22 register. */
const register = (number: number): number => OCP_STANDARD + 2 * number;
const arrive = (guest: Guest): boolean => guest.nic.receive(frame(BROADCAST, 64), 0, 64);
const serve = (guest: Guest): number => {
  const status = guest.r16(IntrStatus);
  guest.w16(IntrStatus, status);
  return status;
};

test("a lost interrupt leaves its event pending, and the next interrupt is signalled", () => {
  const guest = up();
  guest.nic.faults.arm("lost-interrupt", { count: 1 });
  arrive(guest);
  assert.equal(guest.interrupts, 0);
  assert.ok(guest.nic.asserted() && guest.nic.pending(0));
  assert.deepEqual(guest.nic.faults.armed, []);
  serve(guest);
  arrive(guest);
  assert.equal(guest.interrupts, 1);
});

test("a repeated interrupt is signalled again with no new event pending", () => {
  const guest = up();
  guest.nic.faults.arm("repeated-interrupt", { count: 2 });
  arrive(guest);
  serve(guest);
  guest.clock.delay(100);
  assert.equal(guest.interrupts, 2);
  assert.equal(guest.r16(IntrStatus), 0);
});

test("a stuck software reset keeps its bit in ChipCmd; a reset after the fault is disarmed completes", () => {
  const guest = up();
  guest.nic.faults.arm("stuck-reset");
  guest.w8(ChipCmd, Cmd.reset);
  guest.clock.delay(1_000_000);
  assert.equal(guest.r8(ChipCmd) & Cmd.reset, Cmd.reset);
  guest.nic.faults.disarm("stuck-reset");
  guest.w8(ChipCmd, Cmd.reset);
  assert.equal(guest.r8(ChipCmd), 0);
});

test("with stuck counters a dump never completes", () => {
  const guest = up();
  guest.nic.faults.arm("stuck-counters", { count: 1 });
  const dump = (): void => {
    guest.w32(DTCCRHigh, Math.floor(BASE / 2 ** 32));
    guest.w32(DTCCR, (BASE % 2 ** 32) + Dtccr.dump);
  };
  dump();
  guest.clock.delay(1_000_000);
  assert.equal(guest.r32(DTCCR) & Dtccr.dump, Dtccr.dump);
  dump();
  assert.equal(guest.r32(DTCCR) & Dtccr.dump, 0);
});

test("a silent PHY does not respond until the fault is disarmed", () => {
  const guest = up();
  const answers = (): boolean => {
    guest.w32(PHYOCP, 0xa400 << 15);
    guest.clock.delay(1_000_000);
    return (guest.r32(PHYOCP) & FLAG) !== 0;
  };
  guest.nic.faults.arm("silent-phy");
  assert.equal(answers(), false);
  guest.nic.faults.disarm("silent-phy");
  assert.equal(answers(), true);
});

test("a DMA error stops the chip at the first affected access, and the guest gets a system error", () => {
  const guest = up();
  arrive(guest);
  serve(guest);
  guest.nic.faults.arm("dma-error", { count: 1 });
  assert.equal(arrive(guest), false);
  assert.notEqual(serve(guest) & Intr.systemError, 0);
  assert.equal(guest.nic.offences.outside, 0);
  assert.deepEqual(guest.nic.faults.armed, []);
});

test("a full receive FIFO loses frames, counts them and raises the event", () => {
  const guest = up();
  guest.nic.faults.arm("receive-overflow", { count: 2 });
  assert.deepEqual([arrive(guest), arrive(guest), arrive(guest)], [false, false, true]);
  assert.notEqual(serve(guest) & Intr.receiveFifoOverflow, 0);
  assert.equal(guest.nic.counters.rxMissed, 2);
});

test("a removed card reads all ones, does nothing, and returns as after power-on", () => {
  const guest = up();
  guest.nic.faults.arm("removal");
  assert.equal(guest.r32(IntrStatus - 2), 0xffff_ffff);
  assert.equal(guest.nic.read("config", 0, 4), 0xffff_ffff);
  assert.equal(arrive(guest), false);
  assert.equal(guest.nic.asserted(), false);
  guest.w8(ChipCmd, Cmd.receiveEnable);
  guest.clock.delay(10_000);
  assert.equal(guest.interrupts, 0);
  assert.equal(guest.nic.offences.outside, 0);
  guest.nic.faults.disarm("removal");
  assert.equal(guest.nic.read("config", 0, 2), 0x10ec);
  guest.busMaster();
  assert.equal(guest.r8(ChipCmd), 0);
  guest.bringUp();
  guest.post(64);
  assert.equal(arrive(guest), true);
});

test("an electrostatic discharge clears the PHY's settings and its link; its registers read all ones until it is reset", () => {
  const guest = up();
  const before = guest.phyRead(register(ANAR));
  guest.phyWrite(register(ANAR), before | 0xc00);
  guest.nic.faults.arm("upset-phy");
  assert.deepEqual(guest.nic.faults.armed, []);
  assert.equal(guest.nic.link.up, false);
  guest.phyWrite(register(BMCR), Bmcr.autonegotiate | Bmcr.restart);
  guest.clock.delay(100_000);
  assert.deepEqual([guest.phyRead(register(ANAR)), guest.nic.link.up], [0xffff, false]);
  guest.phyWrite(register(BMCR), Bmcr.reset | Bmcr.autonegotiate);
  guest.clock.delay(100_000);
  assert.deepEqual([guest.phyRead(register(ANAR)), guest.nic.link.up], [before, true]);
});

test("a PHY that loses its settings brings the link up again with its power-on defaults", () => {
  const guest = up();
  const before = guest.phyRead(register(ANAR));
  guest.phyWrite(register(ANAR), before | 0xc00);
  guest.nic.faults.arm("forgetful-phy");
  guest.clock.delay(100_000);
  assert.deepEqual([guest.phyRead(register(ANAR)), guest.nic.link.up], [before, true]);
});

test("a lost doorbell leaves its frame in the ring, and the next doorbell sends both frames", () => {
  const guest = up();
  guest.nic.faults.arm("lost-doorbell", { count: 1 });
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.clock.delay(1_000_000);
  assert.equal(guest.cable.frames.length, 0);
  guest.send({ bytes: frame(BROADCAST, 61) });
  assert.deepEqual(
    guest.cable.frames.map(({ length }) => length),
    [60, 61],
  );
});

test("a stuck transmitter or receiver stays stuck for as many resets as the count", () => {
  const guest = up();
  guest.nic.faults.arm("stuck-transmitter", { count: 1 });
  guest.nic.faults.arm("stuck-receiver", { count: 1 });
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.deepEqual([guest.cable.frames.length, arrive(guest)], [0, false]);
  assert.notEqual(serve(guest) & Intr.receiveFifoOverflow, 0);
  guest.w8(ChipCmd, Cmd.reset);
  assert.deepEqual(guest.nic.faults.armed, []);
  guest.rewind();
  guest.bringUp();
  guest.post(64);
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.deepEqual([guest.cable.frames.length, arrive(guest)], [1, true]);
});

test("after a lost PCI Express link has come back, the card is in the state after a bus reset", () => {
  const guest = up();
  guest.nic.faults.arm("link-loss");
  assert.deepEqual([guest.r32(IntrStatus - 2), guest.nic.read("config", 0, 4)], [0xffff_ffff, 0xffff_ffff]);
  guest.clock.delay(LINK_LOSS_MICROS);
  assert.deepEqual([guest.nic.faults.armed, guest.nic.read("config", 0, 2)], [[], 0x10ec]);
  assert.equal(guest.nic.read("config", 4, 2) & 6, 0);
  guest.busMaster();
  assert.equal(guest.r8(ChipCmd), 0);
});

test("the number of past and remaining occurrences of each armed fault is reported", () => {
  const guest = up();
  guest.nic.faults.arm("receive-overflow", { count: 3 });
  guest.nic.faults.arm("stuck-reset");
  arrive(guest);
  assert.deepEqual(guest.nic.faults.armed, [
    { name: "receive-overflow", left: 2, struck: 1 },
    { name: "stuck-reset", left: Infinity, struck: 0 },
  ]);
});

test("unknown faults and invalid counts are rejected", () => {
  const faults = new Faults(() => {});
  assert.throws(() => faults.arm("gremlins"), { code: "OUT_OF_RANGE", hint: /lost-interrupt, / });
  assert.throws(() => faults.arm("toString"), { code: "OUT_OF_RANGE" });
  assert.throws(() => faults.disarm(""), { code: "OUT_OF_RANGE" });
  for (const count of [0, -1, 1.5, NaN, 1e18])
    assert.throws(() => faults.arm("stuck-reset", { count }), { code: "OUT_OF_RANGE" });
  for (const name of Object.keys(FAULTS)) {
    faults.arm(name);
    faults.disarm(name);
  }
  assert.equal(faults.any, false);
});
