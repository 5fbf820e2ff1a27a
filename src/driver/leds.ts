/** The LEDs at the socket: what each of them shows, and blinking to identify the card. */
import { LED_FIELDS, LED_PATTERN, type LedFields } from "#chip/leds.ts";
import { Cfg9346, Config1, Lock } from "#chip/registers.ts";
import { BadLinkSetting } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import type { Operation } from "./operation.ts";
import type { LinkState } from "./phy.ts";

/** What one LED shows: the link, traffic, or both (on while there is a link, blinking with traffic). */
export interface LedRule {
  /** Speeds in Mbit/s at which the LED is on. */
  readonly speeds: readonly number[];
  /** True if the LED blinks when frames are sent or received. */
  readonly activity: boolean;
}

const BLINK_MICROS = 500_000;

export class Leds {
  readonly #hw: Hardware;
  readonly #nic: { readonly running: boolean; readonly link: LinkState };
  readonly #fields: LedFields | undefined;
  /** The rules that users have set, by LED. */
  readonly #rules = new Map<number, LedRule>();
  #pattern: number | undefined;

  constructor(hw: Hardware, nic: { readonly running: boolean; readonly link: LinkState }) {
    this.#hw = hw;
    this.#nic = nic;
    const { leds } = hw.chip.profile;
    this.#fields = leds === "patterns" ? undefined : LED_FIELDS[leds];
  }

  /** Number of LEDs that can have rules of their own; 0 if the chip has one of four patterns for all LEDs together. */
  get count(): number {
    return this.#fields?.places.length ?? 0;
  }

  /** Speeds in Mbit/s that an LED can show; no register has bits for 5 and 10 Gbit/s. */
  get speeds(): readonly number[] {
    return this.#fields?.speeds.flatMap(([speed]) => (speed <= this.#hw.chip.speed ? [speed] : [])) ?? [];
  }

  /** What each LED shows, as read from the registers. */
  get rules(): readonly LedRule[] {
    const fields = this.#fields;
    if (fields === undefined) return [];
    return fields.places.map((_, i) => {
      const field = this.#read(fields, i);
      return {
        speeds: fields.speeds.flatMap(([speed, bit]) => ((field & bit) === 0 ? [] : [speed])),
        activity: (field & fields.activity) !== 0,
      };
    });
  }

  /** Sets what an LED shows. The rule is kept across resets. @throws {BadLinkSetting} before anything is written */
  set(led: number, rule: LedRule): void {
    const names = Array.from({ length: this.count }, (_, i) => `${i}`).join(", ");
    const fields = this.#fields ?? this.#refuse("a rule for one LED", "Choose a pattern from 0 to 3 for all of them.");
    if (fields.places[led] === undefined) this.#refuse(`a rule for LED ${led}`, `Its LEDs are ${names}.`);
    const unsupported = rule.speeds.filter((speed) => !this.speeds.includes(speed));
    if (unsupported.length > 0)
      this.#refuse(`an LED that shows ${unsupported.join(", ")} Mbit/s`, `Choose from ${this.speeds.join(", ")}.`);
    if (fieldOf(fields, rule) === fields.reserved)
      this.#refuse(
        "an LED that shows every speed and traffic",
        "Leave one of them out: the chip gives this combination another meaning.",
      );
    this.#rules.set(led, rule);
    this.#write(fields, led, fieldOf(fields, rule));
  }

  /** The pattern of all LEDs on a PCI chip, 0 to 3; undefined on other chips. */
  get pattern(): number | undefined {
    return this.#fields === undefined
      ? (this.#hw.io.read8(Config1) >> LED_PATTERN.shift) & LED_PATTERN.mask
      : undefined;
  }
  /** @throws {BadLinkSetting} */
  setPattern(pattern: number): void {
    if (this.#fields !== undefined) this.#refuse("a pattern for all LEDs", "Set a rule for each.");
    if (!Number.isInteger(pattern) || pattern < 0 || pattern > LED_PATTERN.mask)
      this.#refuse(`LED pattern ${pattern}`, "Choose 0 to 3.");
    this.#pattern = pattern;
    this.restore();
  }

  /** Restores users' settings after a reset of the chip. */
  restore(): void {
    const { io } = this.#hw;
    if (this.#fields !== undefined)
      for (const [led, rule] of this.#rules) this.#write(this.#fields, led, fieldOf(this.#fields, rule));
    if (this.#pattern === undefined) return;
    io.write8(Cfg9346, Lock.unlock);
    io.update8(Config1, LED_PATTERN.mask << LED_PATTERN.shift, this.#pattern << LED_PATTERN.shift);
    io.write8(Cfg9346, Lock.lock);
  }

  /**
   * Blinks all LEDs together for `seconds`, half a second on and half a second off. An LED can be on only while there
   * is a link at one of its speeds. @throws {BadLinkSetting} on PCI chips, for a time that is not above 0 or not
   * finite, or without a link at one of `speeds`
   */
  identify(seconds: number): Operation<void> {
    const fields =
      this.#fields ?? this.#refuse("blinking its LEDs", "No LED pattern of a PCI chip turns all of them off.");
    if (!Number.isFinite(seconds) || seconds <= 0)
      this.#refuse(`blinking its LEDs for ${seconds} s`, "Use a number greater than 0.");
    const { running, link } = this.#nic;
    if (!running || !this.speeds.includes(link.speed))
      this.#refuse(
        `blinking its LEDs with ${link.up && running ? `a link of ${link.speed} Mbit/s` : "no link"}`,
        `LEDs can blink only with a link of ${this.speeds.join(", ")} Mbit/s.`,
      );
    return this.#blink(fields, seconds);
  }

  *#blink(fields: LedFields, seconds: number): Operation<void> {
    const before = fields.places.map((_, led) => this.#read(fields, led));
    const lit = fieldOf(fields, { speeds: this.speeds, activity: false });
    try {
      for (let left = seconds * 1e6, on = true; left > 0; left -= BLINK_MICROS, on = !on) {
        for (const led of before.keys()) this.#write(fields, led, on ? lit : 0);
        yield Math.min(left, BLINK_MICROS);
      }
    } finally {
      for (const [led, field] of before.entries()) this.#write(fields, led, field);
    }
  }

  #read({ places }: LedFields, led: number): number {
    const { register, shift } = places[led]!;
    return this.#hw.io.read16(register) >> shift;
  }

  /** Writes the field of one LED; other bits of the register are preserved. */
  #write({ places, speeds, activity }: LedFields, led: number, field: number): void {
    const { register, shift } = places[led]!;
    const mask = speeds.reduce((bits, [, bit]) => bits | bit, activity);
    this.#hw.io.update16(register, mask << shift, (field & mask) << shift);
  }

  #refuse(what: string, hint: string): never {
    throw new BadLinkSetting(this.#hw.chip.name, what, hint);
  }
}

const fieldOf = ({ speeds, activity }: LedFields, rule: LedRule): number =>
  speeds.reduce(
    (bits, [speed, bit]) => (rule.speeds.includes(speed) ? bits | bit : bits),
    rule.activity ? activity : 0,
  );
