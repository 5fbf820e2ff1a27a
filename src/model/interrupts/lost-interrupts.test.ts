/** With any moderation, a guest whose writes arrive late loses no interrupt of any chip. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { CHIPS } from "#chip/chips.ts";
import { EndOfRing, Own } from "#chip/descriptors.ts";
import { Intr, IntrMask, IntrMitigate, IntrStatus } from "#chip/registers.ts";
import { IMR0, IMR_V2_CLEAR, IMR_V2_SET, INT_CFG0, INT_MITI, IntCfg0, ISR0, ISR_V2 } from "#chip/registers-8125.ts";
import { BROADCAST, frame, Guest, RX_RING } from "../guest.test-kit.ts";

const SLOTS = 32;
const FRAME = frame(BROADCAST, 64);

/** How a driver masks and acknowledges. */
interface Style {
  readonly key: string;
  readonly status: number;
  readonly width: 2 | 4;
  /** Register writes that mask and unmask. */
  readonly mask: readonly [offset: number, value: number];
  readonly unmask: readonly [offset: number, value: number];
  readonly moderate: readonly [offset: number, width: 1 | 2];
  /** Whether the driver acknowledges without reading, as handlers of an event's own vector do. */
  readonly unread: boolean;
}
const old = (key: string): Style => ({
  key,
  status: IntrStatus,
  width: 2,
  mask: [IntrMask, 0],
  unmask: [IntrMask, Intr.receiveOk],
  moderate: [IntrMitigate, 2],
  unread: false,
});
const late = (key: string): Style => ({
  ...old(key),
  status: ISR0,
  width: 4,
  mask: [IMR0, 0],
  unmask: [IMR0, Intr.receiveOk],
  moderate: [INT_MITI[0]!, 1],
});
const vectored = (key: string): Style => ({
  ...late(key),
  status: ISR_V2,
  mask: [IMR_V2_CLEAR, 1],
  unmask: [IMR_V2_SET, 1],
  unread: true,
});
const STYLES = [
  ...["rtl8169s", "rtl8168b", "rtl8168h"].map(old),
  ...["rtl8125a", "rtl8125b"].map(late),
  ...["rtl8125b", "rtl8126a-64a", "rtl8127a"].map(vectored),
];

class Driver {
  readonly guest: Guest;
  readonly #style: Style;
  readonly #posted: (() => void)[] = [];
  readonly #steps: (() => void)[] = [];
  #signalled = false;
  #next = 0;
  sent = 0;
  found = 0;

  constructor(style: Style) {
    this.#style = style;
    this.guest = new Guest({ chip: CHIPS.find(({ key }) => key === style.key)! });
    this.guest.nic.attach(this.guest.memory, () => {
      this.#signalled = true;
    });
    this.guest.bringUp();
    this.guest.post(SLOTS);
    if (style.unread) this.guest.w8(INT_CFG0, IntCfg0.enable);
    this.#write(style.status, 0xffff);
    this.#write(...style.unmask);
    this.#signalled = false;
  }

  #write(offset: number, value: number): void {
    if (this.#style.width === 2) this.guest.w16(offset, value);
    else this.guest.w32(offset, value);
  }

  moderate(value: number): void {
    const [offset, width] = this.#style.moderate;
    if (width === 1) this.guest.w8(offset, value);
    else this.guest.w16(offset, value);
  }

  frame(): void {
    if (this.guest.nic.receive(FRAME, 0, FRAME.length)) this.sent++;
  }

  arrive(): void {
    this.#posted.shift()?.();
  }

  /** Performs one step. Returns false if there is nothing to do. */
  step(): boolean {
    if (this.#steps.length === 0) {
      if (!this.#signalled) return false;
      this.#serve();
    }
    this.#steps.shift()!();
    return true;
  }

  settle(): void {
    for (let i = 0; i < 300; i++) {
      this.arrive();
      if (!this.step() && this.#posted.length === 0) this.guest.clock.delay(100);
    }
  }

  #serve(): void {
    const { status, mask, unmask, unread, width } = this.#style;
    let seen = 1;
    this.#steps.push(
      () => {
        this.#signalled = false;
        if (unread) return;
        // A read waits until earlier writes have arrived.
        while (this.#posted.length > 0) this.arrive();
        seen = width === 2 ? this.guest.r16(status) : this.guest.r32(status);
      },
      () => this.#posted.push(() => this.#write(...mask)),
      () => this.#posted.push(() => this.#write(status, seen)),
      () => this.#poll(),
      () => this.#posted.push(() => this.#write(...unmask)),
    );
  }

  #poll(): void {
    const { guest } = this;
    for (;;) {
      const at = guest.word(RX_RING) + 4 * this.#next;
      if (guest.words[at]! < 0) return;
      this.found++;
      guest.words[at] = Own | 2048 | (this.#next === SLOTS - 1 ? EndOfRing : 0);
      this.#next = (this.#next + 1) % SLOTS;
    }
  }
}

type Move = { readonly delay: number } | { readonly moderation: number } | "frame" | "step" | "arrive";
const moves = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Move>("step", "arrive") },
    { weight: 2, arbitrary: fc.constant<Move>("frame") },
    { weight: 1, arbitrary: fc.record({ delay: fc.integer({ min: 0, max: 40 }) }) },
    { weight: 1, arbitrary: fc.record({ moderation: fc.integer({ min: 0, max: 0xff }) }) },
  ),
  { maxLength: 150, size: "max" },
);

for (const style of STYLES)
  test(`${style.key}${style.unread ? ", vectored" : ""}: the guest finds each frame without waiting for the interrupt of a later frame`, () => {
    let frames = 0;
    fc.assert(
      fc.property(moves, (list) => {
        const driver = new Driver(style);
        for (const move of list) {
          if (move === "frame") driver.frame();
          else if (move === "step") driver.step();
          else if (move === "arrive") driver.arrive();
          else if ("delay" in move) driver.guest.clock.delay(move.delay);
          else driver.moderate(move.moderation);
        }
        driver.settle();
        assert.equal(driver.found, driver.sent);
        frames += driver.sent;
      }),
      { numRuns: 40 },
    );
    assert.ok(frames > 40, `${frames} frames in all`);
  });
