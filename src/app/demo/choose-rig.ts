/** Selects the rig of the demo, and gives the reason if it is not the best one. */
import { mayMakeNamespaces, tunDevice, userNamespaceProblem } from "./permissions.ts";

export type RigChoice =
  /** Two network namespaces that this process creates. */
  | { readonly rig: "tap" }
  /** Two network namespaces that another process creates, as root of a user namespace of its own. */
  | { readonly rig: "unshare" }
  /** No network stack; the built-in responder replies. */
  | { readonly rig: "responder"; readonly because: string };

/** Environment variable, set for a process that was started in a user namespace of its own. */
export const UNSHARED = "FERRULE_UNSHARED";

export interface Permissions {
  readonly tun: ReturnType<typeof tunDevice>;
  mayMakeNamespaces(): boolean;
  userNamespaceProblem(): string | undefined;
  /** Whether this process already runs in a user namespace of its own. */
  readonly unshared: boolean;
}

export const chooseRig = (permissions: Permissions): RigChoice => {
  if (permissions.tun === undefined) return { rig: "responder", because: "there is no /dev/net/tun" };
  if (permissions.tun.problem !== undefined)
    return { rig: "responder", because: `/dev/net/tun: ${permissions.tun.problem}` };
  if (permissions.mayMakeNamespaces()) return { rig: "tap" };
  if (permissions.unshared) return { rig: "responder", because: "network namespaces are not permitted" };
  const problem = permissions.userNamespaceProblem();
  return problem === undefined ? { rig: "unshare" } : { rig: "responder", because: problem };
};

/** Determines the permissions of this process. */
export const permissions = (): Permissions => ({
  tun: tunDevice(),
  mayMakeNamespaces,
  userNamespaceProblem,
  unshared: process.env[UNSHARED] !== undefined,
});

/** Codes of errors that mean a missing permission. After one of these the demo continues without TAPs. */
const NOT_PERMITTED: ReadonlySet<string> = new Set([
  "TAP_NOT_PERMITTED",
  "TAP_UNAVAILABLE",
  "NAMESPACE_NOT_PERMITTED",
  "PING_NOT_PERMITTED",
]);

export const isPermissionProblem = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && NOT_PERMITTED.has((error as { code?: unknown }).code as string);
