/** Pause frames: the chip obeys them, does not deliver them to the guest, and sends them when descriptors run out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CPlus, CPlusCmd, PHYstatus, PhyStatus, RxConf } from "#chip/registers.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { BROADCAST, frame, Guest, MAC } from "../guest.test-kit.ts";

const GROUP = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x01);
const pause = (quanta: number): Uint8Array => {
  const bytes = new Uint8Array(60);
  bytes.set(frame(GROUP, 14, 0x8808));
  put16(bytes, 14, 1);
  put16(bytes, 16, quanta);
  return bytes;
};
const up = (flow: number): Guest => {
  const guest = new Guest();
  guest.bringUp(RxConf.acceptPhysical | RxConf.acceptBroadcast | RxConf.acceptMulticast);
  guest.w32(0x08, 0xffff_ffff);
  guest.w32(0x0c, 0xffff_ffff);
  guest.w16(CPlusCmd, flow);
  guest.post(8);
  return guest;
};
const BOTH = CPlus.forceReceiveFlow | CPlus.forceTransmitFlow;
const give = (guest: Guest, bytes: Uint8Array): boolean => guest.nic.receive(bytes, 0, bytes.length);

test("a pause frame stops the transmitter for its quanta, and a pause frame of 0 quanta resumes it", () => {
  const guest = up(BOTH);
  assert.equal(give(guest, pause(1000)), false);
  guest.send({ bytes: frame(BROADCAST, 80) });
  assert.equal(guest.cable.frames.length, 0);
  // 1000 quanta of 512 bits last 512 µs at a gigabit per second.
  guest.clock.delay(511);
  assert.equal(guest.cable.frames.length, 0);
  guest.clock.delay(2);
  assert.equal(guest.cable.frames.length, 1);
  give(guest, pause(0xffff));
  guest.send({ bytes: frame(BROADCAST, 81) });
  give(guest, pause(0));
  assert.equal(guest.cable.frames.length, 2);
});

test("without flow control a pause frame is an ordinary multicast frame", () => {
  const guest = up(0);
  const negotiated = guest.r8(PHYstatus) & PhyStatus.receiveFlow;
  assert.equal(negotiated, 0);
  assert.equal(give(guest, pause(1000)), true);
  guest.send({ bytes: frame(BROADCAST, 80) });
  assert.equal(guest.cable.frames.length, 1);
});

test("MAC control frames of another opcode, and truncated pause frames, do not stop the transmitter", () => {
  const guest = up(BOTH);
  const bytes = pause(1000);
  put16(bytes, 14, 2);
  give(guest, bytes);
  give(guest, pause(1000).subarray(0, 17));
  guest.send({ bytes: frame(BROADCAST, 80) });
  assert.equal(guest.cable.frames.length, 1);
});

test("the chip requests a pause when a frame finds no descriptor, and ends the pause when a descriptor is free", () => {
  const guest = up(BOTH);
  guest.post(1);
  give(guest, frame(MAC, 64));
  assert.equal(give(guest, frame(MAC, 64)), false);
  give(guest, frame(MAC, 64));
  guest.clock.delay(200);
  assert.equal(guest.cable.frames.length, 1);
  const [asked] = guest.cable.frames;
  assert.deepEqual(asked!.slice(0, 14), Uint8Array.of(...GROUP, ...MAC, 0x88, 0x08));
  assert.deepEqual([get16(asked!, 14), get16(asked!, 16), asked!.length], [1, 0xffff, 60]);
  guest.post(4);
  guest.clock.delay(100);
  assert.equal(get16(guest.cable.frames[1]!, 16), 0);
  guest.clock.delay(100_000);
  assert.equal(guest.cable.frames.length, 2);
});

test("after a requested pause has expired, the chip requests another when it loses the next frame", () => {
  const guest = up(BOTH);
  guest.post(1);
  give(guest, frame(MAC, 64));
  for (let i = 0; i < 3; i++) {
    give(guest, frame(MAC, 64));
    guest.clock.delay(40_000);
  }
  assert.deepEqual(
    guest.cable.frames.map((f) => get16(f, 16)),
    [0xffff, 0xffff, 0xffff],
  );
});

test("a reset ends a pause", () => {
  const guest = up(BOTH);
  give(guest, pause(0xffff));
  guest.w8(0x37, 0x10);
  guest.bringUp();
  guest.send({ bytes: frame(BROADCAST, 80) });
  assert.equal(guest.cable.frames.length, 1);
});
