/** The privileges of this process beyond those of an ordinary user, and functions that drop them. capabilities(7) */
import { readFileSync } from "node:fs";
import { check, Errno, errno, SystemError } from "./errno.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_LOWER = 3n;
const RLIMIT_MEMLOCK = 8;

/** linux/capability.h: bit numbers. */
export const CAPABILITIES = {
  dac_override: 1,
  net_admin: 12,
  net_raw: 13,
  ipc_lock: 14,
  sys_rawio: 17,
  sys_admin: 21,
} as const;
export type CapabilityName = keyof typeof CAPABILITIES;

export interface Privileges {
  /** Capabilities that this thread has or can enable: by name, or by number for those that Ferrule never keeps. */
  readonly capabilities: readonly string[];
  /** execve(2) cannot add privileges. */
  readonly noNewPrivileges: boolean;
}

const nameOf = (bit: number): string =>
  Object.entries(CAPABILITIES).find(([, number]) => number === bit)?.[0] ?? `capability ${bit}`;

const bitsOf = (digits: string): readonly number[] => {
  const bits = BigInt(`0x${digits}`);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
};

/** The state of this thread in the kernel. */
export const privileges = (): Privileges => {
  const status = readFileSync("/proc/thread-self/status", "utf8");
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return {
    capabilities: bitsOf(permitted).map(nameOf),
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
  };
};

/**
 * Takes all capabilities except `keep` away from the programs that this thread executes later, and prevents those
 * programs from gaining new ones. The thread itself keeps its capabilities, because the bounding set limits the
 * capabilities of root only at execve.
 * @throws {SystemError}
 */
export const limitNextProgram = (keep: readonly CapabilityName[]): void => {
  const kept = new Set<number>(keep.map((name) => CAPABILITIES[name]));
  for (let bit = 0; bit < 64; bit++) {
    if (kept.has(bit)) continue;
    // SAFETY: no argument is an address. EINVAL: the kernel has no such capability.
    const dropped = libc.prctl(PR_CAPBSET_DROP, BigInt(bit), 0n, 0n, 0n);
    if (dropped < 0 && errno() === Errno.EINVAL) break;
    // EPERM: without CAP_SETPCAP the bounding set cannot be reduced, but ambient capabilities can still be lowered.
    if (dropped < 0 && errno() !== Errno.EPERM)
      throw new SystemError({ errno: errno(), syscall: "prctl", detail: "PR_CAPBSET_DROP" });
    // SAFETY: no argument is an address.
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, BigInt(bit), 0n, 0n), "prctl", "PR_CAP_AMBIENT");
  }
  // SAFETY: no argument is an address.
  check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), "prctl", "PR_SET_NO_NEW_PRIVS");
};

/** Removes the limit of locked memory, which needs CAP_SYS_RESOURCE. @returns whether that was possible */
export const liftLockedMemory = (): boolean => {
  const limit = new Struct(16);
  limit.bytes.fill(0xff);
  // SAFETY: the kernel reads one struct rlimit, which is kept alive until the call has returned.
  const result = libc.setrlimit(RLIMIT_MEMLOCK, limit.address);
  keepAlive(limit);
  return result === 0;
};
