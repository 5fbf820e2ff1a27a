/**
 * Memory, mappings and descriptors after thousands of uses. The tests need a process of their own, because they measure
 * everything that the process holds.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DMA_MAP, DMA_UNMAP } from "#bus/vfio-user/codec.ts";
import { Rig, body, footprint, holdings } from "#bus/vfio-user/peer.test-kit.ts";
import { Command, Irq, MapFlag, SetFlag } from "#bus/vfio-user/protocol.ts";
import { EventFd } from "#sys/eventfd.ts";
import { createMemory, Mapping } from "#sys/mapping.ts";

/** The process's resident memory in kB, including shared memory. */
const resident = (): number => Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);

const map = (address: number, size: number): Uint8Array =>
  body(DMA_MAP, { argsz: 32, flags: MapFlag.read | MapFlag.write, offset: 0, address, size });

test("a thousand mappings made and released hold no memory", () => {
  const bytes = 1 << 20;
  const before = resident();
  for (let i = 0; i < 1000; i++) {
    using memory = createMemory("test", bytes);
    using mapping = Mapping.map(memory.number, 0, bytes, "memory");
    new Uint8Array(mapping.buffer).fill(i);
  }
  const grown = resident() - before;
  assert.ok(grown < 100 * 1024, `memory grew by ${grown} kB after 1,000,000 kB were mapped and written`);
});

test("after guest memory was mapped and unmapped a thousand times, no descriptor, mapping or memory remains in use", () => {
  using rig = new Rig();
  const cycle = (size: number): void => {
    const address = 0x1_0000_0000;
    using _memory = rig.share(address, size);
    rig.device.memory!.region(address, 1)!.bytes.fill(1, 0, size);
    assert.equal(rig.error(Command.dmaUnmap, body(DMA_UNMAP, { argsz: 24, flags: 0, address, size })), 0);
  };
  const sizes = [4096, 8192, 12288, 65536, 1 << 20];
  for (const size of sizes) cycle(size);
  const before = { ...holdings(), ...footprint() };
  for (let i = 0; i < 1000; i++) cycle(sizes[i % sizes.length]!);
  const { memory, addresses } = footprint();
  const { descriptors, sharedMaps } = before;
  assert.deepEqual(holdings(), { descriptors, sharedMaps });
  assert.ok(memory - before.memory < 64 << 10, `memory grew by ${memory - before.memory} kB`);
  assert.ok(addresses - before.addresses < 256 << 10, `the address space grew by ${addresses - before.addresses} kB`);
});

test("a hundred clients leave no descriptor, no mapping and no memory behind", () => {
  using rig = new Rig();
  const client = (): void => {
    rig.connect();
    using memory = rig.share(0x1_0000_0000, 4 << 20);
    using _more = rig.share(0x2_0000_0000, 1 << 20);
    using event = EventFd.create();
    rig.irqs({ flags: SetFlag.eventfd | SetFlag.trigger, index: Irq.msix, start: 0, count: 1 }, [event.number]);
    rig.device.memory!.region(0x1_0000_0000, 1)!.bytes.fill(1);
    rig.device.raise(0);
    assert.ok(event.drain());
    assert.ok(memory.open);
    rig.peer[Symbol.dispose]();
    rig.work();
  };
  rig.peer[Symbol.dispose]();
  rig.work();
  client();
  const before = { ...holdings(), ...footprint() };
  for (let i = 0; i < 100; i++) client();
  const { memory, addresses } = footprint();
  const { descriptors, sharedMaps } = before;
  assert.deepEqual(holdings(), { descriptors, sharedMaps });
  assert.ok(memory - before.memory < 64 << 10, `memory grew by ${memory - before.memory} kB`);
  assert.ok(addresses - before.addresses < 256 << 10, `the address space grew by ${addresses - before.addresses} kB`);
});

test("copies of a client's memory do not accumulate", () => {
  using rig = new Rig();
  const size = 256 << 20;
  // The file is never written, so it uses no space.
  using file = createMemory("guest", size, { sealed: false });
  assert.equal(rig.error(Command.dmaMap, map(0x10_0000, size), [file.number]), 0);
  const region = rig.device.memory!.region(0x10_0000, 1)!;
  const before = footprint().memory;
  for (let at = 0; at < size; at += 1 << 20) {
    assert.ok(region.copy?.fetch(at, 1 << 20));
    rig.work();
  }
  assert.ok(footprint().memory - before < 160 << 10, `memory grew by ${footprint().memory - before} kB`);
  new Uint8Array(region.bytes.buffer).fill(1, 0, 1);
  assert.ok(region.copy?.fetch(0, 1));
  assert.equal(region.bytes[0], 0);
});

test("copies across the borders of mappings do not accumulate", () => {
  using rig = new Rig();
  const size = 2 ** 20;
  for (let i = 0; i < 1000; i++) assert.equal(rig.error(Command.dmaMap, map(i * size, size)), 0);
  const before = footprint().memory;
  for (let i = 1; i < 1000; i++) rig.device.memory!.region(i * size - 8, 16)!.bytes.fill(1);
  assert.ok(footprint().memory - before < 96 << 10, `memory grew by ${footprint().memory - before} kB`);
});
