import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type Option, parseArguments } from "./arguments.ts";
import { withSettings } from "./settings-file.ts";
import { up } from "./up.ts";
import { WrongUsage } from "../terminal/usage.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ferrule-config-"));
  path = join(folder, "fe0.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const settled = (text: string, ...words: readonly string[]) => {
  writeFileSync(path, text);
  const typed = parseArguments(["model:rtl8168h", "--config", path, ...words], up.options, up.operands, "ferrule up");
  return withSettings(typed!, up.options).values;
};
const refused = (text: string): string => {
  let message = "";
  assert.throws(
    () => settled(text),
    (error: unknown) => {
      if (!(error instanceof WrongUsage)) return false;
      ({ message } = error);
      return error.hint !== "";
    },
  );
  return message;
};

test("a file's settings have the names of the flags; numbers may be JSON numbers", () => {
  const values = settled('{ "mtu": 9000, "wire": "tap:fe0w", "json": true, "rings": "512" }');
  assert.deepEqual(
    [values.mtu, values.wire, values.json, values.rings, values.name],
    ["9000", "tap:fe0w", true, "512", "fe0"],
  );
});

test("the command line takes precedence, even if it repeats a default", () => {
  const values = settled('{ "mtu": 9000, "name": "lan0", "detach": false }', "--mtu", "1500", "--detach");
  assert.deepEqual([values.mtu, values.name, values.detach], ["1500", "lan0", true]);
});

test("all of several errors are reported, with their lines and in order", () => {
  const message = refused('{\n  "mtu": 20000,\n  "mut": 1500,\n\n  "mac": "ff:ff:ff:ff:ff:ff"\n}\n');
  assert.match(
    message,
    /has 3 errors: line 2: "20000" is not a valid MTU for RTL8168h.*\. line 3: unknown setting "mut"/,
  );
  assert.match(message, /line 3: .*Did you mean `mtu`\?.*\. line 5: ff:ff:ff:ff:ff:ff is not a unicast MAC address/);
});

test("type and contents of every value are checked", () => {
  for (const [setting, wrong] of [
    ['"json": "yes"', /"json" is a flag/],
    ['"mtu": true', /"mtu" needs a value: BYTES/],
    ['"mtu": [1500]', /"mtu" needs a value/],
    ['"wire": ""', /"wire" needs a value/],
    ['"wire": "eth0"', /wire/],
    ['"name": "a/b"', /name/],
    ['"rings": 100', /"100" is not a valid number of descriptors/],
    ['"log-level": "loud"', /log-level/],
    ['"socket-mode": 9', /socket-mode/],
    ['"metrics": 9101', /metrics/],
    ['"config": "other.json"', /unknown setting "config"/],
    ['"__proto__": 1', /unknown setting "__proto__"/],
  ] as const)
    assert.match(refused(`{ ${setting} }`), new RegExp(`1 error: line 1: .*${wrong.source}`));
});

test("ethtool settings are a list; each is checked separately, and the order is kept", () => {
  const values = settled('{ "ethtool": ["-G rx 1024", "-K tso off"] }');
  assert.equal(values.ethtool, "-G rx 1024; -K tso off");
  const message = refused('{\n"ethtool": ["-G rx x", "-K tso off", "--nonsense"] }');
  assert.match(message, /has 2 errors: line 2: "-G rx x" .* line 2: "--nonsense"/);
  assert.match(refused('{ "ethtool": [] }'), /"ethtool" needs a value/);
  assert.match(refused('{ "wire": ["responder"] }'), /"wire" needs a value/);
});

test("every option of `ferrule up` with restricted values is checked in a file as well", () => {
  for (const [name, option] of Object.entries<Option>(up.options))
    if (option.kind === "value" && !["FILE", "FOLDER"].includes(option.placeholder))
      assert.ok(option.check, `--${name} has no check`);
});

test("a setting that is given twice is an error; a string that looks like one is not", () => {
  assert.match(refused('{ "mtu": 1500,\n"mtu": 9000 }'), /1 error: line 2: "mtu" is given twice/);
  const unusual = settled(String.raw`{ "capture": "a\"b\":{[", "name": "fe1" }`);
  assert.deepEqual([unusual.capture, unusual.name], ['a"b":{[', "fe1"]);
});

test("invalid JSON is rejected with its position, and so is JSON that is not an object", () => {
  assert.match(refused('{\n  "mtu": 1500,\n}\n'), /is not JSON: .*line 3/);
  for (const text of ["[]", "3", "null", '"mtu"']) assert.match(refused(text), /is not a JSON object/);
  assert.match(refused(" ".repeat((1 << 20) + 1)), /is not a file of at most/);
});

test("a missing file and a directory are rejected", () => {
  const parsed = (name: string) => parseArguments(["x", "--config", join(folder, name)], up.options, up.operands, "");
  assert.throws(() => withSettings(parsed("none")!, up.options), { code: "ENOENT" });
  mkdirSync(join(folder, "sub"));
  assert.throws(() => withSettings(parsed("sub")!, up.options), WrongUsage);
});
