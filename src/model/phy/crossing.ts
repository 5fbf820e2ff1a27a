/** The crossover setting of a PHY, as encoded in a register. */
import type { Crossover } from "#chip/phy.ts";

/** The selected crossover; undefined if the PHY selects it automatically. */
export type Crossing = "mdi" | "mdix" | undefined;

export const crossing = (word: number, { mask, mdi, mdix }: Crossover["control"]): Crossing => {
  const field = word & mask;
  if (field === mdi) return "mdi";
  return field === mdix ? "mdix" : undefined;
};
