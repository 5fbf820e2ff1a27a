/** The NIC as a whole: identity, reset, the configuration lock, one frame each way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { Own } from "#chip/descriptors.ts";
import {
  Cfg9346,
  ChipCmd,
  Cmd,
  Config3,
  DTCCR,
  Dtccr,
  ERIAR,
  ERIDR,
  IDR0,
  IDR4,
  Intr,
  IntrMask,
  IntrStatus,
  Lock,
  MCU,
  Mcu,
  MissedPackets,
  PHYstatus,
  RDSAR,
  RDSARHigh,
  RxConf,
  RxConfig,
  RxMaxSize,
  TimerInt1,
  TNPDS,
  TxConfig,
  TxPoll,
} from "#chip/registers.ts";
import { OutOfRange } from "#kit/errors.ts";
import { BROADCAST, frame, Guest, MAC, RTL8168H, RX_RING, TX_RING } from "./guest.test-kit.ts";
import { pageBytes } from "./registers/page.ts";
import { readHasEffect } from "./registers/register-set.ts";
import { Rtl8169 } from "./rtl8169.ts";

/** Whether a register is computed when read. */
const live = (offset: number): boolean => readHasEffect(RTL8168H).includes(offset & ~3);

test("the NIC identifies itself as RTL8168H with an empty transmit FIFO", () => {
  const guest = new Guest();
  assert.equal(guest.r32(TxConfig), 0x54100800);
  assert.equal((guest.r32(TxConfig) >>> 20) & 0xfcf, 0x541);
});

test("the NIC keeps its identification whatever is written to TxConfig", () => {
  const guest = new Guest();
  guest.w32(TxConfig, 0xffff_ffff);
  assert.equal((guest.r32(TxConfig) >>> 20) & 0xfcf, 0x541);
  guest.w32(TxConfig, 0);
  assert.equal(guest.r32(TxConfig), 0x54100800);
});

test("the NIC is a Realtek Ethernet controller in configuration space, with an Express endpoint capability", () => {
  const { nic } = new Guest();
  assert.equal(nic.read("config", 0, 4), 0x8168_10ec);
  assert.equal(nic.read("config", 8, 4), 0x0200_0015);
  const found: number[] = [];
  for (let at = nic.read("config", 0x34, 1); at !== 0; at = nic.read("config", at + 1, 1))
    found.push(nic.read("config", at, 1));
  assert.deepEqual(found, [0x01, 0x05, 0x10, 0x11, 0x03]);
  nic.write("config", 0x18, 4, 0xffff_ffff);
  assert.equal(nic.read("config", 0x18, 4), 0xffff_f004);
});

test("the NIC's registers are accessible through the I/O window too", () => {
  const { nic } = new Guest();
  assert.equal(nic.read(0, TxConfig, 4), nic.read(2, TxConfig, 4));
});

test("the NIC has the MAC address in IDR and in the extended registers", () => {
  const guest = new Guest();
  assert.equal(guest.r32(IDR0), 0x3322_1102);
  assert.equal(guest.r16(IDR4), 0x5544);
  guest.w32(ERIAR, 0xf0e0);
  assert.ok(guest.r32(ERIAR) >= 0x8000_0000);
  assert.equal(guest.r32(ERIDR), 0x3322_1102);
});

test("the NIC ignores configuration writes while locked, and reports an offence", () => {
  const guest = new Guest();
  guest.w8(Config3, 0x20);
  guest.w32(IDR0, 0x1234_5602);
  assert.equal(guest.r8(Config3), 0);
  assert.equal(guest.r32(IDR0), 0x3322_1102);
  assert.equal(guest.nic.offences.locked, 2);
  guest.w8(Cfg9346, Lock.unlock);
  guest.w32(IDR4, 0xbbaa);
  guest.w32(IDR0, 0x1234_5602);
  assert.equal(guest.r32(IDR0), 0x1234_5602);
  assert.equal(guest.r16(IDR4), 0xbbaa);
  assert.equal(guest.nic.offences.locked, 2);
});

test("software reset clears itself, stops both directions, and preserves the MAC address and the PHY", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.w8(ChipCmd, Cmd.reset);
  assert.equal(guest.r8(ChipCmd), 0);
  assert.equal(guest.r32(RDSAR), RX_RING % 2 ** 32);
  assert.equal(guest.r32(IDR0), 0x3322_1102);
  assert.equal(guest.nic.link.up, true);
  assert.equal(guest.nic.receive(frame(BROADCAST, 60), 0, 60), false);
});

test("the NIC reports ready link lists and empty FIFOs from the start", () => {
  const ready = Mcu.linkListReady | Mcu.transmitEmpty | Mcu.receiveEmpty;
  assert.equal(new Guest().r8(MCU) & ready, ready);
});

