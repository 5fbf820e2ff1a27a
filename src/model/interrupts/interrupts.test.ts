/** Interrupts: edges, the mask, a frame that races with a late acknowledge, mitigation, the timer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { IMR0, TCTR2, TIMER_INT2 } from "#chip/registers-8125.ts";
import {
  CPlus,
  CPlusCmd,
  Intr,
  IntrMask,
  IntrMitigate,
  IntrStatus,
  Poll,
  TimerCount,
  TimerInt,
  TxPoll,
} from "#chip/registers.ts";
import { Timers, VirtualClock } from "#kit/clock.ts";
import { BROADCAST, frame, Guest } from "../guest.test-kit.ts";

const up = (mask: number, key = "rtl8168h"): Guest => {
  const guest = new Guest({ chip: CHIPS.find((chip) => chip.key === key)! });
  guest.bringUp();
  guest.post(64);
  guest.w16(IntrStatus, 0xffff);
  guest.w16(IntrMask, mask);
  return guest;
};
const arrive = (guest: Guest): boolean => guest.nic.receive(frame(BROADCAST, 64), 0, 64);

test("the chip interrupts once for events that arrive before the first is acknowledged", () => {
  const guest = up(Intr.receiveOk);
  for (let i = 0; i < 5; i++) arrive(guest);
  assert.equal(guest.interrupts, 1);
  const status = guest.r16(IntrStatus);
  guest.w16(IntrStatus, status);
  assert.equal(guest.r16(IntrStatus), 0);
  arrive(guest);
  assert.equal(guest.interrupts, 2);
});

test("a masked event stays pending, and interrupts when unmasked", () => {
  const guest = up(0);
  arrive(guest);
  assert.equal(guest.interrupts, 0);
  guest.w16(IntrMask, Intr.transmitOk);
  assert.equal(guest.interrupts, 0);
  guest.w16(IntrMask, Intr.receiveOk);
  assert.equal(guest.interrupts, 1);
});

test("an acknowledge clears only the events that are written as one", () => {
  const guest = up(0);
  arrive(guest);
  guest.w8(TxPoll, Poll.softwareInterrupt);
  guest.w16(IntrStatus, Intr.receiveOk);
  assert.equal(guest.r16(IntrStatus), Intr.software);
});

test("a frame that arrives between the guest's read of the status and the acknowledge still interrupts", () => {
  const guest = up(Intr.receiveOk);
  arrive(guest);
  const status = guest.r16(IntrStatus);
  arrive(guest);
  guest.w16(IntrStatus, status);
  assert.equal(guest.r16(IntrStatus), Intr.receiveOk);
  assert.equal(guest.interrupts, 2);
  guest.w16(IntrStatus, Intr.receiveOk);
  assert.equal(guest.r16(IntrStatus), 0);
});

test("a frame that arrives while the guest has masked interrupts causes an interrupt when they are unmasked", () => {
  const guest = up(Intr.receiveOk);
  arrive(guest);
  const status = guest.r16(IntrStatus);
  guest.w16(IntrMask, 0);
  arrive(guest);
  guest.w16(IntrStatus, status);
  guest.w16(IntrMask, Intr.receiveOk);
  assert.equal(guest.interrupts, 2);
});

test("an acknowledge without a read clears all events, as on the chip", () => {
  const guest = up(0);
  arrive(guest);
  arrive(guest);
  guest.w16(IntrStatus, 0xffff);
  assert.equal(guest.nic.read(2, IntrStatus, 2), 0);
});

test("an acknowledge posted with the guest's event count keeps later events", () => {
  const guest = up(Intr.receiveOk);
  arrive(guest);
  const seen = guest.nic.eventsRaised;
  arrive(guest);
  guest.nic.seen(seen);
  guest.w16(IntrStatus, Intr.receiveOk);
  assert.equal(guest.interrupts, 2);
  guest.nic.seen(guest.nic.eventsRaised);
  guest.w16(IntrStatus, Intr.receiveOk);
  assert.equal(guest.r16(IntrStatus), 0);
});

test("an acknowledge clears its event when the count of events wraps", () => {
  const guest = up(Intr.receiveOk);
  guest.nic.seen(-2);
  arrive(guest);
  const status = guest.r16(IntrStatus);
  guest.w16(IntrStatus, status);
  assert.equal(guest.r16(IntrStatus), 0);
});

test("mitigation delays the interrupt until enough frames arrived", () => {
  const guest = up(Intr.receiveOk);
  // Limits for received frames: 15 units of time, and 2 × 4 frames.
  guest.w16(IntrMitigate, 0x00f2);
  for (let i = 0; i < 7; i++) arrive(guest);
  assert.equal(guest.interrupts, 0);
  arrive(guest);
  assert.equal(guest.interrupts, 1);
});

test("mitigation ends after its time, in units that depend on CPlusCmd and speed", () => {
  const guest = up(Intr.receiveOk);
  guest.w16(CPlusCmd, 1);
  guest.w16(IntrMitigate, 0x002f);
  arrive(guest);
  guest.clock.delay(79);
  assert.equal(guest.interrupts, 0);
  guest.clock.delay(2);
  assert.equal(guest.interrupts, 1);
});

test("mitigation of one direction does not affect the other", () => {
  const guest = up(Intr.receiveOk | Intr.transmitOk);
  guest.w16(IntrMitigate, 0xff00);
  guest.send({ bytes: frame(BROADCAST, 64) });
  assert.equal(guest.interrupts, 0);
  arrive(guest);
  assert.equal(guest.interrupts, 1);
  assert.equal(guest.r16(IntrStatus) & (Intr.receiveOk | Intr.transmitOk), Intr.receiveOk);
});

test("disabling mitigation releases delayed events", () => {
  const guest = up(Intr.receiveOk);
  guest.w16(IntrMitigate, 0x00ff);
  arrive(guest);
  guest.w16(IntrMitigate, 0);
  assert.equal(guest.interrupts, 1);
});

test("mitigation counts no frames while the packet counter is off", () => {
  const guest = up(Intr.receiveOk);
  guest.w16(CPlusCmd, CPlus.packetCounterOff);
  guest.w16(IntrMitigate, 0x00f1);
  for (let i = 0; i < 8; i++) arrive(guest);
  assert.equal(guest.interrupts, 0);
  guest.clock.delay(75);
  assert.equal(guest.interrupts, 1);
});

test("an RTL8169 counts its mitigation in units of 320 ns at 1 Gbit/s", () => {
  const guest = up(Intr.receiveOk, "rtl8169s");
  guest.w16(IntrMitigate, 0x00f0);
  arrive(guest);
  guest.clock.delay(4.7);
  assert.equal(guest.interrupts, 0);
  guest.clock.delay(0.2);
  assert.equal(guest.interrupts, 1);
});

test("the timer of a PCI chip counts the bus clock", () => {
  const guest = up(0, "rtl8169s");
  guest.w32(TimerCount, 0);
  guest.clock.delay(100);
  assert.equal(guest.r32(TimerCount), 3300);
});

test("an RTL8125 has four timers, each with a threshold of its own", () => {
  const guest = up(0, "rtl8125b");
  guest.w32(TCTR2, 0);
  guest.clock.delay(8);
  guest.w32(TimerCount, 0);
  guest.clock.delay(8);
  assert.equal(guest.r32(TCTR2), 2000);
  assert.equal(guest.r32(TimerCount), 1000);
  guest.w32(IMR0, Intr.timer);
  guest.w32(TIMER_INT2, 125 * 20);
  guest.clock.delay(3);
  assert.equal(guest.interrupts, 0);
  guest.clock.delay(1);
  assert.equal(guest.interrupts, 1);
});

test("the timer interrupts again after each wrap", () => {
  const guest = up(Intr.timer);
  guest.w32(TimerCount, 0);
  guest.w32(TimerInt, 125);
  guest.clock.delay(1);
  guest.w16(IntrStatus, guest.r16(IntrStatus));
  guest.clock.delay(2 ** 32 / 125 - 1);
  assert.equal(guest.interrupts, 1);
  guest.clock.delay(1);
  assert.equal(guest.interrupts, 2);
});

test("the timer counts 125 ticks a microsecond and restarts when written", () => {
  const guest = up(0);
  guest.w32(TimerCount, 0);
  guest.clock.delay(8);
  assert.equal(guest.r32(TimerCount), 1000);
  guest.w32(TimerCount, 0xffff);
  assert.equal(guest.r32(TimerCount), 0);
});

test("a restarted timer still interrupts if the thread is delayed during the restart", () => {
  // Each reading of the clock takes longer than the timer runs.
  const clock = new VirtualClock();
  const timers = new Timers();
  const late = {
    now: () => {
      clock.delay(200);
      return clock.now();
    },
  };
  const guest = new Guest({ clock: late, timers });
  guest.w16(IntrMask, Intr.timer);
  guest.w32(TimerInt, 125 * 100);
  guest.w32(TimerCount, 0);
  assert.ok(timers.next - clock.now() < 1000, `${timers.next - clock.now()} µs left`);
  timers.run(timers.next);
  assert.equal(guest.interrupts, 1);
});

test("the timer interrupts when it reaches TimerInt", () => {
  const guest = up(Intr.timer);
  guest.w32(TimerCount, 0);
  guest.w32(TimerInt, 125 * 50);
  guest.clock.delay(49);
  assert.equal(guest.interrupts, 0);
  guest.clock.delay(1);
  assert.equal(guest.interrupts, 1);
  guest.w32(TimerInt, 0);
  guest.clock.delay(100_000);
  assert.equal(guest.interrupts, 1);
});
