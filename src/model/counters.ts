/** Tally counters, and the dump of 64 bytes that a driver asks for. */
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import type { Dma } from "./dma.ts";
import type { Page } from "./page.ts";
import type { Schedule } from "./schedule.ts";
import type { Offences } from "./strict.ts";

/** Offset and bytes in the dump, RTL8168C register table (DTCCR). 8125 and later write more; this chip never does. */
// prettier-ignore
// oxfmt-ignore
const LAYOUT = [
  ["txFrames", 0x00, 8], ["rxFrames", 0x08, 8], ["txErrors", 0x10, 8], ["rxErrors", 0x18, 4], ["rxMissed", 0x1c, 2],
  ["alignErrors", 0x1e, 2], ["txOneCollision", 0x20, 4], ["txMultiCollisions", 0x24, 4], ["rxUnicast", 0x28, 8],
  ["rxBroadcast", 0x30, 8], ["rxMulticast", 0x38, 4], ["txAborted", 0x3c, 2], ["txUnderrun", 0x3e, 2],
] as const;

export type CounterName = (typeof LAYOUT)[number][0];
export const DUMP_BYTES = 64;
/** What the low bits of DTCCR are for. */
const COMMAND = DUMP_BYTES - 1;

/** Index of each counter. */
export const Count = Object.fromEntries(LAYOUT.map(([name], i) => [name, i])) as Readonly<Record<CounterName, number>>;

const zero = (values: Float64Array): void => {
  values.fill(0);
};

/** Counts live in one array, so that counting a frame allocates nothing. */
export class TallyCounters {
  readonly values = new Float64Array(LAYOUT.length);
  readonly #parts: { page: Page; dma: Dma; schedule: Schedule; offences: Offences };
  readonly #delayMicros: number;

  constructor(delayMicros: number, parts: { page: Page; dma: Dma; schedule: Schedule; offences: Offences }) {
    this.#delayMicros = delayMicros;
    this.#parts = parts;
  }

  count(counter: number, by = 1): void {
    this.values[counter]! += by;
  }

  /** For people. */
  snapshot(): Record<CounterName, number> {
    return Object.fromEntries(LAYOUT.map(([name], i) => [name, this.values[i]!])) as Record<CounterName, number>;
  }

  /** DTCCR was written: its command bits clear themselves when the work is done. */
  command(): void {
    const { page, schedule } = this.#parts;
    const word = page.get(DTCCR, 4);
    if ((word & (Dtccr.reset | Dtccr.dump)) === 0) return;
    schedule.after(this.#delayMicros, () => {
      if ((word & Dtccr.reset) !== 0) zero(this.values);
      if ((word & Dtccr.dump) !== 0) this.#dump(word & ~COMMAND, page.get(DTCCRHigh, 4));
      page.put(DTCCR, 4, page.get(DTCCR, 4) & ~(Dtccr.reset | Dtccr.dump));
    });
  }

  powerOn(): void {
    zero(this.values);
  }

  #dump(low: number, high: number): void {
    const { dma } = this.#parts;
    if (!dma.allowed()) return;
    const at = dma.find(low, high, DUMP_BYTES);
    if (at < 0) {
      dma.abort(low, high);
      return;
    }
    const { region } = dma;
    for (const [name, offset, bytes] of LAYOUT) {
      let value = this.values[Count[name]]!;
      for (let i = 0; i < bytes; i++) {
        region.bytes[at + offset + i] = value % 256;
        value = Math.floor(value / 256);
      }
    }
  }
}
