import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import type { SessionEvent } from "../session.ts";
import { WrongUsage } from "../terminal/usage.ts";
import { applySettings, parseSettings } from "./settings.ts";

test("settings are applied in order; one that the NIC rejects is a warning, and the next one is tried", async () => {
  const asked: object[] = [];
  const events: SessionEvent[] = [];
  const operate = async (operation: string, argument: object): Promise<object> => {
    asked.push({ operation, ...argument });
    if (asked.length === 1) throw new OutOfRange("not so many", "Choose fewer.");
    return {};
  };
  await applySettings(parseSettings("-G rx 4096; -G rx 512;", "fe0"), { operate }, (event) => events.push(event));
  assert.deepEqual(
    asked.map((each) => (each as { readonly rx?: number }).rx),
    [4096, 512],
  );
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["warning", "note"],
  );
  assert.match(JSON.stringify(events[0]), /ethtool -G rx 4096: .*not so many.*Choose fewer/);
});

test("unknown settings are rejected, and without settings nothing is done", () => {
  for (const wrong of ["rx 1024", "--nonsense", "-G rx x"])
    assert.throws(() => parseSettings(wrong), WrongUsage, wrong);
  assert.deepEqual(parseSettings(" ; "), []);
});
