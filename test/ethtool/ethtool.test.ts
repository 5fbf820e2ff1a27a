/**
 * `ferrule ethtool` prints the same as the real ethtool with Linux's driver on the same chip, except for differences
 * that are explained.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { CHIPS } from "./chips.ts";
import { compare, type Difference, explains } from "./compare.ts";
import { DUMP_MASK, REASONS } from "./differences.ts";
import { Ours } from "./ours.ts";
import { parseRecording, type CommandOutput } from "./recording.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const recordingOf = (chip: string): string => fileURLToPath(new URL(`linux/${chip}.txt`, import.meta.url));

/** The output of a command. In a register dump, the bytes of `DUMP_MASK` are replaced by dots. */
const masked = (recorded: CommandOutput): CommandOutput => {
  if (!recorded.command.startsWith("-d ")) return recorded;
  const out = recorded.out.map((line) => {
    const [, at, values] = /^0x([0-9a-f]{4}):\t\t(.*)$/.exec(line) ?? [];
    if (at === undefined || values === undefined) return line;
    const from = Number.parseInt(at, 16);
    const bytes = values
      .trim()
      .split(" ")
      .map((byte, i) => (DUMP_MASK.some(([first, last]) => from + i >= first && from + i <= last) ? ".." : byte));
    return `0x${at}: ${bytes.join(" ")}`;
  });
  return { ...recorded, out };
};

const sentence = ({ command, side, line }: Difference): string => `ethtool ${command}: only ${side} has "${line}"`;

describe("ethtool", { skip }, () => {
  const all: Difference[] = [];

  for (const chip of CHIPS)
    test(`${chip}: each line equals that of the real ethtool, or the difference is explained`, async () => {
      using ours = new Ours(chip);
      ours.stimulate();
      const found: Difference[] = [];
      for (const linux of parseRecording(readFileSync(recordingOf(chip), "utf8"))) {
        const { command } = linux;
        found.push(...compare(chip, masked(linux), masked({ command, ...(await ours.ethtool(command)) })));
        ours.settle();
      }
      all.push(...found);
      const unexplained = found.filter((one) => !REASONS.some((reason) => explains(reason, one)));
      assert.deepEqual(unexplained.map(sentence), []);
    });

  test("each reason explains a difference", () => {
    const idle = REASONS.filter((reason) => !all.some((one) => explains(reason, one)));
    assert.deepEqual(
      idle.map(({ because }) => because),
      [],
    );
  });
});
