/** State of the LEDs at the socket: lit by link speed, blinking with traffic. */
import type { Chip } from "#chip/chips.ts";
import { LED_CTRL } from "#chip/registers.ts";
import { LEDSEL0, LEDSEL1, LEDSEL2, LEDSEL3 } from "#chip/registers-8125.ts";
import type { Page } from "./page.ts";

export interface Led {
  /** Whether the LED is lit at the present link speed. */
  readonly lit: boolean;
  /** Whether the LED blinks when frames are sent and received. */
  readonly activity: boolean;
}

const LEDS = 3;
const BITS = 4;
const SELECT = { link: { 10: 1 << 0, 100: 1 << 1, 1000: 1 << 2 }, activity: 1 << 3 } as const;
const SELECTS = [LEDSEL0, LEDSEL1, LEDSEL2, LEDSEL3] as const;
/** No source has bits for 5 and 10 Gbit/s. */
const SELECT_8125 = { link: { 10: 1 << 0, 100: 1 << 1, 1000: 1 << 3, 2500: 1 << 5 }, activity: 1 << 9 } as const;

const show = (
  field: number,
  select: { readonly link: Readonly<Record<number, number>>; readonly activity: number },
  speed: number,
): Led => ({ lit: (field & (select.link[speed] ?? 0)) !== 0, activity: (field & select.activity) !== 0 });

/**
 * The LEDs in order, with a link of `speed` Mbit/s (0 without a link). Empty for PCI chips, where two bits of Config1
 * select a pattern; patterns are not modelled.
 */
export const ledsOf = (chip: Chip, page: Page, speed: number): readonly Led[] => {
  const { leds } = chip.profile;
  if (leds === "patterns") return [];
  if (leds === "words") return SELECTS.map((at) => show(page.get(at, 2), SELECT_8125, speed));
  const control = page.get(LED_CTRL, 2);
  return Array.from({ length: LEDS }, (_, i) => show(control >>> (BITS * i), SELECT, speed));
};
