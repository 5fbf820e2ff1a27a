import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseArguments } from "./arguments.ts";
import { WrongUsage } from "../terminal/usage.ts";

const OPTIONS = {
  name: { kind: "value", placeholder: "NAME", summary: "a name", default: "fe0" },
  wire: { kind: "value", placeholder: "SPEC", summary: "a wire" },
  json: { kind: "flag", summary: "JSON" },
} as const;
const OPERANDS = [{ placeholder: "DEVICE", summary: "a device" }];
const parse = (...argv: string[]) => parseArguments(argv, OPTIONS, OPERANDS, "ferrule up DEVICE [options]");

const refuses = (argv: string[], message: RegExp, hint: RegExp): void =>
  assert.throws(
    () => parse(...argv),
    (error: unknown) => error instanceof WrongUsage && message.test(error.message) && hint.test(error.hint),
  );

test("values and flags are accepted in any order, and options that are not given have their defaults", () => {
  assert.deepEqual(parse("--json", "model:x", "--wire=tap:a"), {
    values: { name: "fe0", wire: "tap:a", json: true },
    operands: ["model:x"],
    given: new Set(["json", "wire"]),
  });
  assert.deepEqual(parse("model:x")?.values, { name: "fe0", wire: undefined, json: false });
});

test("--help and -h take precedence, before and after other options", () => {
  assert.equal(parse("--help"), undefined);
  assert.equal(parse("model:x", "--json", "-h"), undefined);
});

test("arguments after -- are operands", () => assert.deepEqual(parse("--", "--json")?.operands, ["--json"]));

test("the error for an unknown option names it and the most similar option", () => {
  refuses(["--wrie", "a"], /unknown option --wrie/, /`--wire`/);
  refuses(["-x", "a"], /unknown option -x/, /--name, --wire, --json, --help/);
  refuses(["--__proto__", "a"], /unknown option/, /options are/);
});

test("a flag with a value, and an option without its value, are refused", () => {
  refuses(["--json=yes", "a"], /takes no value/, /alone/);
  refuses(["--wire"], /needs a value/, /--wire SPEC/);
  refuses(["--wire", "--json"], /needs a value/, /--wire SPEC/);
  refuses(["--wire=", "a"], /needs a value/, /--wire SPEC/);
});

test("an option that was given twice is refused", () => {
  refuses(["--wire", "a", "--wire=a", "x"], /--wire was given twice/, /once/);
  refuses(["--json", "x", "--json"], /--json was given twice/, /once/);
});

test("an optional operand may be omitted, and a repeatable one may be repeated", () => {
  const operands = [{ placeholder: "[FILE…]", summary: "files", many: true, optional: true }] as const;
  for (const files of [[], ["a"], ["a", "b"]])
    assert.deepEqual(parseArguments(files, {}, operands, "x")?.operands, files);
});

test("the error names the operand that is missing, or the one that is unexpected", () => {
  refuses([], /DEVICE is missing/, /ferrule up DEVICE/);
  refuses(["a", "b"], /unexpected argument "b"/, /ferrule up DEVICE/);
});

test("any input is either parsed or refused with a hint", () => {
  const word = fc.oneof(fc.string(), fc.constantFrom("--json", "--wire", "--name=x", "-h", "--", "-", "--no-json"));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        parse(...argv);
      } catch (error) {
        assert.ok(error instanceof WrongUsage && error.hint !== "", String(error));
      }
    }),
    { seed: 8168, numRuns: 2000 },
  );
});
