/**
 * The cable test of the PHYs of the RTL8168H, 8125A and 8125B: time domain reflectometry on each pair.
 *
 * Source: Realtek's own drivers for Linux, r8168 8.055 and r8125 9.016.01, which offer the test on one stepping of the
 * RTL8168H. The other chips of that die are assumed to have it too.
 */

/** A PHY-OCP register: bits that select the pairs to test, start the test, and show that it has ended. */
export const CableTest = { address: 0xa422, start: 1 << 0, pairs: 0xf0, done: 1 << 15 } as const;

/**
 * A pair's words in the memory of the PHY's controller, from `CableTestFacts.results` on: the pair's state, and the
 * distance to the fault.
 */
export const CableResult = {
  pairStep: 4,
  distance: 2,
  distanceMask: 0x3fff,
  unitsPerMetre: 80,
  states: { 0x60: "ok", 0x48: "open", 0x50: "short", 0x42: "mismatch", 0x44: "mismatch" } as Readonly<
    Record<number, "ok" | "open" | "short" | "mismatch">
  >,
} as const;

/**
 * MAC-OCP registers that show how the board connects the pairs: in which pairs the wires are swapped (`macOcp`), and
 * whether the pairs are in reverse order (`order`). A board in reverse order needs no set-up if its bits of swapped
 * pairs are `asTested`.
 */
export const CableWiring = {
  macOcp: 0xd440,
  swappedShift: 12,
  order: 0xd442,
  reversed: 1 << 5,
  asTested: 0xa,
} as const;

export interface CableTestFacts {
  readonly results: number;
  /** Words that the driver writes to the controller's memory before a test. */
  readonly setUp: readonly (readonly [address: number, word: number])[];
  /** Address of the word whose bits 11:8 are the pairs with swapped wires; undefined on the 8168H. */
  readonly wiring: number | undefined;
}

export const CABLE_8168H: CableTestFacts = {
  results: 0x802b,
  setUp: [
    [0x8169, 0x18c1],
    [0x816b, 0xc7b0],
    [0x816d, 0x5933],
    [0x816f, 0xb920],
    [0x8171, 0xee07],
    [0x8162, 0x1800],
    [0x8173, 0x0304],
  ],
  wiring: undefined,
};
export const CABLE_8125A: CableTestFacts = { results: 0x8027, setUp: [], wiring: 0x8284 };
/**
 * The two words of `setUp` belong to the test of cables that carry power over Ethernet, which this driver does not
 * offer.
 */
export const CABLE_8125B: CableTestFacts = {
  results: 0x8027,
  setUp: [
    [0x8fe1, 0],
    [0x8fe3, 0],
  ],
  wiring: 0x81aa,
};
