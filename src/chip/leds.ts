/**
 * What the LEDs at the socket can show, for each register layout. Sources: for the bits, what Linux's r8169
 * is known to write (facts only); for the patterns, Realtek's datasheets of RTL8169S and 8139C+, Config1.
 */
import { LEDSEL0, LEDSEL1, LEDSEL2, LEDSEL3, LedSelect } from "./registers-8125.ts";
import { LED_CTRL } from "./registers.ts";

/**
 * The field of one LED: for each speed in Mbit/s, the bit that lights the LED at that speed; and the bit that makes it
 * blink with traffic.
 */
export interface LedFields {
  /** Register and position of each LED's field. */
  readonly places: readonly { readonly register: typeof LED_CTRL | typeof LEDSEL0; readonly shift: number }[];
  readonly speeds: readonly (readonly [speed: number, bit: number])[];
  readonly activity: number;
  /** A value that the driver does not write, because it has another meaning. */
  readonly reserved?: number;
}

export const LED_FIELDS: Readonly<Record<"nibbles" | "words", LedFields>> = {
  nibbles: {
    places: [0, 4, 8].map((shift) => ({ register: LED_CTRL, shift })),
    speeds: [
      [10, 1 << 0],
      [100, 1 << 1],
      [1000, 1 << 2],
    ],
    activity: 1 << 3,
    // All four bits together select "option 2", which gives the LEDs other meanings.
    reserved: 0xf,
  },
  words: {
    places: [LEDSEL0, LEDSEL1, LEDSEL2, LEDSEL3].map((register) => ({ register, shift: 0 })),
    speeds: [
      [10, LedSelect.link10],
      [100, LedSelect.link100],
      [1000, LedSelect.link1000],
      [2500, LedSelect.link2500],
    ],
    activity: LedSelect.activity,
  },
};
/** Config1 on PCI: one of four patterns for all LEDs. */
export const LED_PATTERN = { shift: 6, mask: 3 } as const;
