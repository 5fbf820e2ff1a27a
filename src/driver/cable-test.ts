/**
 * The cable test, run in short steps. The test finds out for each pair whether the pair is open, shorted or mismatched,
 * and at what distance.
 */
import { CableResult, CableTest, type CableTestFacts, CableWiring } from "#chip/cable-test.ts";
import { Ocp } from "#chip/phy.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Hardware } from "./hardware.ts";
import type { Operation } from "./operation.ts";

/**
 * Pairs 1-2, 3-6, 4-5 and 7-8 of the connector. "unknown": the test did not end, or no source explains the value that
 * it returned.
 */
export interface PairReport {
  readonly pair: "A" | "B" | "C" | "D";
  readonly state: "ok" | "open" | "short" | "mismatch" | "unknown";
  /** Distance to the fault. */
  readonly metres?: number;
}

const PAIRS = ["A", "B", "C", "D"] as const;
/** Limit of the number of turns, which together take 5 s. Realtek's driver has the same limit. */
const MAX_TURNS = 500;
const TURN_MICROS = 10_000;
/** Lowest speed in Mbit/s at which a link uses all four pairs. Such a link proves that the pairs are good. */
const ALL_PAIRS = 1000;

/** Access to the memory of the PHY's controller. */
const memoryOf = ({ side }: Hardware) => ({
  read(address: number): number {
    side.phyWrite(Ocp.memoryAddress, address);
    return side.phyRead(Ocp.memoryData);
  },
  write(address: number, word: number): void {
    side.phyWrite(Ocp.memoryAddress, address);
    side.phyWrite(Ocp.memoryData, word);
  },
});

/**
 * A link of 10 or 100 Mbit/s goes down during the test. With a link of 1000 or 2500 Mbit/s there is no test, because
 * such a link proves that all four pairs are good.
 * @param speed of the link in Mbit/s; 0 without a link
 * @throws {OutOfRange} at the first step, on chips without a cable test
 */
export function* testCable(hw: Hardware, speed: number): Operation<readonly PairReport[]> {
  const { chip, side } = hw;
  const facts = chip.profile.cableTest;
  if (facts === undefined)
    throw new OutOfRange(
      `the PHY of the ${chip.name} has no known cable test`,
      "The RTL8168H, 8125A and 8125B have one.",
    );
  const pairs = chip.speed < ALL_PAIRS ? PAIRS.slice(0, 2) : PAIRS;
  if (speed >= ALL_PAIRS) return pairs.map((pair) => ({ pair, state: "ok" }));
  setUp(hw, facts);
  side.phyUpdate(CableTest.address, CableTest.start, 0);
  side.phyUpdate(CableTest.address, 0, CableTest.pairs);
  side.phyUpdate(CableTest.address, 0, CableTest.start);
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    yield TURN_MICROS;
    if ((side.phyRead(CableTest.address) & CableTest.done) !== 0)
      return pairs.map((pair, i) => resultOf(hw, facts, pair, i));
  }
  return pairs.map((pair) => ({ pair, state: "unknown" }));
}

const setUp = (hw: Hardware, { setUp: words, wiring }: CableTestFacts): void => {
  const memory = memoryOf(hw);
  for (const [address, word] of words) memory.write(address, word);
  if (wiring === undefined) return;
  const swapped = hw.side.macRead(CableWiring.macOcp) >>> CableWiring.swappedShift;
  const reversed = (hw.side.macRead(CableWiring.order) & CableWiring.reversed) !== 0;
  if (reversed && swapped === CableWiring.asTested) return;
  const inOrder = reversed
    ? [3, 2, 1, 0].reduce((bits, pair, i) => bits | (((swapped >>> pair) & 1) << i), 0)
    : swapped;
  memory.write(wiring, (memory.read(wiring) & ~0xf00) | (inOrder << 8));
};

const resultOf = (hw: Hardware, { results }: CableTestFacts, pair: PairReport["pair"], i: number): PairReport => {
  const memory = memoryOf(hw);
  const at = results + CableResult.pairStep * i;
  const state = CableResult.states[memory.read(at)] ?? "unknown";
  if (state === "ok" || state === "unknown") return { pair, state };
  const units = memory.read(at + CableResult.distance) & CableResult.distanceMask;
  return { pair, state, metres: units / CableResult.unitsPerMetre };
};
