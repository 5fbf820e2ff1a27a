/** Interrupt status, mask and mitigation, and the race between a frame and a late acknowledge, cured. */
import { CPlus, CPlusCmd, Intr, IntrMask, IntrMitigate, IntrStatus } from "#chip/registers.ts";
import { type Page, RAISED_AT } from "./page.ts";
import type { Schedule } from "./schedule.ts";

const BITS = 16;
/** More than the bits need: the engine keeps arrays of up to 64 bytes on its heap, where they are slower. */
const PLACES = 32;
const RAISED = RAISED_AT >> 2;
const STATUS = IntrStatus >> 2;
const STATUS_SHIFT = 8 * (IntrStatus & 3);

/** Mitigation units at CPlusCmd 00, in microseconds, by speed; 01, 10 and 11 are 8, 16 and 32 of them, as Linux's `ethtool -C` reckons. */
const UNIT_MICROS = { 0: 5, 10: 40.96, 100: 2.56, 1000: 5 } as const;
const UNIT_SCALE = [1, 8, 16, 32] as const;
export type Speed = keyof typeof UNIT_MICROS;

/**
 * The interrupt line is high while an unmasked event is pending; the bus is told of each change from low to high.
 *
 * A guest reads IntrStatus and later writes the events back to clear them. Where writes are posted that may be much later,
 * and a frame that came in between would lose its interrupt, though on a wire the two would have been far apart. So each
 * event remembers when it was raised first and last, counted in raises, and an acknowledge clears it only if it has not
 * been raised again since the guest looked. An event the guest has not seen at all is cleared, as on the chip.
 */
export class InterruptBlock {
  readonly #page: Page;
  readonly #fire: () => void;
  readonly #first = new Int32Array(PLACES);
  readonly #last = new Int32Array(PLACES);
  readonly transmit: Mitigation;
  readonly receive: Mitigation;
  /** The count of raises when the guest last looked, and whether that is exactly when. */
  #observed = 0;
  #exact = true;
  #high = false;

  /** @param fire the line goes up: the guest is interrupted */
  constructor(page: Page, schedule: Schedule, speed: () => Speed, fire: () => void) {
    const unitMicros = (): number => UNIT_MICROS[speed()] * UNIT_SCALE[page.get(CPlusCmd, 2) & CPlus.coalescingUnit]!;
    this.#page = page;
    this.#fire = fire;
    this.transmit = new Mitigation(page, 8, schedule, unitMicros, this, Intr.transmitOk);
    this.receive = new Mitigation(page, 0, schedule, unitMicros, this, Intr.receiveOk);
    page.words[RAISED] = 0;
  }

  /** Events pending. */
  get status(): number {
    return (this.#page.words[STATUS]! >>> STATUS_SHIFT) & 0xffff;
  }

  /** The guest has read IntrStatus through the bus. */
  observe(): void {
    this.#observed = this.#page.words[RAISED]!;
    this.#exact = true;
  }

  /**
   * The guest reads IntrStatus without us: `events` is the count of raises from before its last read. It may have seen
   * a little more than that, so from then on everything raised later is taken to be new. At worst that is an interrupt
   * too many.
   */
  seen(events: number): void {
    this.#observed = events;
    this.#exact = false;
  }

  raise(events: number): void {
    const sequence = (this.#page.words[RAISED]! + 1) | 0;
    const status = this.status;
    for (let rest = events; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      this.#last[bit] = sequence;
      if (((status >>> bit) & 1) === 0) this.#first[bit] = sequence;
    }
    this.#page.publish(RAISED, sequence);
    if ((status | events) === status) return;
    this.#page.put(IntrStatus, 2, status | events);
    this.look();
  }

  /** The guest clears events. */
  acknowledge(events: number): void {
    const status = this.status;
    const again = this.#raisedAgain(status & events);
    this.#page.put(IntrStatus, 2, status & ~events);
    this.look();
    if (again === 0) return;
    // As if the clearing had come in time and the event after it.
    this.#page.put(IntrStatus, 2, this.status | again);
    for (let bit = 0; bit < BITS; bit++) if (((again >>> bit) & 1) !== 0) this.#first[bit] = this.#last[bit]!;
    this.look();
  }

  /** Sets the line by status and mask; tells the bus when it goes up. The guest may be called from here: do this last. */
  look(): void {
    const high = (this.status & this.#page.get(IntrMask, 2)) !== 0;
    const edge = high && !this.#high;
    this.#high = high;
    if (edge) this.#fire();
  }

  /** IntrMitigate was written: what is held back goes out now. */
  changed(): void {
    this.transmit.changed();
    this.receive.changed();
  }

  /** The registers were reset. */
  reset(): void {
    this.#high = false;
    this.#first.fill(0);
    this.#last.fill(0);
    this.#observed = this.#page.words[RAISED]!;
    this.transmit.reset();
    this.receive.reset();
  }

  #raisedAgain(events: number): number {
    const seen = this.#observed;
    let again = 0;
    for (let bit = 0; bit < BITS; bit++) {
      if (((events >>> bit) & 1) === 0) continue;
      // Differences, so that the count may wrap.
      const sawIt = !this.#exact || ((this.#first[bit]! - seen) | 0) <= 0;
      if (sawIt && ((this.#last[bit]! - seen) | 0) > 0) again |= 1 << bit;
    }
    return again;
  }
}

/**
 * Holds TxOK or RxOK back until enough frames have passed or enough time. IntrMitigate has for each direction a time in
 * units that depend on speed and CPlusCmd, and a number of frames in fours; either 0 is no limit, time 0 is no delay.
 */
class Mitigation {
  readonly #page: Page;
  readonly #shift: number;
  readonly #schedule: Schedule;
  readonly #unitMicros: () => number;
  readonly #block: InterruptBlock;
  readonly #event: number;
  readonly #expire: () => void;
  /** The fields of the register, in its units. */
  #time = 0;
  #limit = 0;
  /** Frames held back. */
  #frames = 0;
  #cancel: (() => void) | undefined;

  constructor(
    page: Page,
    shift: number,
    schedule: Schedule,
    unitMicros: () => number,
    block: InterruptBlock,
    event: number,
  ) {
    this.#page = page;
    this.#shift = shift;
    this.#schedule = schedule;
    this.#unitMicros = unitMicros;
    this.#block = block;
    this.#event = event;
    this.#expire = () => {
      this.#cancel = undefined;
      this.#deliver();
    };
  }

  /** `count` frames have passed. The guest may be called from here: do this last. */
  frames(count: number): void {
    if (this.#time === 0) this.#block.raise(this.#event);
    else this.#hold(count);
  }

  /** The limits changed: what is held back goes out now. */
  changed(): void {
    this.#load();
    if (this.#frames > 0) this.#deliver();
  }

  /** The register was reset: what is held back is forgotten. */
  reset(): void {
    this.#load();
    this.#forget();
  }

  #load(): void {
    const field = this.#page.get(IntrMitigate, 2) >>> this.#shift;
    this.#time = (field >>> 4) & 0xf;
    this.#limit = 4 * (field & 0xf);
  }

  #hold(count: number): void {
    this.#frames += count;
    if (this.#limit !== 0 && this.#frames >= this.#limit) this.#deliver();
    else this.#cancel ??= this.#schedule.after(this.#time * this.#unitMicros(), this.#expire);
  }

  #forget(): void {
    this.#frames = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #deliver(): void {
    this.#forget();
    this.#block.raise(this.#event);
  }
}
