/** The words that enable ASPM and latency reports are those that Linux writes, as recorded by `test/derive/aspm.ts`. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { IntCfg0, INT_CFG0 } from "#chip/registers-8125.ts";
import { Conf2, Config2, Config5 } from "#chip/registers.ts";

type Writes = readonly (readonly [where: string, value: number])[];

const lines = readFileSync(join(import.meta.dirname, "traces/aspm.jsonl"), "utf8")
  .trimEnd()
  .split("\n");
const recordings = new Map(
  lines.slice(1).map((line) => {
    const { chip, zeros, ones } = JSON.parse(line) as {
      readonly chip: string;
      readonly zeros: Writes;
      readonly ones: Writes;
    };
    return [chip, { zeros, ones }] as const;
  }),
);

/** The writes that the steps cause if every MAC-OCP register reads as `fill`, and every register of the BAR as 0. */
const written = ({ aspm }: Chip, fill: number): Writes =>
  aspm!.on.flatMap((step) => {
    assert.ok("on" in step);
    const [read, name] = step.on === "mac" ? [fill, ""] : [0, "io "];
    return step.words.map(([at, first, second]) => [
      `${name}0x${at.toString(16)}`,
      second === undefined ? first : (read & ~first) | second,
    ]);
  }) as Writes;

/** Omits the writes with which Linux first disables ASPM. */
const on = (writes: Writes): Writes =>
  writes.slice(writes.findIndex(([where, value]) => where === `io 0x${Config5.toString(16)}` && value === 1));

for (const chip of CHIPS as readonly Chip[])
  test(`${chip.key}: ASPM and latency reports are enabled as Linux does`, () => {
    const recorded = recordings.get(chip.key);
    assert.equal(recorded !== undefined, chip.aspm?.marked === true);
    if (recorded === undefined) return;
    for (const [fill, writes] of [
      [0, recorded.zeros],
      [0xffff, recorded.ones],
    ] as const) {
      // On the RTL8125CP our driver uses the clock request bit that DPDK uses, not Linux's.
      const theirs = on(writes).map(([where, value]) =>
        chip.die === "8125cp" && where === `io 0x${Config2.toString(16)}` && value === (Conf2.clockRequest as number)
          ? [`io 0x${INT_CFG0.toString(16)}`, IntCfg0.clockRequest]
          : [where, value],
      );
      assert.deepEqual(written(chip, fill), theirs);
    }
  });
