/** Ferrule as packed by `npm pack`. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { LIMIT_MILLIS } from "./eventually.ts";

const ROOT = join(import.meta.dirname, "..", "..");

const say = (cwd: string, program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MILLIS });

export const npm = (cwd: string, ...args: string[]): string =>
  say(cwd, "npm", ...args, "--loglevel=error", "--no-update-notifier");

/**
 * Builds the checkout and packs it into `folder`; returns the archive's path. Only one process does so at a time,
 * because all build in `dist`.
 */
export const packFerrule = (folder: string): string => {
  const pack = ["npm", "pack", "--json", "--pack-destination", folder, "--loglevel=error", "--no-update-notifier"];
  const [packed] = JSON.parse(say(ROOT, "flock", "package.json", ...pack)) as { filename: string }[];
  return join(folder, packed!.filename);
};
