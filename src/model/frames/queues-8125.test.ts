/** Several queues and vectors of an RTL8125B, set up as by Realtek's own driver with MSI-X. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { HashedV3, V3_BYTES, V3Word } from "#chip/descriptors-8125.ts";
import { EndOfRing, FirstSegment, LastSegment, Own } from "#chip/descriptors.ts";
import { ChipCmd, Cmd, FLAG, MACOCP, RDSAR, RxConf, RxConfig, RxMaxSize } from "#chip/registers.ts";
import {
  IMR_V2_CLEAR,
  IMR_V2_SET,
  INT_CFG0,
  IntCfg0,
  ISR_V2,
  Q_NUM_CTRL,
  RDSAR_Q,
  RSS_CTRL,
  RSS_INDIRECTION_TBL,
  RSS_KEY,
  RxConf8125,
  TNPDS_Q1,
  TPPOLL,
} from "#chip/registers-8125.ts";
import { RSS_ENTRIES, RSS_KEY_BYTES, QueueCount, RssControl, TransmitQueues } from "#chip/rss.ts";
import { BASE, BROADCAST, frame, Guest, MAC } from "../guest.test-kit.ts";
import { toeplitz } from "./rss.test-kit.ts";

const QUEUES = 4;
const SLOTS = 64;
const RINGS = BASE + 0x20000;
const RING_BYTES = 0x1000;
const BUFFERS = BASE + 0x40000;
const BUFFER_BYTES = 512;
const TX_RING_1 = BASE + 0x30000;
const LINK = 1 << 21;
const TRANSMIT = (1 << 16) | (1 << 18);
const KEY = Uint8Array.from({ length: RSS_KEY_BYTES }, (_, i) => (i * 73 + 41) & 0xff);

const low = (address: number): number => address % 2 ** 32;
const high = (address: number): number => Math.floor(address / 2 ** 32);

class QueueGuest extends Guest {
  readonly vectors: number[] = [];
  readonly next = new Int32Array(QUEUES);

  constructor() {
    super({ chip: CHIPS.find((chip) => chip.key === "rtl8125b")! });
    this.nic.attach(this.memory, (vector) => this.vectors.push(vector));
    this.busMaster();
    this.nic.setCarrier(true);
    this.clock.delay(10_000);
    // Low half first, as Realtek's drivers write it.
    this.base(RDSAR, RINGS);
    for (let queue = 1; queue < QUEUES; queue++) this.base(RDSAR_Q[2 * (queue - 1)]!, RINGS + RING_BYTES * queue);
    this.base(TNPDS_Q1[0]!, TX_RING_1);
    for (let queue = 0; queue < QUEUES; queue++) this.#post(queue);
    this.w16(RxMaxSize, 0x4000);
    this.#configureRss();
    this.w32(MACOCP, (FLAG | (TransmitQueues.macOcp << 15) | (1 << TransmitQueues.shift)) >>> 0);
    this.w8(INT_CFG0, IntCfg0.enable);
    this.w8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
    this.w32(RxConfig, RxConf.dmaBurst | RxConf8125.descriptorsV3 | RxConf.acceptPhysical | RxConf.acceptBroadcast);
    this.w32(IMR_V2_SET, LINK | TRANSMIT | ((1 << QUEUES) - 1));
    this.vectors.length = 0;
  }

  base(register: number, address: number): void {
    this.w32(register, low(address));
    this.w32(register + 4, high(address));
  }

  #configureRss(): void {
    for (let i = 0; i < RSS_KEY_BYTES; i += 4) this.w32(RSS_KEY[i / 4]!, new DataView(KEY.buffer).getUint32(i, true));
    for (let i = 0; i < RSS_ENTRIES; i += 4) this.w32(RSS_INDIRECTION_TBL[i / 4]!, 0x03020100);
    this.w32(RSS_CTRL, RssControl.any | (7 << RssControl.maskShift) | (2 << RssControl.cpusShift));
    this.w16(Q_NUM_CTRL, 2 << QueueCount.shift);
  }

  slot(queue: number, index: number): number {
    return this.word(RINGS + RING_BYTES * queue + V3_BYTES * index);
  }

  buffer(queue: number, index: number): number {
    return BUFFERS + BUFFER_BYTES * (SLOTS * queue + index);
  }

  #post(queue: number): void {
    for (let i = 0; i < SLOTS; i++) {
      const at = this.slot(queue, i);
      this.words[at + V3Word.address] = low(this.buffer(queue, i)) | 0;
      this.words[at + V3Word.address + 1] = high(this.buffer(queue, i));
      this.words[at + V3Word.opts1] = Own | (i === SLOTS - 1 ? EndOfRing : 0) | BUFFER_BYTES;
    }
  }

  /**
   * Handles the interrupt of a vector: masks, acknowledges without reading, processes, unmasks. Returns the number of
   * frames found.
   */
  serve(vector: number): number {
    this.w32(IMR_V2_CLEAR, 1 << vector);
    this.w32(ISR_V2, 1 << vector);
    let found = 0;
    if (vector < QUEUES)
      while (this.words[this.slot(vector, this.next[vector]!) + V3Word.opts1]! > 0) {
        found++;
        this.next[vector]!++;
      }
    this.w32(IMR_V2_SET, 1 << vector);
    return found;
  }
}

