/**
 * Guards start-up tables against accidental changes. `npm run test:state` compares only the final state of a chip: it
 * misses a cleared bit that is already 0 in the model, and a value that is overwritten later.
 *
 * After an intended change, with its source named beside the table, copy the count and the digest from the test's
 * failure message.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { LEGACY_CHIPS, CHIPS, type Chip } from "./chips.ts";

/** Count of all numbers in the table, the first digits of its SHA-256, and the chips that use it. */
// prettier-ignore
// oxfmt-ignore
const STARTS = [
  ["133 8346fa589c0b", "9151as 9151a"],
  ["674 ed2d56eb959b", "8127a"],
  ["383 28278aad7a5d", "8126a-64a"],
  ["576 039f1202fd1a", "8126a-649"],
  ["131 b20041eca74c", "8125bp"],
  ["148 3a88c348cb7a", "8125cp"],
  ["203 5435a71f1571", "8125k 8168kd 8125d-689"],
  ["419 0377a7dd82a2", "8125d-688"],
  ["197 1848e69fb7ba", "8168kb 8125b"],
  ["397 925e02128c78", "8168kb-609 8125a"],
  ["162 b82a8c2797e8", "8117-54b"],
  ["162 b921e81a3cce", "8117-54a"],
  ["167 3ecb4b579c18", "8168ep"],
  ["121 0cc1b907b69e", "8107e 8116af 8168h"],
  ["173 472017cd117d", "8168h-100"],
  ["93 19fb9a5c35b1", "8168h-300"],
  ["115 036df7dd2a62", "8168m"],
  ["429 8f0ea68af701", "8411b"],
  ["185 543e0c9bb326", "8106eus 8168gu"],
  ["127 78f8ba7b21de", "8168g"],
  ["193 4660428f8e25", "8411"],
  ["127 311c8af4433f", "8168f-481"],
  ["160 9e753f58c8a6", "8168f-480"],
  ["153 c7af69f23d6d", "8168evl"],
  ["115 97705ffded9e", "8168e-2c1 8168e-2c0"],
  ["80 97d0b1e3df78", "8168d-281"],
  ["70 06ade11bb306", "8168d-280"],
  ["30 ba5cd1ee85f5", "8168dp-28a"],
  ["8 bc79c6fced3a", "8168dp-28b"],
  ["21 163c5bd55d83", "8168cp-3c9"],
  ["35 121246ccd933", "8168cp-3c8"],
  ["23 8827a75d4f72", "8168cp-3cx"],
  ["55 c225e6aab494", "8168c-3c0"],
  ["55 ce87e00e507f", "8168c-3c2"],
  ["43 20e6b88f2245", "8168c-3c3"],
  ["37 e092bf98094f", "8168c-3cx"],
  ["11 aa58c73f8b33", "8168b"],
  ["33 97c84ce0610c", "8106e"],
  ["59 a2a3c13eaca3", "8402"],
  ["52 8f62c407dc08", "8105e-409"],
  ["55 5567a3270ae9", "8105e-408"],
  ["25 c7f963e544a6", "8102e-349 8102e-249"],
  ["52 464380485c7c", "8102e-348 8102e-248"],
  ["19 f497df99da5f", "8401"],
  ["23 75a1075e9756", "8102e-34x 8102e-24x"],
  ["0 5d6cfba03503", "8101e"],
  ["76 334cbb7b470d", "8169sc-980"],
  ["66 3faba81a481e", "8169sc-180"],
  ["10 a136ce02989b", "8169sb"],
  ["98 8b89ef3bd5f4", "8110s 8169s"],
  ["12 be2787be2dc8", "8139cp"],
] as const;

const numbers = (value: unknown): number => {
  if (typeof value === "number") return 1;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, part) => sum + numbers(part), 0);
};

/** The start-up table of a chip, with the values for each link speed if there are any. */
const whole = ({ mac, phy, linkUp }: Chip["start"]): object =>
  linkUp === undefined ? { mac, phy } : { mac, phy, linkUp: Object.values(linkUp) };

const summary = ({ start }: Chip): string => {
  const words = whole(start);
  return `${numbers(words)} ${createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 12)}`;
};

const ALL: readonly Chip[] = [...CHIPS, ...LEGACY_CHIPS];
const keysOf = (keys: string): readonly string[] => keys.split(" ").map((key) => `rtl${key}`);

for (const [expected, keys] of STARTS)
  test(`${keys}: the start-up table has the recorded count and digest`, () => {
    for (const key of keysOf(keys)) assert.equal(summary(ALL.find((chip) => chip.key === key)!), expected, key);
  });

test("there is a digest for every chip", () => {
  assert.deepEqual(STARTS.flatMap(([, keys]) => keysOf(keys)).toSorted(), ALL.map(({ key }) => key).toSorted());
});

test("a flipped bit, a missing word and two swapped words each change the digest", () => {
  const chip = ALL[0]!;
  const of = (value: number, ...more: number[]): string =>
    summary({
      ...chip,
      start: { mac: [{ on: "phy", words: [[0x10, value], ...more.map((word) => [0x11, word] as const)] }], phy: [] },
    });
  assert.equal(new Set([of(1, 2), of(3, 2), of(1), of(2, 1)]).size, 4);
});

/**
 * Returns the object and the key that hold each number in a table, so that a test can change the number and restore it.
 */
const places = (value: unknown): readonly { readonly in: Record<string, number>; readonly key: string }[] => {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    typeof part === "number" ? [{ in: value as Record<string, number>, key }] : places(part),
  );
};

test("flipping one bit of any number in any table changes the table's digest", () => {
  let words = 0;
  for (const [expected, keys] of STARTS) {
    const chip = ALL.find(({ key }) => key === keysOf(keys)[0])!;
    // Tables share parts, so only a copy is changed.
    const copy = { ...chip, start: structuredClone(chip.start) };
    assert.equal(summary(copy), expected);
    for (const { in: table, key } of places(copy.start)) {
      table[key]! ^= 1;
      assert.notEqual(summary(copy), expected, `${chip.key}: ${table[key]}`);
      table[key]! ^= 1;
      words++;
    }
  }
  assert.equal(
    words,
    STARTS.reduce((sum, [expected]) => sum + Number.parseInt(expected, 10), 0),
  );
});
