/** Permissions of this process: TAPs, network namespaces, and user namespaces in which it is root. */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, statSync } from "node:fs";
import { NamespaceNotPermitted, NetworkNamespace } from "#sys/namespace.ts";
import { whyNoUserNamespace } from "#sys/process.ts";

const TUN = "/dev/net/tun";

/**
 * Examines /dev/net/tun: its permission bits, and the reason that it cannot be opened, if there is one. Undefined if
 * the file does not exist.
 */
export const tunDevice = (): { readonly mode: number; readonly problem: string | undefined } | undefined => {
  let mode: number;
  try {
    mode = statSync(TUN).mode & 0o777;
  } catch {
    return undefined;
  }
  try {
    closeSync(openSync(TUN, constants.O_RDWR | constants.O_NONBLOCK));
    return { mode, problem: undefined };
  } catch (error) {
    return { mode, problem: `it cannot be opened [${(error as NodeJS.ErrnoException).code}]` };
  }
};

/** Whether this process may create network namespaces itself. */
export const mayMakeNamespaces = (): boolean => {
  try {
    NetworkNamespace.create()[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof NamespaceNotPermitted) return false;
    throw error;
  }
};

/**
 * The command that runs a program in a new user namespace, as root, and in a new network namespace: unshare(1) of
 * util-linux.
 */
export const UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--"] as const;

/** Time limit of an attempt in milliseconds. */
const LIMIT_MILLIS = 5_000;

/** Tries `UNSHARE`. Returns the reason that it does not work here; undefined if it works. */
export const userNamespaceProblem = (): string | undefined => {
  const [program, ...rest] = UNSHARE;
  const tried = spawnSync(program, [...rest, "true"], { timeout: LIMIT_MILLIS, encoding: "utf8" });
  if (tried.status === 0) return undefined;
  if (tried.error !== undefined && "code" in tried.error && tried.error.code === "ENOENT")
    return "`unshare` of util-linux is not installed";
  return whyNoUserNamespace() ?? (tried.stderr ?? "").trim().split("\n", 1)[0] ?? "unshare failed";
};
