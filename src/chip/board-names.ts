/**
 * Finds chips by the names that users see: on the package, in a shop's list, in a log; for example `RTL8111HS-CG`,
 * `8168h`, `rtl8125bg`.
 *
 * Most names are in the chip table (Realtek sells one die as 8168 and as 8111); other markings are listed here.
 * Sources: Realtek's product pages (RTL8111H(S)-CG, RTL8111FP-CG, RTL8125BG(S)-CG), the lists in its r8125 driver
 * (RTL8125B(S)(G)) and in its programming tool (RTL8111G(S), RTL8111H(S), RTL8125B(S), RTL8125BG(S)); HSD and HSH are
 * on boards of Dell, HP and Asus.
 */
import { CHIPS, type Chip } from "./chips.ts";

/** Markings that are not in the chip table, each with the chip's name in that table. */
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

/** Suffixes of lead-free packages, from the ordering information in the datasheets. */
const PACKAGE = /-(cg|gr|lf)$/;

/** "RTL8111HS-CG" becomes "8111hs". In a driver's name such as "r8125", only the "r" is removed. */
const plain = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .replace(/^realtek[\s-]*/, "")
    .replace(PACKAGE, "")
    .replace(/^(rtl|r)[\s-]*(?=\d)/, "");

/** All names of a chip: its key and the name in its row ("RTL8168fp/RTL8117" is two names). */
const namesOf = ({ key, name }: Chip): readonly string[] => [key, ...name.split("/")].map(plain);

/** The chips with this name; several if they are steppings of one chip, none if the name is unknown. */
export const chipsCalled = (text: string): readonly Chip[] => {
  const name = plain(text);
  const wanted = Object.hasOwn(PRINTED, name) ? PRINTED[name]! : name;
  const called = CHIPS.filter((chip) => namesOf(chip).includes(wanted));
  // A text that is a key means only the chip with that key, even if the text is also a name of other chips.
  const own = called.filter(({ key }) => plain(key) === wanted);
  if (own.length > 0) return own;
  // Steppings that only MAC-OCP registers distinguish have the same marking, so they can be selected only by key.
  const printed = called.filter(({ only }) => only?.macOcp === undefined);
  return printed.length > 0 ? printed : called;
};

/** A prefix must have at least this length, because shorter ones match most of the family. */
const SHORTEST_PREFIX = 4;

/**
 * The chips with a name that starts with the text. If there is none, the chips whose name is the longest beginning of
 * the text.
 */
export const chipsNear = (text: string): readonly Chip[] => {
  const name = plain(text);
  if (name.length < SHORTEST_PREFIX) return [];
  const begun = CHIPS.filter((chip) => namesOf(chip).some((each) => each.startsWith(name)));
  if (begun.length > 0) return begun;
  const reach = (chip: Chip): number =>
    Math.max(
      ...namesOf(chip).map((each) => (name.startsWith(each) && each.length >= SHORTEST_PREFIX ? each.length : 0)),
    );
  const farthest = Math.max(...CHIPS.map(reach));
  return farthest === 0 ? [] : CHIPS.filter((chip) => reach(chip) === farthest);
};
