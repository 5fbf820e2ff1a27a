/** Single chips that behave differently from the rest of their generation: one table a quirk, with its reason and source. */
import type { Chip, ChipKey } from "./chips.ts";

const has =
  (keys: readonly ChipKey[]) =>
  (chip: Chip): boolean =>
    (keys as readonly string[]).includes(chip.key);

/**
 * SYSErr is set now and then although nothing is wrong, so it must not cause a reset. Reported from the field for the
 * 8168FP; Linux's r8169 ignores SYSErr on every PCI Express chip for that reason, FreeBSD's re(4) resets on it.
 */
export const raisesSpuriousSystemError = has(["rtl8117-54a", "rtl8117-54b"]);
