import assert from "node:assert/strict";
import { test } from "node:test";
import { main } from "./main.ts";
import { modelChips } from "./model-chips.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

const run = async (...options: readonly string[]): Promise<string> => {
  const terminal = recordedTerminal();
  assert.equal(await main(["model", "chips", ...options], [modelChips], terminal), 0);
  return terminal.out.text;
};

test("each chip is listed, with the first Linux release that supports it", async () => {
  const text = await run();
  assert.match(text, /^CHIP .* LINUX SINCE$/m);
  assert.match(text, /^rtl8168h .* ≤5\.10$/m);
  assert.match(text, /^rtl8127a .* 6\.16$/m);
  assert.match(text, /^rtl8126a-64a .* 6\.12$/m);
  assert.match(text, /^All 63 can be served to a guest/m);
  assert.doesNotMatch(text, /not yet/);
});

test("--json prints the same facts as JSON", async () => {
  const rows = JSON.parse(await run("--json")) as { key: string; linuxSince: string }[];
  assert.equal(rows.length, 63);
  for (const { key, linuxSince } of rows) assert.match(linuxSince, /^(≤?\d\.\d+|–)$/, key);
  const found = rows.find(({ key }) => key === "rtl8125d-688");
  assert.equal(found?.linuxSince, "6.13");
});
