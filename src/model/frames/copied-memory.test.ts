/** Guest memory that can only be copied, not shared, with a guest that runs while the memory is copied. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own, TxV2 } from "#chip/descriptors.ts";
import { ChipCmd, Cmd, CPlus, CPlusCmd, RxConf } from "#chip/registers.ts";
import { newMemory } from "#wire/memory.ts";
import {
  BASE,
  BROADCAST,
  frame,
  Guest,
  MAC,
  MEMORY_BYTES,
  OneRegion,
  RX_BUFFERS,
  RX_RING,
  TX_RING,
} from "../guest.test-kit.ts";
import { ipv4Tcp, sealed } from "./packets.test-kit.ts";

const inside = (at: number, length: number): boolean => at >= BASE && at + length <= BASE + MEMORY_BYTES;
const move = (from: Uint8Array, to: Uint8Array, offset: number, length: number): boolean => {
  assert.ok(offset >= 0 && offset + length <= MEMORY_BYTES);
  to.set(from.subarray(offset, offset + length), offset);
  return true;
};
/** A guest whose memory the model accesses by copies. `guest.memory` is the guest's own memory, not the copy. */
const copied = (meanwhile: (guest: Guest) => void = () => {}): { guest: Guest; calls: number[] } => {
  const own = new OneRegion(BASE, MEMORY_BYTES);
  const view = newMemory(MEMORY_BYTES);
  const calls = [0, 0];
  const guest = new Guest({ strict: "off" }, own);
  const region = {
    address: BASE,
    length: MEMORY_BYTES,
    ...view,
    copy: {
      fetch: (offset: number, length: number): boolean => {
        calls[0]!++;
        meanwhile(guest);
        return move(own.one.bytes, view.bytes, offset, length);
      },
      store: (offset: number, length: number): boolean => {
        calls[1]!++;
        const done = move(view.bytes, own.one.bytes, offset, length);
        meanwhile(guest);
        return done;
      },
    },
  };
  guest.nic.attach({ region: (at, length) => (inside(at, length) ? region : undefined) }, () => {});
  return { guest, calls };
};

test("the chip sends and receives the same through copies as through shared memory", () => {
  const { guest, calls } = copied();
  guest.bringUp();
  guest.w16(CPlusCmd, CPlus.receiveChecksum | CPlus.receiveVlan);
  guest.post(4);
  const bytes = sealed(ipv4Tcp({ payload: 700 }));
  assert.equal(guest.nic.hasRoom(), true);
  assert.equal(guest.nic.receive(bytes, 0, bytes.length), true);
  assert.deepEqual(guest.received(0).bytes, bytes);
  // Several buffers for one frame.
  guest.setDescriptor(RX_RING, 1, Own | 300, 0, RX_BUFFERS + 2048);
  guest.setDescriptor(RX_RING, 2, Own | 2048, 0, RX_BUFFERS + 2048 + 300);
  assert.equal(guest.nic.receive(bytes, 0, bytes.length), true);
  const at = RX_BUFFERS + 2048 - BASE;
  assert.deepEqual(guest.memory.one.bytes.slice(at, at + bytes.length), bytes);
  guest.send({ bytes: ipv4Tcp({ payload: 700 }), opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum });
  assert.deepEqual(guest.cable.frames, [bytes]);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
  assert.ok(calls[0]! > 5 && calls[1]! > 5);
});

const ACTS = {
  nothing: () => {},
  reset: (guest: Guest) => guest.w8(ChipCmd, Cmd.reset),
  restart: (guest: Guest) => guest.bringUp(RxConf.acceptMask),
  ring: (guest: Guest) => guest.ring(),
  arrive: (guest: Guest) => void guest.nic.receive(frame(MAC, 200), 0, 200),
  room: (guest: Guest) => void guest.nic.hasRoom(),
  forget: (guest: Guest) => guest.nic.memoryChanged(),
  wait: (guest: Guest) => guest.clock.delay(50),
} as const;
type Act = keyof typeof ACTS;

test("whatever the guest does while memory is copied, a frame is complete or lost", () => {
  const act = fc.constantFrom<Act>("nothing", "nothing", ...(Object.keys(ACTS) as Act[]));
  fc.assert(
    fc.property(fc.array(act, { minLength: 1, maxLength: 60 }), (acts) => {
      let next = 0;
      let depth = 0;
      const { guest } = copied((guest) => {
        if (depth > 3 || next >= acts.length) return;
        depth++;
        ACTS[acts[next++]!](guest);
        depth--;
      });
      guest.bringUp(RxConf.acceptMask);
      guest.post(8, 128);
      const sent = ipv4Tcp({ payload: 3000 });
      guest.put(
        { bytes: sent.slice(0, 100), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 },
        { bytes: sent.slice(100) },
      );
      guest.put({ bytes: frame(BROADCAST, 99) });
      guest.ring();
      for (let i = 0; i < 6; i++) guest.nic.receive(frame(MAC, 200), 0, 200);
      guest.clock.delay(1000);
      for (const { length } of guest.cable.frames) assert.ok([99, 1054].includes(length), `${length}`);
      // After a reset, the chip sends and receives again.
      next = acts.length;
      guest.w8(ChipCmd, Cmd.reset);
      guest.bringUp(RxConf.acceptMask);
      guest.post(2);
      guest.cable.frames.length = 0;
      guest.setDescriptor(TX_RING, 0, Own | FirstSegment | LastSegment | EndOfRing | 77, 0, RX_BUFFERS + 8192);
      guest.ring();
      assert.equal(guest.cable.frames.length, 1);
      assert.equal(guest.nic.receive(frame(MAC, 200), 0, 200), true);
      assert.deepEqual(guest.received(0).bytes, frame(MAC, 200));
    }),
    { seed: 20_270_402, numRuns: 300 },
  );
});
