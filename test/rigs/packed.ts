/** Ferrule as packed by `npm pack`. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { LIMIT_MILLIS } from "./eventually.ts";

const ROOT = join(import.meta.dirname, "..", "..");

const say = (cwd: string, program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MILLIS });

export const npm = (cwd: string, ...args: string[]): string =>
  say(cwd, "npm", ...args, "--loglevel=error", "--no-update-notifier");

/** Builds and packs the checkout into `folder`, one process at a time: all build in `dist`. Returns the archive's path. */
export const packFerrule = (folder: string): string => {
  const pack = ["npm", "pack", "--json", "--pack-destination", folder, "--loglevel=error", "--no-update-notifier"];
  const [packed] = JSON.parse(say(ROOT, "flock", "package.json", ...pack)) as { filename: string }[];
  return join(folder, packed!.filename);
};