test("a frame is sent unchanged, its descriptor is returned, and TxOK interrupts", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.w16(IntrStatus, 0xffff);
  guest.w16(IntrMask, Intr.transmitOk);
  const sent = frame(BROADCAST, 64);
  guest.send({ bytes: sent });
  assert.deepEqual(guest.cable.frames, [sent]);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
  assert.equal(guest.interrupts, 1);
  assert.ok(guest.r16(IntrStatus) & Intr.transmitOk);
  assert.ok(guest.cable.flushes > 0);
});

test("a frame arrives in the guest's buffer with four bytes for the FCS, and RxOK interrupts", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.post(4);
  guest.w16(IntrStatus, 0xffff);
  guest.w16(IntrMask, Intr.receiveOk);
  const received = frame(MAC, 100);
  assert.equal(guest.nic.receive(received, 0, 100), true);
  const got = guest.received(0);
  assert.equal(got.opts1 & 0x3fff, 104);
  assert.deepEqual(got.bytes, received);
  assert.equal(guest.interrupts, 1);
  assert.equal(guest.nic.counters.rxUnicast, 1);
});

test("the NIC does not access memory while bus mastering is off", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.post(1);
  guest.busMaster(false);
  guest.send({ bytes: frame(BROADCAST, 64) });
  assert.equal(guest.nic.receive(frame(MAC, 64), 0, 64), false);
  assert.equal(guest.cable.frames.length, 0);
  assert.ok(guest.descriptor(RX_RING, 0).opts1 & Own);
  assert.equal(guest.nic.offences.busMaster, 1);
});

test("a dump of the counters while bus mastering is off is an offence", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.busMaster(false);
  guest.w32(DTCCR, 0x4000 | Dtccr.dump);
  guest.clock.delay(1000);
  assert.equal(guest.nic.offences.busMaster, 1);
});

test("an offset without a register reads as zero, and is reported once", () => {
  const guest = new Guest();
  assert.equal(guest.r32(0x3f0), 0);
  assert.equal(guest.r32(0x3f0), 0);
  assert.equal(guest.r8(0x35), 0);
  guest.w8(0x35, 1);
  assert.equal(guest.nic.offences.unknown, 3);
  assert.deepEqual(
    guest.offences.map(({ name, where }) => [name, where]),
    [
      ["unknown", 0x3f0],
      ["unknown", 0x35],
    ],
  );
  assert.deepEqual(guest.offences[1]!.trace, ["r32 3f0=0", "r32 3f0=0", "r8 35=0", "w8 35=1"]);
});

test("narrow and wide accesses affect the byte lanes they name", () => {
  const guest = new Guest();
  guest.w8(IntrMask, 0x2f);
  assert.equal(guest.r16(IntrMask), 0x2f);
  guest.w8(IntrMask + 1, 0x80);
  assert.equal(guest.r32(IntrMask) & 0xffff, 0x802f);
  assert.equal(guest.nic.offences.width, 2);
});

test("the NIC keeps its registers in the supplied memory", () => {
  const memory = new SharedArrayBuffer(pageBytes(RTL8168H));
  const guest = new Guest({ memory });
  guest.bringUp();
  const view = new DataView(memory);
  for (let offset = 0; offset < 0x100; offset += 4)
    if (!live(offset)) assert.equal(view.getUint32(offset, true), guest.r32(offset), `at 0x${offset.toString(16)}`);
  assert.equal(view.getUint32(4096, true), 0x8168_10ec);
});

test("the NIC leaves the bus at the first offence in strict mode error", () => {
  const guest = new Guest({ strict: "error" });
  guest.w8(Config3, 1);
  assert.equal(guest.r32(TxConfig), 0xffff_ffff);
  guest.nic.reset();
  guest.busMaster();
  assert.equal(guest.r32(TxConfig), 0x54100800);
});

test("the NIC counts offences but does not report them with strict mode off", () => {
  const guest = new Guest({ strict: "off" });
  guest.w8(Config3, 1);
  assert.equal(guest.nic.offences.locked, 1);
  assert.equal(guest.offences.length, 0);
});

test("writing the halves of a ring address in the wrong order, or bits that the chip ignores, is an offence", () => {
  const guest = new Guest({ chip: chipNamed("rtl8169sc-980")! });
  guest.busMaster();
  guest.w32(RDSAR, 0x1010);
  guest.w32(RDSARHigh, 1);
  guest.w8(ChipCmd, Cmd.receiveEnable);
  assert.equal(guest.nic.offences.baseOrder, 1);
  assert.equal(guest.nic.offences.unaligned, 1);
  assert.equal(guest.r32(RDSAR), 0x1000);
});

test("a doorbell without a descriptor, or before the transmitter is enabled, is an offence", () => {
  const guest = new Guest();
  guest.w8(TxPoll, 0x40);
  guest.bringUp();
  guest.w8(TxPoll, 0x40);
  assert.equal(guest.nic.offences.disabled, 1);
  assert.equal(guest.nic.offences.idle, 1);
});

