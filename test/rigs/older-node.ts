/** Finds a Node on this machine that is older than the command needs. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Path of a Node, 20 or newer, that is too old to run the command itself; undefined if this machine has none. */
export const olderNode = (): string | undefined => {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const node = join(folder, "node");
    try {
      accessSync(node, constants.X_OK);
    } catch {
      continue;
    }
    const major = Number(/^v(\d+)\./.exec(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout)?.[1]);
    if (major >= 20 && major < 26) return node;
  }
  return undefined;
};
