/** What `share` holds for the system: rules for udev, a unit for systemd. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PCI_IDS } from "#chip/chips.ts";
import { commandsFor } from "#app/cli/commands.ts";
import type { PciMatch } from "#kit/device.ts";
import { LIMIT_MILLIS } from "./rigs/eventually.ts";

const SHARE = join(import.meta.dirname, "..", "share");
const RULES = readFileSync(join(SHARE, "udev/70-ferrule.rules"), "utf8");
const UNIT = readFileSync(join(SHARE, "systemd/ferrule@.service"), "utf8");

const digits = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");

test("the rules know every PCI identity of the family, and no others", () => {
  const wanted = PCI_IDS.map(({ vendor, device, subsystemDevice }: PciMatch) => {
    const subsystem = subsystemDevice === undefined ? "" : `sd${digits(subsystemDevice)}*`;
    return `*pci:v${digits(vendor)}d${digits(device)}sv*${subsystem}`;
  });
  const known = [...RULES.matchAll(/^RESULT=="([^"]+)", GOTO="ferrule_card"$/gm)].map(([, pattern]) => pattern);
  assert.deepEqual(known, wanted);
});

test("the rules jump only to what is there", () => {
  const labels = [...RULES.matchAll(/LABEL="(\w+)"/g)].map(([, label]) => label);
  for (const [, label = ""] of RULES.matchAll(/GOTO="(\w+)"/g)) assert.ok(labels.includes(label), label);
});

test("the unit's commands are ours, with options that they have", async () => {
  const lines = [...UNIT.matchAll(/^Exec\w+=\+?ferrule (\w+) (.*)$/gm)];
  assert.deepEqual(
    lines.map(([, name]) => name),
    ["bind", "up", "unbind"],
  );
  for (const [, name, words = ""] of lines) {
    const [command] = await commandsFor([name!]);
    for (const [, option = ""] of words.matchAll(/--([\w-]+)/g)) assert.ok(command?.options[option], option);
  }
});

const analyze = spawnSync("systemd-analyze", ["--version"]);
const noSystemd = analyze.error === undefined ? false : "needs systemd-analyze";
if (noSystemd !== false && process.env["FERRULE_NO_SKIP"] !== undefined)
  throw new Error(`nothing may be skipped: ${noSystemd}`);

test("systemd finds nothing wrong with the unit", { skip: noSystemd }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-unit-"));
  try {
    const path = join(folder, "ferrule@fe0.service");
    // Programs that may not be installed here.
    writeFileSync(path, UNIT.replaceAll(/(Exec\w+=\+?)(ferrule|udevadm) /g, "$1/bin/true "));
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], {
      encoding: "utf8",
      timeout: LIMIT_MILLIS,
    });
    // It tells of every unit it reads.
    const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("ferrule@"));
    assert.deepEqual([status, ours], [0, []]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
