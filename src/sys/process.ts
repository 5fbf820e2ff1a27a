/**
 * Functions for this process: to read its capabilities, to end it when its parent ends, and to exit even if a thread is
 * blocked.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { check } from "./errno.ts";
import { ffiProblem } from "./ffi.ts";
import { libc } from "./libc.ts";

const PR_SET_PDEATHSIG = 1;

/**
 * Makes the kernel send `signal` to this process when its parent dies, for any reason. To the kernel, the parent is the
 * *thread* that spawned the process: children of a worker thread get the signal when the worker ends.
 * @param parent the parent's process id, if known: if it died before this call, the signal is sent at once
 * @throws {SystemError}
 */
export const dieWithParent = (signal: NodeJS.Signals, parent?: number): void => {
  // SAFETY: no argument is an address.
  check(libc.prctl(PR_SET_PDEATHSIG, BigInt(constants.signals[signal]), 0n, 0n, 0n), "prctl", "PR_SET_PDEATHSIG");
  if (parent !== undefined && libc.getppid() !== parent) process.kill(process.pid, signal);
};

/**
 * Ends the process with all its threads. process.exit() waits for each thread: forever if one is blocked in a system
 * call.
 */
export const exitNow = (code: number): never => {
  // SAFETY: no argument is an address.
  if (ffiProblem() === undefined) libc._exit(code);
  process.exit(code);
};

/** linux/capability.h: bit numbers. */
export const Capability = { netAdmin: 12, netRaw: 13, sysAdmin: 21 } as const;

/** Whether this thread has a capability in its user namespace. */
export const hasCapability = (capability: number): boolean => {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"));
  const digit = line?.[1]?.at(-1 - (capability >> 2)) ?? "0";
  return ((Number.parseInt(digit, 16) >> (capability & 3)) & 1) === 1;
};

const sysctl = (path: string): number | undefined => {
  try {
    return Number.parseInt(readFileSync(`/proc/sys/${path}`, "utf8"), 10);
  } catch {
    // Not all kernels have all of these settings.
    return undefined;
  }
};

/**
 * Why an ordinary user may not create a user namespace here, according to the kernel's settings; undefined if they
 * allow it. A container's seccomp filter can still prevent it, which only an attempt shows.
 */
export const whyNoUserNamespace = (): string | undefined => {
  if (sysctl("user/max_user_namespaces") === undefined) return "the kernel has no user namespaces";
  if (sysctl("user/max_user_namespaces") === 0) return "sysctl user.max_user_namespaces is 0";
  if (sysctl("kernel/unprivileged_userns_clone") === 0) return "sysctl kernel.unprivileged_userns_clone is 0";
  if (sysctl("kernel/apparmor_restrict_unprivileged_userns") === 1)
    return "sysctl kernel.apparmor_restrict_unprivileged_userns is 1";
  return undefined;
};

/** Whether an ordinary user may create a user namespace here, according to the kernel's settings. */
export const canUnshareUser = (): boolean => whyNoUserNamespace() === undefined;
