/**
 * Interrupts of the RTL8125 and later: either a main status register and one for each further receive queue, or a
 * vector for each event.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, fieldsOf } from "#chip/bits.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { ChipCmd, Cmd, Intr } from "#chip/registers.ts";
import {
  IMR0,
  IMR1,
  IMR_V2_CLEAR,
  IMR_V2_SET,
  IMR_V4_L2_CLEAR,
  IMR_V4_L2_SET,
  INT_CFG0,
  INT_MITI,
  IntCfg0,
  ISR0,
  ISR1,
  ISR_V2,
  ISR_V4_L2,
  RDU_STA,
} from "#chip/registers-8125.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Guest } from "../guest.test-kit.ts";
import { InterruptBlock } from "./interrupts.ts";
import { Page } from "../registers/page.ts";
import { scheduleOn } from "../registers/schedule.ts";

const chipOf = (key: string): Chip => CHIPS.find((row) => row.key === key)!;

/** The interrupt block alone, with a plain page of memory for its registers. */
class Bench {
  readonly clock = new VirtualClock();
  readonly page = new Page(new ArrayBuffer(0x10000), 0, 0x10000);
  readonly block: InterruptBlock;
  readonly vectors: number[] = [];

  constructor(key: string) {
    this.block = new InterruptBlock({
      chip: chipOf(key),
      page: this.page,
      schedule: scheduleOn(this.clock, this.clock.timers),
      speed: () => 2500,
      fire: (vector) => this.vectors.push(vector),
    });
  }

  write(at: number, width: 1 | 2 | 4, value: number): void {
    this.page.put(at, width, value);
  }

  mask(at: number, width: 2 | 4, value: number): void {
    this.write(at, width, value);
    this.block.effects.interruptMask(value, -1, at);
  }

  /** Enables a vector for each event, and unmasks the events `open`. */
  vector(open: number): void {
    this.write(INT_CFG0, 1, IntCfg0.enable);
    this.block.effects.interruptConfigure(IntCfg0.enable, 0xff, INT_CFG0);
    this.block.effects.interruptMaskSet(open, -1, IMR_V2_SET);
  }

  acknowledge(at: number, value: number): void {
    this.block.effects.acknowledge(value, -1, at);
  }

  taken(): number[] {
    return this.vectors.splice(0);
  }
}

test("an RTL8125A has all events in 32 bits and signals vector 0", () => {
  const bench = new Bench("rtl8125a");
  bench.mask(IMR0, 4, 0xffff_ffff);
  bench.block.raise(Intr.linkChange);
  bench.block.transmit.raise(Intr.transmitOk);
  bench.block.receive.raise(Intr.receiveUnavailable);
  assert.equal(bench.page.get(ISR0, 4), Intr.linkChange | Intr.transmitOk | Intr.receiveUnavailable);
  assert.deepEqual(bench.taken(), [0]);
  bench.acknowledge(ISR0, 0xffff_ffff);
  assert.equal(bench.page.get(ISR0, 4), 0);
  assert.equal(bench.block.asserted, false);
});

test("while INT_CFG0 is 0, receive queue 1 has a status register and a vector of its own", () => {
  const bench = new Bench("rtl8125b");
  bench.mask(IMR0, 4, 0xffff_ffff);
  bench.mask(IMR1, 2, 3);
  bench.block.receiveQueues[1]!.frames(1);
  bench.block.receiveQueues[1]!.raise(Intr.receiveUnavailable);
  assert.deepEqual(bench.taken(), [1]);
  assert.equal(bench.page.get(ISR1, 2), 3);
  assert.equal(bench.page.get(ISR0, 4), 0);
  assert.equal(bench.page.get(RDU_STA, 2), 1 << 1);
  assert.ok(bench.block.pending(1) && !bench.block.pending(0) && bench.block.asserted);
  bench.block.effects.interruptObserve(0, 0, ISR1);
  bench.acknowledge(ISR1, 3);
  bench.block.effects.acknowledgeUnavailable(0xffff, -1, RDU_STA);
  assert.equal(bench.page.get(RDU_STA, 2), 0);
  assert.equal(bench.block.asserted, false);
});

/**
 * For each chip, the vectors of receive queues 0 and 3, transmit queues 0 and 1, and the link, from OpenBSD's and
 * illumos's rge.
 */
