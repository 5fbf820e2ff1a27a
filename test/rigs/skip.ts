/** Skips tests whose rig cannot run on this machine, with a printed reason. In CI nothing is skipped. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export const has = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

const tapOpens = (): boolean => {
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return true;
  } catch {
    return false;
  }
};

/** Returns `why`, for node:test's `skip`. @throws {Error} in CI, where nothing may be skipped */
export const skipFor = (why: string | false): string | false => {
  if (why !== false && process.env["FERRULE_NO_SKIP"] !== undefined) throw new Error(`nothing may be skipped: ${why}`);
  return why;
};

/** Why the two-ends rig cannot run here, or false; for node:test's `skip`. */
export const noTwoEnds = (programs: readonly string[]): string | false => {
  const missing = programs.filter((program) => !has(program));
  return skipFor(
    process.getuid?.() !== 0
      ? "needs root"
      : !tapOpens()
        ? "needs /dev/net/tun"
        : missing.length > 0
          ? `needs ${missing.join(", ")}`
          : false,
  );
};
