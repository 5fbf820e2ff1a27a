import assert from "node:assert/strict";
import { test } from "node:test";
import { mutantsOf, mutated, randomFrom, sampleOf } from "./mutants.ts";

const afters = (text: string): readonly string[] => mutantsOf("a.ts", text).map(({ after }) => after);

test("comparisons, logic, arithmetic and constants are changed, each place separately", () => {
  assert.deepEqual(afters("if (a < b && c === 1 << 3) d += 0x10;"), [
    "if (a < b && c !== 1 << 3) d += 0x10;",
    "if (a <= b && c === 1 << 3) d += 0x10;",
    "if (a < b || c === 1 << 3) d += 0x10;",
    "if (a < b && c === 1 << 3) d -= 0x10;",
    "if (a < b && c === 1 << 4) d += 0x10;",
    "if (a < b && c === 1 << 3) d += 0x11;",
  ]);
  assert.deepEqual(afters("x = a | b | c;"), ["x = a & b | c;", "x = a | b & c;"]);
  assert.deepEqual(afters("const mask = 0xffff_ffff;"), ["const mask = 0xfffffffe;"]);
});

test("a statement that is a call is removed, but not a call whose result is used", () => {
  assert.deepEqual(afters("    this.#io.write8(TxPoll, value);"), ["    ;"]);
  assert.deepEqual(afters("  return f(x);"), []);
  assert.deepEqual(afters("const y = f(x);"), []);
});

test("comments, imports and messages are not changed", () => {
  for (const line of [
    "// a < b",
    "/** a < b */",
    "/*\n a < b\n*/",
    'import { a } from "./b < c.ts";',
    'throw new Error("a < b");',
    'const a = "b < c";',
    "const a = `b < c`;",
  ])
    assert.deepEqual(afters(line), [], line);
  assert.deepEqual(afters("a < b; // c < d"), ["a <= b; // c < d"]);
  assert.deepEqual(afters("/* a */ \nb < c"), ["b <= c"]);
});

test("a mutant is inserted where it was found", () => {
  const text = "a;\nb < c;\nd;";
  const mutants = mutantsOf("a.ts", text);
  assert.deepEqual(
    mutants.map((mutant) => [mutant.line, mutated(text, mutant)]),
    [[2, "a;\nb <= c;\nd;"]],
  );
});

test("a seed's sample is always the same, without duplicates", () => {
  const all = Array.from({ length: 100 }, (_, i) => i);
  const one = sampleOf(all, 12, randomFrom(7));
  assert.deepEqual(one, sampleOf(all, 12, randomFrom(7)));
  assert.notDeepEqual(one, sampleOf(all, 12, randomFrom(8)));
  assert.equal(new Set(one).size, 12);
  assert.equal(sampleOf([1, 2], 12, randomFrom(7)).length, 2);
});
