/** What `share` contains for the system: udev rules, a systemd unit, the manual page, shell completions. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PCI_IDS } from "#chip/chips.ts";
import { commandsFor } from "#app/cli/commands.ts";
import type { PciMatch } from "#kit/device.ts";
import { sharedFiles } from "../package/share.ts";
import { LIMIT_MILLIS } from "./rigs/eventually.ts";
import { skipFor } from "./rigs/skip.ts";

const SHARE = join(import.meta.dirname, "..", "share");
const RULES = readFileSync(join(SHARE, "udev/70-ferrule.rules"), "utf8");
const UNIT = readFileSync(join(SHARE, "systemd/ferrule@.service"), "utf8");

/** Why a test that needs a program is skipped; false if the program is installed. */
const lacks = (program: string): string | false =>
  skipFor(spawnSync(program, ["--version"]).error !== undefined && `needs ${program}`);

const digits = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");

test("the rules contain every PCI identity of the family, and no others", () => {
  const wanted = PCI_IDS.map(({ vendor, device, subsystemDevice }: PciMatch) => {
    const subsystem = subsystemDevice === undefined ? "" : `sd${digits(subsystemDevice)}*`;
    return `*pci:v${digits(vendor)}d${digits(device)}sv*${subsystem}`;
  });
  const known = [...RULES.matchAll(/^RESULT=="([^"]+)", GOTO="ferrule_card"$/gm)].map(([, pattern]) => pattern);
  assert.deepEqual(known, wanted);
});

test("the rules jump only to existing labels", () => {
  const labels = [...RULES.matchAll(/LABEL="(\w+)"/g)].map(([, label]) => label);
  for (const [, label = ""] of RULES.matchAll(/GOTO="(\w+)"/g)) assert.ok(labels.includes(label), label);
});

test("the unit's commands are ours, with existing options", async () => {
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

test("manual page and completions match the commands: `npm run share` writes them", async () => {
  for (const [path, text] of sharedFiles(await commandsFor([])))
    assert.equal(readFileSync(join(SHARE, path), "utf8"), text, path);
});

test("the manual page names every option, and uses only known macros", async () => {
  const page = readFileSync(join(SHARE, "man/ferrule.1"), "utf8");
  for (const { options } of await commandsFor([]))
    for (const name of Object.keys(options)) assert.ok(page.includes(`\\-\\-${name.replaceAll("-", "\\-")}`), name);
  const requests = new Set(page.match(/^[.'].?\S*/gm));
  const known = ['.\\"', ".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi", ".EX", ".EE"];
  assert.deepEqual(
    [...requests].filter((request) => !known.includes(request)),
    [],
  );
});

/** Bash's suggestions for a command line, sorted. */
const offered = (line: string, setup = ":"): readonly string[] => {
  const script = `source '${join(SHARE, "completions/ferrule.bash")}'; ${setup}; COMP_LINE=$1 COMP_POINT=\${#1}; _ferrule; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", script, "bash", line], {
    cwd: SHARE,
    encoding: "utf8",
    timeout: LIMIT_MILLIS,
  });
  assert.deepEqual([status, stderr], [0, ""], line);
  return stdout
    .split("\n")
    .filter((word) => word !== "")
    .toSorted();
};

test("bash completes commands, options, chips, levels, files and interfaces", () => {
  assert.deepEqual(offered("ferrule stat"), ["status"]);
  assert.ok(offered("ferrule ").includes("--version"));
  assert.deepEqual(offered("ferrule model s"), ["serve"]);
  assert.deepEqual(offered("ferrule up --metrics"), ["--metrics", "--metrics-public"]);
  assert.deepEqual(offered("ferrule up --log-level w"), ["warning"]);
  assert.deepEqual(offered("ferrule up x --config s"), ["systemd", "sysusers"]);
  assert.deepEqual(offered("ferrule model serve --chip rtl8168g"), ["rtl8168g", "rtl8168gu"]);
  assert.deepEqual(offered("ferrule up --name "), [], "a name of the user's choice has no suggestions");
  assert.deepEqual(offered("ferrule nonsense "), []);
});

test("bash replaces only the part after a colon, where it splits words at colons", () => {
  assert.deepEqual(offered("ferrule up model:rtl8168g", "COMP_WORDBREAKS=' :'"), ["rtl8168g", "rtl8168gu"]);
  assert.deepEqual(offered("ferrule up model:rtl8168g", "COMP_WORDBREAKS=' '"), ["model:rtl8168g", "model:rtl8168gu"]);
});

test("zsh finds no error in its completions", { skip: lacks("zsh") }, () => {
  const { status, stderr } = spawnSync("zsh", ["-n", join(SHARE, "completions/_ferrule")], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
});

test("systemd finds no error in the unit", { skip: lacks("systemd-analyze") }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-unit-"));
  try {
    const path = join(folder, "ferrule@fe0.service");
    // Replaces programs that may not be installed on this machine.
    writeFileSync(path, UNIT.replaceAll(/(Exec\w+=\+?)(ferrule|udevadm) /g, "$1/bin/true "));
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], {
      encoding: "utf8",
      timeout: LIMIT_MILLIS,
    });
    // systemd-analyze reports on every unit that it reads.
    const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("ferrule@"));
    assert.deepEqual([status, ours], [0, []]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
