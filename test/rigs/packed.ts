/** Ferrule as packed by `npm pack`. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { LIMIT_MILLIS } from "./eventually.ts";

const ROOT = join(import.meta.dirname, "..", "..");

export const npm = (cwd: string, ...args: string[]): string =>
  execFileSync("npm", [...args, "--loglevel=error", "--no-update-notifier"], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MILLIS,
  });

/** Builds and packs the checkout into `folder`; returns the archive's path. */
export const packFerrule = (folder: string): string => {
  const [packed] = JSON.parse(npm(ROOT, "pack", "--json", "--pack-destination", folder)) as { filename: string }[];
  return join(folder, packed!.filename);
};
