/**
 * RTL8139C+.
 *
 * Source: RTL8139C+ datasheet; FreeBSD `sys/dev/re/if_re.c`, re_setwol and re_init_locked (BSD-4-Clause; values only).
 */
import type { Start } from "../steps.ts";

export const START_8139CP: Start = {
  mac: [
    // Disables wake-up by magic packet, link, or any frame.
    {
      on: "io8",
      words: [
        [0x59, 0x30, 0],
        [0xd8, 0x72, 0],
      ],
    },
    // Disables early receive interrupts.
    { on: "io16", words: [[0x5c, 0]] },
    // The high-priority ring is never used, but its base may be undefined after a reset.
    {
      on: "io32",
      words: [
        [0x2c, 0],
        [0x28, 0],
      ],
    },
  ],
  phy: [],
};
