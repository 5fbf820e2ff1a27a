/**
 * Compares the status register with a plain write-1-to-clear register, and checks that guests whose writes arrive late
 * lose no event.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EventLatch } from "./event-latch.ts";
import { Page } from "../registers/page.ts";

const STATUS = 0x10;
const MASK = 0x20;
const MASK_AGAIN = 0x24;
/** Number of different events. */
const EVENTS = 4;
const ALL = (1 << EVENTS) - 1;

const latchOf = (
  vector: number | "own",
  fire: (vector: number) => void,
  bytes: 2 | 4 = 4,
): { latch: EventLatch; page: Page; mask: (value: number) => void } => {
  const page = new Page(new ArrayBuffer(0x1000), 0, 0x1000);
  const latch = new EventLatch(page, { status: STATUS, bytes, masks: [MASK, MASK_AGAIN], vector }, fire);
  return {
    latch,
    page,
    mask: (value) => {
      page.put(MASK, bytes, value);
      latch.update();
    },
  };
};

const runs = { numRuns: 300 };

test("a latch behaves as a plain write-1-to-clear register if accesses take no time", () => {
  const step = fc.record({ kind: fc.constantFrom("raise", "mask", "clear"), bits: fc.integer({ min: 1, max: ALL }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      let fired = 0;
      let expected = 0;
      let status = 0;
      let open = 0;
      let high = false;
      const { latch, mask } = latchOf(0, () => fired++);
      for (const { kind, bits } of steps) {
        if (kind === "raise") latch.raise(bits);
        else if (kind === "mask") mask(bits);
        else {
          latch.observe();
          latch.acknowledge(bits);
        }
        status = kind === "raise" ? status | bits : kind === "clear" ? status & ~bits : status;
        open = kind === "mask" ? bits : open;
        const now = (status & open) !== 0;
        if (now && !high) expected++;
        high = now;
        assert.equal(latch.status, status);
        assert.equal(latch.asserted, high);
        assert.equal(fired, expected);
      }
    }),
    runs,
  );
});

/** A guest whose writes are posted: they arrive in order, at the latest before its next read. */
class PostingGuest {
  /** Vectors that were signalled and not yet handled. */
  signalled = 0;
  interrupts = 0;
  /** Events that were raised and that the guest has not found yet. */
  readonly waiting = new Set<number>();
  readonly #posted: (() => void)[] = [];
  readonly #steps: (() => void)[] = [];
  readonly latch: EventLatch;
  readonly #mask: (value: number) => void;
  readonly #own: boolean;

  constructor(own: boolean) {
    this.#own = own;
    const { latch, mask } = latchOf(own ? "own" : 0, (vector) => {
      this.signalled |= 1 << vector;
      this.interrupts++;
    });
    this.latch = latch;
    this.#mask = mask;
    if (own) latch.mask(0, ALL);
    else mask(ALL);
  }

  event(event: number): void {
    this.waiting.add(event);
    this.latch.raise(1 << event);
  }

  arrive(): void {
    this.#posted.shift()?.();
  }

  /** Performs one step. Returns false if there is nothing to do. */
  step(): boolean {
    if (this.#steps.length === 0) {
      if (this.signalled === 0) return false;
      if (this.#own) this.#serveVector(31 - Math.clz32(this.signalled));
      else this.#serveAll();
    }
    this.#steps.shift()!();
    return true;
  }

  /** Delivers all writes and lets the guest finish. */
  settle(): void {
    for (let i = 0; i < 1000; i++) {
      this.arrive();
      if (!this.step() && this.#posted.length === 0) return;
    }
    assert.fail("the guest is interrupted endlessly");
  }

  /** Handler of drivers with one vector: read, mask, acknowledge what was read, work, unmask. */
  #serveAll(): void {
    let seen = 0;
    this.#steps.push(
      () => {
        this.signalled = 0;
        while (this.#posted.length > 0) this.arrive();
        this.latch.observe();
        seen = this.latch.status;
      },
      () => this.#posted.push(() => this.#mask(0)),
      () => this.#posted.push(() => this.latch.acknowledge(seen)),
      () => {
        for (let event = 0; event < EVENTS; event++) if (((seen >>> event) & 1) !== 0) this.waiting.delete(event);
      },
      () => this.#posted.push(() => this.#mask(ALL)),
    );
  }

  /** Handler of drivers with a vector for each event: mask it, acknowledge without reading, work, unmask. */
  #serveVector(event: number): void {
    const bit = 1 << event;
    this.#steps.push(
      () => {
        this.signalled &= ~bit;
      },
      () => this.#posted.push(() => this.latch.mask(bit, 0)),
      () => this.#posted.push(() => this.latch.acknowledge(bit)),
      () => this.waiting.delete(event),
      () => this.#posted.push(() => this.latch.mask(0, bit)),
    );
  }
}

/** A move: the device raises event 0 to 3; the guest performs its next step; or its next posted write arrives. */
const moves = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.integer({ min: 0, max: EVENTS - 1 }) },
    { weight: 4, arbitrary: fc.constant("step" as const) },
    { weight: 2, arbitrary: fc.constant("arrive" as const) },
  ),
  { maxLength: 120, size: "max" },
);

for (const own of [false, true])
  test(`a guest whose writes arrive late loses no event with ${own ? "a vector for each event" : "one vector for all"}`, () => {
    fc.assert(
      fc.property(moves, (list) => {
        const guest = new PostingGuest(own);
        let raised = 0;
        for (const move of list) {
          if (move === "step") guest.step();
          else if (move === "arrive") guest.arrive();
          else {
            guest.event(move);
            raised++;
          }
        }
        guest.settle();
        assert.deepEqual([...guest.waiting], []);
        assert.ok(guest.interrupts <= 2 * raised, `${guest.interrupts} interrupts for ${raised} events`);
      }),
      runs,
    );
  });

test("a latch signals each event's own vector, and masks it in self-masking mode", () => {
  const vectors: number[] = [];
  const { latch, page } = latchOf("own", (vector) => vectors.push(vector));
  latch.mask(0, -1);
  latch.raise((1 << 31) | (1 << 3));
  assert.deepEqual(
    vectors.toSorted((a, b) => a - b),
    [3, 31],
  );
  assert.ok(latch.pending(31) && latch.pending(3) && !latch.pending(4));
  latch.acknowledge(-1);
  latch.masksItself = true;
  latch.raise(1 << 3);
  assert.equal(page.get(MASK, 4), 0xffff_fff7);
  assert.equal(page.get(MASK_AGAIN, 4), 0xffff_fff7);
  assert.equal(vectors.length, 3);
});

test("a muted latch keeps its events, and signals them when unmuted", () => {
  let fired = 0;
  const { latch, mask } = latchOf(2, (vector) => {
    assert.equal(vector, 2);
    fired++;
  });
  mask(ALL);
  latch.mute(true);
  latch.raise(1);
  assert.equal(fired, 0);
  assert.equal(latch.asserted, false);
  latch.mute(false);
  assert.equal(fired, 1);
  assert.ok(latch.pending(2) && !latch.pending(0));
});

test("a 16-bit register does not change the register beside it", () => {
  const { latch, page } = latchOf(0, () => {}, 2);
  page.put(STATUS + 2, 2, 0xbeef);
  latch.raise(0x8001);
  latch.acknowledge(0xffff_ffff);
  assert.equal(page.get(STATUS, 4), 0xbeef_0000);
});
