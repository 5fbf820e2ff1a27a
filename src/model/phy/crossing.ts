/** How a register crosses the pairs by hand; undefined where the PHY finds out by itself. */
export type Crossing = "mdi" | "mdix" | undefined;

export const crossing = (
  word: number,
  { mask, mdi, mdix }: { readonly mask: number; readonly mdi: number; readonly mdix: number },
): Crossing => {
  const field = word & mask;
  if (field === mdi) return "mdi";
  return field === mdix ? "mdix" : undefined;
};
