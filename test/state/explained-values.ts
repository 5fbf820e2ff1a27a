/** Values of ours that are Realtek's where Linux has others: rows of `explained.ts`. */
import type { Row } from "./explained.ts";

export const SECOND_8168H: readonly Row[] = [];
export const BOTH_LANES: readonly Row[] = [];
export const REALTEKS: readonly Row[] = [];