test("a write to a ring's base is an offence once the engine has used the ring, but drivers may enable the engine first", () => {
  const guest = new Guest();
  guest.busMaster();
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  const setBases = (): void => {
    for (const [register, ring] of [
      [TNPDS, TX_RING],
      [RDSAR, RX_RING],
    ] as const) {
      guest.w32(register, ring % 2 ** 32);
      guest.w32(register + 4, Math.floor(ring / 2 ** 32));
    }
  };
  for (let life = 0; life < 2; life++) {
    guest.w8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
    setBases();
    guest.w16(RxMaxSize, 0x3fff);
    guest.w32(RxConfig, RxConf.acceptPhysical);
    guest.post(1);
    guest.put({ bytes: frame(BROADCAST, 64) });
    guest.ring();
    assert.equal(guest.cable.frames.length, life + 1);
    assert.ok(guest.nic.receive(frame(MAC, 64), 0, 64));
    guest.w8(ChipCmd, 0);
    guest.setDescriptor(TX_RING, 0, 0, 0, 0);
    guest.rewind();
  }
  assert.equal(guest.nic.offences.running, 0);
  guest.w8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
  guest.post(1);
  assert.ok(guest.nic.receive(frame(MAC, 64), 0, 64));
  setBases();
  assert.equal(guest.nic.offences.running, 1);
  assert.equal(guest.offences.length, 1);
});

test("the NIC allows what multi-chip drivers do and real chips tolerate: a partial acknowledge, zeros to read-only registers", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.post(1);
  assert.ok(guest.nic.receive(frame(MAC, 64), 0, 64));
  assert.equal(guest.r16(IntrStatus) & Intr.receiveOk, Intr.receiveOk);
  guest.w8(IntrStatus, Intr.receiveOk);
  assert.equal(guest.r16(IntrStatus) & Intr.receiveOk, 0);
  guest.w32(MissedPackets, 0);
  guest.w16(TimerInt1, guest.r16(TimerInt1) & 0xf000);
  assert.deepEqual(guest.offences, []);
  guest.w32(MissedPackets, 1);
  assert.equal(guest.nic.offences.readOnly, 1);
});

test("the link comes up after negotiation and is reported in PHYstatus", () => {
  const guest = new Guest();
  assert.equal(guest.r8(PHYstatus), 0);
  guest.nic.setCarrier(true);
  assert.equal(guest.r8(PHYstatus), 0);
  guest.clock.delay(2000);
  assert.equal(guest.r8(PHYstatus) & 0x13, 0x13);
  assert.ok(guest.r16(IntrStatus) & Intr.linkChange);
});

test("a bus reset restores the registers, the station address and configuration space", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.w8(Cfg9346, Lock.unlock);
  guest.w32(IDR0, 0x0a0a_0a02);
  guest.nic.reset();
  assert.equal(guest.nic.read("config", 4, 2), 0);
  guest.busMaster();
  assert.equal(guest.r32(IDR0), 0x3322_1102);
  assert.equal(guest.r8(Cfg9346), 0);
  assert.equal(guest.r16(IntrStatus), 0);
});

test("a bus reset does not affect the PHY and the counters, a power cycle does", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.send({ bytes: frame(BROADCAST, 64) });
  guest.nic.reset();
  guest.busMaster(false);
  assert.deepEqual([guest.nic.link.up, guest.nic.counters.txFrames], [true, 1]);
  assert.equal(guest.r8(PHYstatus) & 0x13, 0x13);
  guest.nic.powerCycle();
  guest.busMaster(false);
  assert.deepEqual([guest.nic.link.up, guest.nic.counters.txFrames], [false, 0]);
  assert.equal(guest.r8(PHYstatus), 0);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, true);
});

test("the NIC does not interrupt while asleep, and signals pending events when it wakes", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.w16(IntrStatus, 0xffff);
  guest.w16(IntrMask, Intr.linkChange);
  const before = guest.interrupts;
  guest.nic.write("config", 0x44, 2, 3);
  guest.nic.setCarrier(false);
  assert.deepEqual([guest.interrupts, guest.nic.asserted()], [before, false]);
  guest.nic.write("config", 0x44, 2, 0);
  assert.deepEqual([guest.interrupts, guest.nic.asserted()], [before + 1, true]);
});

test("the model rejects a multicast address and too little memory", () => {
  const { clock } = new Guest();
  const base = { chip: RTL8168H, mac: MAC, clock, timers: clock.timers };
  assert.throws(() => new Rtl8169({ ...base, mac: "01:00:5e:00:00:01" }), OutOfRange);
  assert.throws(() => new Rtl8169({ ...base, memory: new ArrayBuffer(4096) }), OutOfRange);
});
