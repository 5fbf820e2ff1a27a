/**
 * Chips by the names that users find: on the package, in a shop's list, in a log. `RTL8111HS-CG`, `8168h`, `rtl8125bg`.
 *
 * Most are covered by the table's names: Realtek sells one die as 8168 and as 8111. Other markings are here. Sources:
 * Realtek's product pages (RTL8111H(S)-CG, RTL8111FP-CG, RTL8125BG(S)-CG), the list in its r8125 driver
 * (RTL8125B(S)(G)) and its programming tool's (RTL8111G(S), RTL8111H(S), RTL8125B(S), RTL8125BG(S)); HSD and HSH are on
 * boards of Dell, HP and Asus.
 */
import { CHIPS, type Chip } from "./chips.ts";

/** Markings, and the table's name for each. */
const PRINTED: Readonly<Record<string, string>> = {
  "8111gs": "8111g",
  "8111hs": "8111h",
  "8111hsd": "8111h",
  "8111hsh": "8111h",
  "8111fp": "8168fp",
  "8125bs": "8125b",
  "8125bg": "8125b",
  "8125bgs": "8125b",
};

/** Lead-free packages, in the ordering information of the datasheets. */
const PACKAGE = /-(cg|gr|lf)$/;

/** "RTL8111HS-CG" as "8111hs". A driver's name, "r8125", is the beginning of a chip's. */
const plain = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .replace(/^realtek[\s-]*/, "")
    .replace(PACKAGE, "")
    .replace(/^(rtl|r)[\s-]*(?=\d)/, "");

/** Every name of a chip: its key, and what its row calls it: "RTL8168fp/RTL8117" is two names. */
const namesOf = ({ key, name }: Chip): readonly string[] => [key, ...name.split("/")].map(plain);

/** The chips that have this name: several, where they are steppings of one. None for an unknown name. */
export const chipsCalled = (text: string): readonly Chip[] => {
  const name = plain(text);
  const wanted = Object.hasOwn(PRINTED, name) ? PRINTED[name]! : name;
  const called = CHIPS.filter((chip) => namesOf(chip).includes(wanted));
  // A key belongs to exactly one chip, whatever its other names.
  const own = called.filter(({ key }) => plain(key) === wanted);
  if (own.length > 0) return own;
  // Steppings that differ only in registers have the same marking: they are selected by key.
  const printed = called.filter(({ only }) => only?.macOcp === undefined);
  return printed.length > 0 ? printed : called;
};

/** Shorter beginnings are those of most of the family. */
const TELLING = 4;

/** The chips whose names begin so, or else those with the longest name that the text itself begins with. */
export const chipsNear = (text: string): readonly Chip[] => {
  const name = plain(text);
  if (name.length < TELLING) return [];
  const begun = CHIPS.filter((chip) => namesOf(chip).some((each) => each.startsWith(name)));
  if (begun.length > 0) return begun;
  const reach = (chip: Chip): number =>
    Math.max(...namesOf(chip).map((each) => (name.startsWith(each) && each.length >= TELLING ? each.length : 0)));
  const farthest = Math.max(...CHIPS.map(reach));
  return farthest === 0 ? [] : CHIPS.filter((chip) => reach(chip) === farthest);
};