// prettier-ignore
// oxfmt-ignore
const VECTORS = [
  ["rtl8125b",     [0, 3, 16, 18, 21]],
  ["rtl8126a-649", [0, 3, 0, 1, 21]],
  ["rtl8126a-64a", [0, 3, 0, 1, 21]],
  ["rtl8125bp",    [0, 3, 0, 1, 29]],
  ["rtl8125d-688", [0, 3, 16, 17, 18]],
  ["rtl8125d-689", [0, 3, 16, 17, 18]],
  ["rtl8125k",     [0, 3, 16, 17, 18]],
  ["rtl9151a",     [0, 3, 16, 17, 18]],
  ["rtl8127a",     [0, 3, 8, 9, 29]],
  ["rtl8125cp",    [0, 3, 27, 28, 29]],
] as const;

for (const [key, expected] of VECTORS)
  test(`with INT_CFG0 set, queues and link of an ${chipOf(key).name} use the listed vectors (${key})`, () => {
    const bench = new Bench(key);
    bench.vector(0xffff_ffff);
    const { receiveQueues, transmitQueues } = bench.block;
    const each = (raise: () => void): number => {
      raise();
      const [vector, ...more] = bench.taken();
      assert.deepEqual(more, []);
      assert.equal(bench.page.get(ISR_V2, 4), (1 << vector!) >>> 0);
      bench.acknowledge(ISR_V2, 0xffff_ffff);
      return vector!;
    };
    const vectors = [
      each(() => receiveQueues[0]!.frames(1)),
      each(() => receiveQueues[3]!.frames(1)),
      each(() => transmitQueues[0]!.frames(1)),
      each(() => transmitQueues[1]!.frames(1)),
      each(() => bench.block.raise(Intr.linkChange)),
    ];
    assert.deepEqual(vectors, expected);
    assert.equal(bench.page.get(ISR0, 4), 0);
    assert.ok(vectors.every((vector) => vector < chipOf(key).profile.queues.vectors));
  });

test("mask bits are set and cleared through separate registers, and both registers read as the mask", () => {
  const bench = new Bench("rtl8125b");
  bench.vector(0x0020_0001);
  bench.block.effects.interruptMaskSet(0x0001_0000, -1, IMR_V2_SET);
  bench.block.effects.interruptMaskClear(1, -1, IMR_V2_CLEAR);
  assert.equal(bench.page.get(IMR_V2_SET, 4), 0x0021_0000);
  assert.equal(bench.page.get(IMR_V2_CLEAR, 4), 0x0021_0000);
  bench.block.receive.frames(1);
  assert.deepEqual(bench.taken(), []);
  bench.block.effects.interruptMaskSet(1, -1, IMR_V2_SET);
  assert.deepEqual(bench.taken(), [0]);
});

test("an event pending in one mode is not signalled in the other", () => {
  const bench = new Bench("rtl8125b");
  bench.mask(IMR0, 4, 0xffff_ffff);
  bench.block.raise(Intr.linkChange);
  assert.deepEqual(bench.taken(), [0]);
  bench.vector(0xffff_ffff);
  assert.equal(bench.block.asserted, false);
  bench.block.raise(Intr.linkChange);
  assert.deepEqual(bench.taken(), [21]);
  bench.write(INT_CFG0, 1, 0);
  bench.block.effects.interruptConfigure(0, 0xff, INT_CFG0);
  assert.deepEqual(bench.taken(), [0]);
});

test("an RTL8127A masks each event that it signals, if self-masking is enabled", () => {
  const bench = new Bench("rtl8127a");
  bench.vector(0xffff_ffff);
  bench.write(INT_CFG0, 1, IntCfg0.enable | IntCfg0.msixEntryMode);
  bench.block.effects.interruptConfigure(0, 0xff, INT_CFG0);
  bench.block.receive.frames(1);
  assert.deepEqual(bench.taken(), [0]);
  assert.equal(bench.page.get(IMR_V2_SET, 4), 0xffff_fffe);
});

test("an empty transmit ring does not interrupt while INT_CFG0 enables a vector for each event", () => {
  const bench = new Bench("rtl8125b");
  bench.vector(0xffff_ffff);
  bench.block.transmit.raise(Intr.transmitUnavailable);
  assert.deepEqual(bench.taken(), []);
});

for (const [key, unit] of [
  ["rtl8125b", 2.048],
  ["rtl8126a-64a", 2.048],
  ["rtl8125d-689", 4.096],
] as const)
  test(`moderation delays a queue's event in units of ${unit} µs (${key})`, () => {
    const bench = new Bench(key);
    bench.vector(0xffff_ffff);
    const block = INT_MITI[0]! + 8 * 2;
    bench.write(block, 1, 10);
    bench.block.effects.mitigate(0, -1, block);
    bench.block.receiveQueues[2]!.frames(1);
    bench.block.receiveQueues[1]!.frames(1);
    assert.deepEqual(bench.taken(), [1]);
    bench.clock.delay(10 * unit - 0.1);
    bench.block.receiveQueues[2]!.frames(1);
    assert.deepEqual(bench.taken(), []);
    bench.clock.delay(0.2);
    assert.deepEqual(bench.taken(), [2]);
  });

