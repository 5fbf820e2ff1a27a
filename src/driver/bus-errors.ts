/**
 * Bus errors reported in the PCI status register. PCI 3.0, 6.2.3; in PCI Express the bits mean the same (7.5.1.1.4).
 */
import { type Mmio, w1c16 } from "#kit/mmio.ts";

const STATUS = w1c16(0x06);
const ERRORS: readonly (readonly [bit: number, name: string])[] = [
  [1 << 8, "data parity error"],
  [1 << 11, "target abort signalled"],
  [1 << 12, "target abort received"],
  [1 << 13, "master abort received"],
  [1 << 14, "system error signalled"],
  [1 << 15, "parity error detected"],
];
const ALL = ERRORS.reduce((bits, [bit]) => bits | bit, 0);

/**
 * Returns the names of the errors that occurred since the last call, and clears them. The list is empty if the card has
 * left the bus.
 */
export const takeBusErrors = (config: Mmio): readonly string[] => {
  const status = config.read16(STATUS);
  if (status === 0xffff || (status & ALL) === 0) return [];
  config.acknowledge16(STATUS, status & ALL);
  return ERRORS.flatMap(([bit, name]) => ((status & bit) === 0 ? [] : [name]));
};
