/** Converts derived changes to a start-up sequence, prints it for `src/chip/start`, and compares it with the present one. */
import { PARAMETER_8125, PARAMETER_8168D, PARAMETER_8168G, type Step, type Word } from "#chip/steps.ts";
import { isExtension, type Place, type Space, windowOf } from "./side-buses.ts";
import type { Change } from "./derive.ts";

/** The step to which a change belongs, still without words. */
const headOf = (place: Place): Step & { words: readonly Word[] } => {
  const { space, page, chosen } = place;
  const words: readonly Word[] = [];
  if (space === "fuse") throw new Error(`the one-time memory is written at 0x${place.address.toString(16)}`);
  if (space !== "phy") return { on: space, words };
  const window = windowOf(place);
  if (window !== undefined) return { through: window, words };
  return isExtension(place) ? { extension: chosen, words } : { page, words };
};

/** Spaces in which a write can affect single bytes of a register. */
const LANED: readonly Space[] = ["eri", "csi"];

const inStep = ({ place, mask, word }: Change): Word => {
  const [address, ...bits] = word;
  const at = windowOf(place) === undefined ? address : place.chosen;
  // The write affects only some bytes of the register.
  if (bits.length === 1 && LANED.includes(place.space) && mask !== 0xffff_ffff) return [at, mask, bits[0]];
  return [at, ...bits] as Word;
};

/** Consecutive changes with the same space, page, extension or window form one step. */
export const stepsOf = (changes: readonly Change[]): readonly Step[] => {
  const steps: (Step & { words: readonly Word[] })[] = [];
  for (const change of changes) {
    const head = headOf(change.place);
    const last = steps.at(-1);
    const word = inStep(change);
    if (last !== undefined && JSON.stringify({ ...last, words: [] }) === JSON.stringify(head))
      steps[steps.length - 1] = { ...last, words: [...last.words, word] };
    else steps.push({ ...head, words: [word] });
  }
  return steps;
};

const WINDOW_NAMES: ReadonlyMap<object, string> = new Map([
  [PARAMETER_8168D, "PARAMETER_8168D"],
  [PARAMETER_8168G, "PARAMETER_8168G"],
  [PARAMETER_8125, "PARAMETER_8125"],
]);

const hex = (value: number, digits: number): string => `0x${(value >>> 0).toString(16).padStart(digits, "0")}`;
const DIGITS: Readonly<Record<string, number>> = { io8: 2, io16: 4, io32: 8, eri: 8, csi: 8 };

const wordText = ([address, ...bits]: Word, digits: number): string => {
  const text = bits.map((value) => (bits.length === 2 && value === 0 ? "0" : hex(value, digits)));
  return `[${hex(address, 2)}, ${text.join(", ")}]`;
};

/** A line of text for each word, with its place. Sequences are compared as lists of such lines. */
export const linesOf = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap((step): readonly string[] => {
    if (!("words" in step)) return [JSON.stringify(step)];
    const place =
      "on" in step
        ? step.on
        : "page" in step
          ? `page ${hex(step.page, 1)}`
          : "extension" in step
            ? `extension ${hex(step.extension, 2)}`
            : `through ${hex(step.through.page, 1)}`;
    const digits = "on" in step ? (DIGITS[step.on] ?? 4) : 4;
    return step.words.map((word) => `${place} ${wordText(canonical(word, digits), digits)}`);
  });

/**
 * The one form in which a word is compared: no bit is both cleared and set, and a word that sets or clears every bit is
 * a store.
 */
const canonical = ([address, ...bits]: Word, digits: number): Word => {
  const [clear, set] = bits as [number, number?];
  if (set === undefined) return [address, clear];
  const all = 2 ** (4 * digits) - 1;
  if ((clear | set) >>> 0 === all) return [address, set];
  return [address, (clear & ~set) >>> 0, set];
};

/** The source text: steps of a `Start`. */
export const sourceOf = (steps: readonly Step[]): string =>
  steps
    .map((step) => {
      if (!("words" in step)) return `  ${JSON.stringify(step)},`;
      const digits = "on" in step ? (DIGITS[step.on] ?? 4) : 4;
      const words = step.words.map((word) => wordText(word, digits)).join(", ");
      const where =
        "on" in step
          ? `on: "${step.on}"`
          : "page" in step
            ? `page: ${step.page < 10 ? step.page : hex(step.page, 3)}`
            : "extension" in step
              ? `extension: ${hex(step.extension, 2)}`
              : `through: ${WINDOW_NAMES.get(step.through)}`;
      return `  { ${where}, words: [${words}] },`;
    })
    .join("\n");

/** Lines in only one of two lists, in order: `-` for the first, `+` for the second. */
export const differences = (a: readonly string[], b: readonly string[]): readonly string[] => {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i]![j] = a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  const lines: string[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return lines;
};
