import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Tree } from "./tree.test-kit.ts";
import { wakePermission } from "./wake-permission.ts";

const CARD = "0000:03:00.0";

const cardWith = (wakeup: string): { tree: Tree; path: string } => {
  const tree = new Tree([{ address: CARD, driver: "vfio-pci", group: 7 }]);
  const folder = join(tree.sys, "bus/pci/devices", CARD, "power");
  mkdirSync(folder);
  writeFileSync(join(folder, "wakeup"), wakeup);
  return { tree, path: join(folder, "wakeup") };
};

test("the kernel's file shows whether the function can wake the machine, and is set while wake-up is enabled", () => {
  const { tree, path } = cardWith("disabled\n");
  using _tree = tree;
  const permission = wakePermission(CARD, tree);
  assert.deepEqual(permission.wakesFrom, { d3hot: true, d3cold: true });
  permission.allowWake(true);
  assert.equal(readFileSync(path, "utf8"), "enabled");
  permission.allowWake(false);
  assert.equal(readFileSync(path, "utf8"), "disabled");
});

test("a function without PME, or without the file, cannot wake the machine", () => {
  const { tree } = cardWith("\n");
  using _tree = tree;
  assert.deepEqual(wakePermission(CARD, tree).wakesFrom, { d3hot: false, d3cold: false });
  assert.deepEqual(wakePermission("0000:09:00.0", tree).wakesFrom, { d3hot: false, d3cold: false });
});

test("if wake-up is requested and the file cannot be written, the error says what to run", () => {
  const { tree, path } = cardWith("disabled\n");
  using _tree = tree;
  const permission = wakePermission(CARD, tree);
  rmSync(path);
  mkdirSync(path);
  assert.throws(
    () => permission.allowWake(true),
    (error: { code?: string; hint?: string }) => error.code === "WAKE_NOT_PERMITTED" && error.hint!.includes("enabled"),
  );
  permission.allowWake(false);
});
