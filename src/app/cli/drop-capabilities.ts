/**
 * A command that keeps running drops the capabilities that it does not use. Each thread has capabilities of its own,
 * and Node starts threads before this code runs. Therefore the process executes the program again, so that all threads
 * have fewer capabilities.
 */
import { type Stats, existsSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { PathNeed } from "../wires/wire-spec.ts";
import { type CapabilityName, liftLockedMemory, limitNextProgram, privileges } from "#sys/privileges.ts";

export interface Needs {
  readonly capabilities: readonly CapabilityName[];
  readonly paths: readonly PathNeed[];
  /**
   * Whether the command locks memory for a card's DMA. It locks the memory after the capabilities have been dropped,
   * when the limit of locked memory applies.
   */
  readonly locksMemory?: boolean;
}

const READ = 4;
const WRITE = 2;
const SEARCH = 1;

/** Whether the file's permission bits are sufficient for this user without capabilities. */
const permits = ({ uid, gid, mode }: Stats, bits: number): boolean => {
  const groups = [process.getegid!(), ...process.getgroups!()];
  const shift = uid === process.geteuid!() ? 6 : groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
};

const canReach = (folder: string): boolean =>
  permits(statSync(folder), SEARCH) && (dirname(folder) === folder || canReach(dirname(folder)));

/** Whether this user may use the path by its permission bits, without capabilities. */
export const isAccessible = ({ path, use }: PathNeed): boolean => {
  try {
    const there = existsSync(path);
    const real = there ? realpathSync(path) : realpathSync(dirname(path));
    const folder = there ? dirname(real) : real;
    if (!canReach(folder)) return false;
    if (use === "make" && !permits(statSync(folder), WRITE | SEARCH)) return false;
    return !there || permits(statSync(real), use === "read" ? READ : WRITE);
  } catch {
    // If the file is missing, its use fails later with an error of its own.
    return true;
  }
};

/** This program's code. Access to this file stands for access to all of the code. */
const CODE: PathNeed = { path: fileURLToPath(import.meta.url), use: "read" };

const RESTARTED = "FERRULE_LESSER";
/**
 * Environment variable of the second start. It prevents a third start if capabilities cannot be dropped. It is also set
 * for the background process of `--detach`.
 */
export const RESTARTED_ENVIRONMENT = { [RESTARTED]: "1" } as const;

/** Executes the program again with fewer capabilities if it has more than it needs; otherwise returns. */
export const dropCapabilities = ({ capabilities, paths, locksMemory = false }: Needs): void => {
  const now = privileges();
  const keep: CapabilityName[] = [...capabilities];
  if (![CODE, ...paths].every(isAccessible)) keep.push("dac_override");
  const isReduced = now.capabilities.every((name) => (keep as readonly string[]).includes(name) || name === "ipc_lock");
  // There is nothing to drop: this is an ordinary user's process, or the second start.
  if (now.capabilities.length === 0 || (now.noNewPrivileges && (isReduced || process.env[RESTARTED] !== undefined))) {
    delete process.env[RESTARTED];
    return;
  }
  if (locksMemory && !liftLockedMemory()) keep.push("ipc_lock");
  limitNextProgram(keep);
  const { execPath, execArgv, argv } = process;
  process.execve!(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...process.env, ...RESTARTED_ENVIRONMENT });
};
