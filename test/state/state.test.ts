/** Our driver leaves a chip in the state in which C drivers leave it, except for named differences. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { noRig } from "../guest/available.ts";
import { differences, explain, RULES, rulesOf, sentence, type Source, SOURCES } from "./compare.ts";
import { PAGE, pageOf, type Result, resultOf } from "./page.ts";
import { hasRecording, readRecording } from "./record-file.ts";
import { MOMENTS, powerOn, type Snapshot } from "./snapshot.ts";

const ALL = CHIPS as readonly Chip[];
/** For each recorded driver, the chips that both it and our driver support. */
const CASES = (Object.keys(SOURCES) as Source[]).flatMap((source) =>
  ALL.filter((chip) => chip.start !== undefined && hasRecording(source, chip)).map((chip) => ({ source, chip })),
);
const RTL8168H = ALL.find(({ key }) => key === "rtl8168h")!;

describe("state", { skip: noRig() }, () => {
  const results: Result[] = [];

  for (const { source, chip } of CASES)
    test(`${chip.key} is left as by ${source}, except for explained differences`, () => {
      const result = resultOf(source, chip)!;
      results.push(result);
      const unexplained = result.differences.filter((one) => explain(one, RULES[source]) === undefined);
      assert.deepEqual(unexplained.map(sentence), []);
    });

  for (const source of Object.keys(SOURCES) as Source[])
    test(`each line of the table for ${source} explains a difference on each of its chips`, () => {
      const theirs = results.filter((result) => result.source === source);
      const idle = RULES[source].flatMap((rule) => {
        const explains = ({ differences }: Result): boolean =>
          differences.some((one) => explain(one, RULES[source])?.includes(rule) ?? false);
        const { on } = rule.row;
        const where = `${rule.cause.name}: ${rule.key}=${rule.value?.toString(16) ?? ""}`;
        if (on === undefined) return theirs.some(explains) ? [] : [where];
        return on
          .filter((key) => !theirs.some((result) => result.chip.key === key && explains(result)))
          .map((key) => `${where} on ${key}`);
      });
      assert.deepEqual(idle, []);
    });

  test("docs/state.md is what `node test/state/page.ts` writes", () => {
    assert.equal(readFileSync(PAGE, "utf8"), pageOf(results));
  });
});

const snapshot = (words: Readonly<Record<string, number>>): Snapshot => new Map(Object.entries(words));
const between = (theirs: number, ours: number) =>
  differences(
    RTL8168H,
    new Map([["up", snapshot({ "eri 0xd4": theirs })]]),
    new Map([["up", snapshot({ "eri 0xd4": ours })]]),
  );
const rule = (words: string) => rulesOf([{ name: "a", because: "b", rows: [{ space: "eri", words, at: ["up"] }] }]);

describe("comparison", () => {
  test("a difference is not explained if our driver's value is not the one in the table", () => {
    const [one] = between(0, 0x1f80);
    assert.ok(explain(one!, rule("0xd4=1f80")));
    assert.equal(explain(one!, rule("0xd4=1f00")), undefined);
  });

  test("bits outside the mask are not explained", () => {
    const [one] = between(1, 0x1f80);
    assert.equal(explain(one!, rule("0xd4=1f80/1f80")), undefined);
    assert.ok(explain(one!, rule("0xd4=1f80/1f80 0xd4=0/1")));
  });

  test("a word that only one of the two drivers has changed is compared too", () => {
    assert.deepEqual(
      between(5, 0).map(({ theirs, ours }) => [theirs, ours]),
      [[5, 0]],
    );
    assert.deepEqual(between(5, 5), []);
  });

  test("there is a recording of every moment for every chip", () => {
    for (const chip of ALL)
      assert.deepEqual([...(readRecording("linux", chip)?.moments.keys() ?? [])], MOMENTS, chip.key);
  });

  test("a recording begins at power-on and differs from it", () => {
    const { moments } = readRecording("linux", RTL8168H)!;
    assert.notDeepEqual(moments.get("up"), powerOn(RTL8168H));
    assert.equal(moments.get("up")!.get("macOcp 0xd412"), undefined);
    assert.equal(moments.get("up")!.get("ephy 0x1"), 0x068b);
  });
});