/** A TCP segment without payload; each `n` is a different flow. */
const flow = (n: number): { bytes: Uint8Array; input: number[] } => {
  const input = [10, 0, n & 0xff, 1, 10, 1, 0, (n * 7) & 0xff, (n * 31) & 0xff, n & 0xff, 0, 80];
  const packet = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...input, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0];
  return { bytes: Uint8Array.from([...MAC, 2, 0, 0, 0, 0, 9, 8, 0, ...packet]), input };
};

/** A frame that is steered to this queue. */
const flowTo = (queue: number): Uint8Array => {
  for (let n = 0; ; n++) if ((toeplitz(KEY, flow(n).input) & (QUEUES - 1)) === queue) return flow(n).bytes;
};

test("each flow goes to the queue of its hash, with the hash in the descriptor, and interrupts with that queue's vector", () => {
  const guest = new QueueGuest();
  const used = new Set<number>();
  for (let n = 0; n < 60; n++) {
    const { bytes, input } = flow(n);
    const hash = toeplitz(KEY, input);
    const queue = hash & (QUEUES - 1);
    const index = guest.next[queue]!;
    assert.equal(guest.nic.receive(bytes, 0, bytes.length), true);
    assert.deepEqual(guest.vectors.splice(0), [queue]);
    const at = guest.slot(queue, index);
    assert.equal(guest.words[at + V3Word.hash]! >>> 0, hash);
    assert.equal(guest.words[at + V3Word.header]! & -0x10000, HashedV3.ipv4 | HashedV3.tcp);
    const place = guest.buffer(queue, index) - BASE;
    assert.deepEqual(guest.memory.one.bytes.slice(place, place + bytes.length), bytes);
    assert.equal(guest.serve(queue), 1);
    used.add(queue);
  }
  assert.equal(used.size, QUEUES);
  assert.deepEqual(guest.vectors, []);
});

test("a queue without buffers loses only its own frames", () => {
  const guest = new QueueGuest();
  const full = flowTo(2);
  const other = flowTo(1);
  for (let i = 0; i < SLOTS; i++) assert.equal(guest.nic.receive(full, 0, full.length), true);
  assert.equal(guest.nic.hasRoom(), false);
  assert.equal(guest.nic.receive(full, 0, full.length), false);
  assert.equal(guest.nic.receive(other, 0, other.length), true);
  assert.equal(guest.nic.counters.rxMissed, 1);
  assert.equal(guest.nic.counters.rxUnavailable, 1);
});

test("transmit queue 1 has its own ring, doorbell and vector", () => {
  const guest = new QueueGuest();
  const bytes = frame(BROADCAST, 80);
  guest.memory.one.bytes.set(bytes, 0x80000);
  guest.setDescriptor(TX_RING_1, 0, Own | FirstSegment | LastSegment | bytes.length, 0, BASE + 0x80000);
  guest.w16(TPPOLL, 1 << 1);
  assert.equal(guest.cable.frames.length, 1);
  assert.deepEqual(guest.cable.frames[0], bytes);
  assert.deepEqual(guest.vectors.splice(0), [18]);
  assert.equal(guest.descriptor(TX_RING_1, 0).opts1 & Own, 0);
});

test("a frame that arrives while its vector is masked interrupts when the vector is unmasked", () => {
  const guest = new QueueGuest();
  const { bytes, input } = flow(5);
  const queue = toeplitz(KEY, input) & (QUEUES - 1);
  guest.nic.receive(bytes, 0, bytes.length);
  assert.deepEqual(guest.vectors.splice(0), [queue]);
  guest.w32(IMR_V2_CLEAR, 1 << queue);
  guest.nic.receive(bytes, 0, bytes.length);
  guest.w32(ISR_V2, 1 << queue);
  assert.deepEqual(guest.vectors, []);
  guest.w32(IMR_V2_SET, 1 << queue);
  assert.deepEqual(guest.vectors, [queue]);
});