test("bypassing moderation releases delayed events", () => {
  const bench = new Bench("rtl8125b");
  bench.vector(0xffff_ffff);
  bench.write(INT_MITI[0]! + 2, 1, 200);
  bench.block.effects.mitigate(0, -1, INT_MITI[0]!);
  bench.block.transmit.frames(1);
  assert.deepEqual(bench.taken(), []);
  bench.write(INT_CFG0, 1, IntCfg0.enable | IntCfg0.mitigationBypass);
  bench.block.effects.interruptConfigure(0, 0xff, INT_CFG0);
  assert.deepEqual(bench.taken(), [16]);
  bench.acknowledge(ISR_V2, 0xffff_ffff);
  bench.block.transmit.frames(1);
  assert.deepEqual(bench.taken(), [16]);
});

test("a reset clears pending and delayed events", () => {
  const bench = new Bench("rtl8125b");
  bench.vector(0xffff_ffff);
  bench.write(INT_MITI[0]!, 1, 5);
  bench.block.effects.mitigate(0, -1, INT_MITI[0]!);
  bench.block.receive.frames(1);
  bench.block.raise(Intr.linkChange);
  bench.write(INT_CFG0, 1, 0);
  bench.write(INT_MITI[0]!, 1, 0);
  bench.block.reset();
  bench.taken();
  bench.clock.delay(1000);
  assert.deepEqual(bench.taken(), []);
  assert.equal(bench.page.get(ISR_V2, 4), 0);
});

test("a software reset preserves the interrupt mode: the link event still uses its vector", () => {
  for (const key of ["rtl8125b", "rtl8125bp", "rtl8125d-689", "rtl8126a-649", "rtl8127a"]) {
    const guest = new Guest({ chip: chipOf(key) });
    guest.bringUp();
    guest.w8(INT_CFG0, IntCfg0.enable);
    guest.w8(ChipCmd, Cmd.reset);
    const link = 1 << chipOf(key).profile.queues.vectored!.linkChange;
    guest.w32(IMR_V2_SET, link);
    const before = guest.interrupts;
    guest.nic.setCarrier(false);
    assert.equal(guest.interrupts, before + 1, key);
    assert.equal(guest.r32(ISR_V2) & link, link);
  }
});

test("the second status register of an RTL8125D can be masked and acknowledged, and never has events", () => {
  const bench = new Bench("rtl8125d-689");
  bench.vector(0xffff_ffff);
  bench.block.effects.interruptMaskSet(1 << 17, -1, IMR_V4_L2_SET);
  assert.equal(bench.page.get(IMR_V4_L2_SET, 4), 1 << 17);
  bench.block.effects.interruptMaskClear(0xffff_ffff, -1, IMR_V4_L2_CLEAR);
  bench.acknowledge(ISR_V4_L2, 0xffff_ffff);
  assert.equal(bench.page.get(IMR_V4_L2_SET, 4), 0);
  assert.deepEqual(bench.taken(), []);
});

test("the trace names each bit of the vectored status register after the event that sets it", () => {
  const vectored = CHIPS.filter(({ profile }) => profile.queues.vectored !== undefined);
  assert.ok(vectored.length >= 11);
  for (const chip of vectored) {
    const bench = new Bench(chip.key);
    bench.vector(-1);
    const name = (act: () => void): string => {
      act();
      const names = decode(bench.page.get(ISR_V2, 4), fieldsOf("ISR_V2", chip)!).map(([field]) => field);
      bench.block.effects.interruptObserve(0, -1, ISR_V2);
      bench.acknowledge(ISR_V2, -1);
      return `${chip.key}: ${names.join(" ")}`;
    };
    assert.equal(
      name(() => bench.block.raise(Intr.linkChange)),
      `${chip.key}: linkChange`,
    );
    for (const [direction, queues, event] of [
      ["receive", bench.block.receiveQueues, Intr.receiveOk],
      ["transmit", bench.block.transmitQueues, Intr.transmitOk],
    ] as const)
      for (const [i, queue] of queues.entries())
        assert.match(
          name(() => queue.raise(event)),
          new RegExp(`^${chip.key}: (${direction}|queue)${i}$`),
        );
  }
});
