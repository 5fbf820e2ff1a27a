/** The manual crossover setting in a register; undefined if the PHY determines it automatically. */
export type Crossing = "mdi" | "mdix" | undefined;

export const crossing = (
  word: number,
  { mask, mdi, mdix }: { readonly mask: number; readonly mdi: number; readonly mdix: number },
): Crossing => {
  const field = word & mask;
  if (field === mdi) return "mdi";
  return field === mdix ? "mdix" : undefined;
};
