/** The condition of the cable's pairs, and the PHY's cable test. */
import { CableResult, CableTest, type CableTestFacts } from "#chip/cable-test.ts";
import type { Schedule } from "../registers/schedule.ts";
import type { PhyMemory } from "./phy-memory.ts";

/** A fault of a pair. Pairs 0 to 3 use the connector's pins 1-2, 3-6, 4-5 and 7-8. */
export interface CableFault {
  readonly pair: 0 | 1 | 2 | 3;
  readonly state: "open" | "short" | "mismatch";
  /** Distance of the fault from this end, at most 204 m. */
  readonly metres: number;
}

const PAIRS = 4;
/** Duration of a cable test. Real PHYs take up to several seconds. */
const TEST_MICROS = 50_000;
const WORDS = { ok: 0x60, open: 0x48, short: 0x50, mismatch: 0x44 } as const;

/**
 * Tests the pairs when a write to the PHY's test register sets its start bit and selects all pairs. Writes the results
 * to the memory of the PHY's controller.
 */
export class CableTester {
  faults: readonly CableFault[] = [];
  readonly #facts: CableTestFacts;
  readonly #memory: PhyMemory;
  readonly #schedule: Schedule;
  #cancel: (() => void) | undefined;

  constructor(facts: CableTestFacts, memory: PhyMemory, schedule: Schedule) {
    this.#facts = facts;
    this.#memory = memory;
    this.#schedule = schedule;
  }

  /**
   * Called when the register changed. @param plugged whether the cable has a link partner @param done called when the
   * test has ended
   */
  write(before: number, value: number, plugged: boolean, done: () => void): void {
    if ((value & ~before & CableTest.start) === 0 || (value & CableTest.pairs) !== CableTest.pairs) return;
    this.#cancel?.();
    this.#cancel = this.#schedule.after(TEST_MICROS, () => {
      for (let pair = 0; pair < PAIRS; pair++) this.#report(pair, plugged);
      done();
    });
  }

  /** Stores the result for a pair. Without a link partner, a good pair is reported as open at the NIC's own socket. */
  #report(pair: number, plugged: boolean): void {
    const fault = this.faults.find((each) => each.pair === pair);
    const { state, metres } = fault ?? { state: plugged ? ("ok" as const) : ("open" as const), metres: 0 };
    const at = this.#facts.results + CableResult.pairStep * pair;
    this.#memory.store(at, WORDS[state]);
    this.#memory.store(at + CableResult.distance, Math.round(metres * CableResult.unitsPerMetre));
  }
}
