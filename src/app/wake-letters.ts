/** Wake-up events in ethtool's letters. */
import { WAKE_FORMS, type WakeForm } from "#driver/wake.ts";
import { OutOfRange } from "#kit/errors.ts";

const LETTERS: Readonly<Record<WakeForm, string>> = {
  link: "p",
  unicast: "u",
  multicast: "m",
  broadcast: "b",
  magic: "g",
};
/** No wake-up events. */
const NONE = "d";

/** The letters of wake-up events; "d" for none. */
export const lettersOf = (forms: readonly WakeForm[]): string => forms.map((form) => LETTERS[form]).join("") || NONE;

/** @throws {OutOfRange} for an unknown letter, no letter, or "d" together with other letters */
export const formsOf = (letters: string): readonly WakeForm[] => {
  if (letters === NONE) return [];
  const forms = letters.split("").map((letter) => WAKE_FORMS.find((form) => LETTERS[form] === letter));
  if (forms.length === 0 || forms.includes(undefined))
    throw new OutOfRange(
      `cannot enable unsupported WoL mode "${letters.slice(0, 16)}"`,
      "p is link, u unicast, m multicast, b broadcast, g magic packet; d alone disables all.",
    );
  return forms as readonly WakeForm[];
};
