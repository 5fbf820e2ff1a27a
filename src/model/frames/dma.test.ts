/** DMA: copies that are fetched and stored, read-only memory, and memory that is mapped and unmapped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Own } from "#chip/descriptors.ts";
import { DTCCR, DTCCRHigh, Dtccr, Intr, IntrStatus } from "#chip/registers.ts";
import type { MemoryRegion } from "#kit/target.ts";
import { BASE, BROADCAST, frame, Guest, MAC, MEMORY_BYTES, OneRegion, RX_RING, TX_RING } from "../guest.test-kit.ts";
import { newMemory } from "#wire/memory.ts";

/**
 * Memory of which the device gets a copy. Only bytes that were fetched are valid in the copy. `one` is the guest's own
 * memory.
 */
class CopiedMemory extends OneRegion {
  /** If true, transfers from and to the guest's memory fail. */
  silent = false;
  fetched = 0;
  stored = 0;
  readonly #shown: MemoryRegion;

  constructor() {
    super(BASE, MEMORY_BYTES);
    const copied = newMemory(MEMORY_BYTES);
    // Bytes that were not fetched are garbage.
    copied.bytes.fill(0xa5);
    this.#shown = {
      address: BASE,
      length: MEMORY_BYTES,
      ...copied,
      copy: {
        fetch: (offset, length) => {
          this.fetched++;
          if (!this.silent) copied.bytes.set(this.one.bytes.subarray(offset, offset + length), offset);
          return !this.silent;
        },
        store: (offset, length) => {
          this.stored++;
          if (!this.silent) this.one.bytes.set(copied.bytes.subarray(offset, offset + length), offset);
          return !this.silent;
        },
      },
    };
  }

  override region(address: number, length: number): MemoryRegion | undefined {
    return super.region(address, length) === undefined ? undefined : this.#shown;
  }
}

class ReadOnlyMemory extends OneRegion {
  readonly #shown: MemoryRegion = { ...this.one, readOnly: true };
  override region(address: number, length: number): MemoryRegion | undefined {
    return super.region(address, length) === undefined ? undefined : this.#shown;
  }
}

const copied = (): { guest: Guest; memory: CopiedMemory } => {
  const memory = new CopiedMemory();
  const guest = new Guest({}, memory);
  guest.bringUp();
  return { guest, memory };
};

test("frames in copied memory are sent unchanged, and their descriptors are returned", () => {
  const { guest } = copied();
  const sent = [60, 200, 1514].map((length) => frame(BROADCAST, length));
  for (const bytes of sent) guest.send({ bytes });
  assert.deepEqual(guest.cable.frames, sent);
  for (const [i] of sent.entries()) assert.equal(guest.descriptor(TX_RING, i).opts1 & Own, 0);
});

test("frames are received into copied memory, in one buffer or several", () => {
  const { guest } = copied();
  const bytes = frame(MAC, 300);
  guest.post(4);
  assert.ok(guest.nic.receive(bytes, 0, bytes.length));
  assert.deepEqual(guest.received(0).bytes, bytes);
  guest.bringUp();
  guest.post(4, 128);
  assert.ok(guest.nic.receive(bytes, 0, bytes.length));
  assert.equal(guest.descriptor(RX_RING, 2).opts1 & Own, 0);
  assert.equal(guest.descriptor(RX_RING, 3).opts1 & Own, Own);
});

test("in copied memory, `hasRoom` sees a descriptor that the driver has just posted", () => {
  const { guest } = copied();
  assert.equal(guest.nic.hasRoom(), false);
  guest.post(1);
  assert.ok(guest.nic.hasRoom());
});

test("in copied memory, a dump of the counters is stored at the address in DTCCR", () => {
  const { guest, memory } = copied();
  guest.send({ bytes: frame(BROADCAST, 60) });
  const at = BASE + 0x4000;
  guest.w32(DTCCRHigh, Math.floor(at / 2 ** 32));
  guest.w32(DTCCR, (at % 2 ** 32) | Dtccr.dump);
  assert.equal(memory.one.words[0x1000], 1);
});

test("while transfers of copied memory fail, no frame is sent or received", () => {
  const { guest, memory } = copied();
  guest.post(2);
  guest.put({ bytes: frame(BROADCAST, 60) });
  memory.silent = true;
  guest.ring();
  assert.equal(guest.cable.frames.length, 0);
  const bytes = frame(MAC, 100);
  assert.equal(guest.nic.receive(bytes, 0, bytes.length), false);
  memory.silent = false;
  assert.equal(guest.descriptor(RX_RING, 0).opts1 & Own, Own);
});

test("the chip does not write to read-only memory", () => {
  const guest = new Guest({}, new ReadOnlyMemory(BASE, MEMORY_BYTES));
  guest.bringUp();
  guest.post(2);
  const before = guest.memory.one.bytes.slice();
  const bytes = frame(MAC, 100);
  assert.equal(guest.nic.receive(bytes, 0, bytes.length), false);
  assert.deepEqual(guest.memory.one.bytes, before);
  assert.ok(guest.nic.offences.outside > 0);
  assert.notEqual(guest.r16(IntrStatus) & Intr.systemError, 0);
});

test("a region is requested once, and again when the bus reports a change", () => {
  class Counting extends OneRegion {
    asked = 0;
    override region(address: number, length: number): MemoryRegion | undefined {
      this.asked++;
      return super.region(address, length);
    }
  }
  const memory = new Counting(BASE, MEMORY_BYTES);
  const guest = new Guest({}, memory);
  guest.bringUp();
  guest.post(64);
  const bytes = frame(MAC, 100);
  for (let i = 0; i < 20; i++) guest.nic.receive(bytes, 0, bytes.length);
  const { asked } = memory;
  for (let i = 0; i < 20; i++) guest.nic.receive(bytes, 0, bytes.length);
  assert.equal(memory.asked, asked);
  guest.nic.memoryChanged();
  guest.nic.receive(bytes, 0, bytes.length);
  assert.ok(memory.asked > asked);
});

test("a frame that arrives after the driver has disappeared with the bus is no offence", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.post(64);
  guest.nic.detach();
  const bytes = frame(MAC, 100);
  assert.equal(guest.nic.receive(bytes, 0, bytes.length), false);
  assert.equal(guest.nic.offences.outside, 0);
});
