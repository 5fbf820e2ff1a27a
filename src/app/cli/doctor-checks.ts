/** The checks of `ferrule doctor`: pure functions of the collected facts, so that every result can be tested. */
import { isAtLeast } from "#sys/ffi.ts";
import type { SelfTestResult } from "#sys/selftest.ts";
import { type Missing, REQUIRED_LOCKABLE_BYTES } from "../cards/judge.ts";
import { FERRULE, IS_CHECKOUT } from "../cards/program.ts";
import { bugTracker } from "../manifest.ts";
import { amount } from "../terminal/format.ts";
import { install, IPERF3, type PackageManager, type PackageNames, TSHARK, UTIL_LINUX } from "./packages.ts";

/** Facts about this machine and process, from which the checks follow. */
export interface MachineFacts {
  readonly node: string;
  readonly selfTest: readonly SelfTestResult[];
  readonly uid: number;
  /**
   * /dev/net/tun: its permission bits, and the reason that it cannot be opened, if there is one. Undefined if the file
   * does not exist.
   */
  readonly tun: { readonly mode: number; readonly problem: string | undefined } | undefined;
  /** Whether this process may create network namespaces itself. */
  readonly mayMakeNamespaces: boolean;
  /** The reason that an unprivileged user namespace cannot be created; undefined if one was created. */
  readonly userNamespaceProblem: string | undefined;
  /** Number of bytes of memory that this process may lock; Infinity if unlimited. */
  readonly lockableBytes: number;
  readonly processors: number;
  /** The family's cards, each with what is missing to use it. */
  readonly cards: readonly { readonly address: string; readonly lacks: readonly Missing[] }[];
  /** TAPs that an administrator has created for this user. */
  readonly preparedTaps: readonly string[];
  /** Paths of optional programs; undefined if not installed. */
  readonly tools: Readonly<Record<string, string | undefined>>;
  /** The installed QEMU, if any; its version is undefined if it does not report one. */
  readonly qemu: { readonly path: string; readonly version: string | undefined } | undefined;
  readonly packageManager: PackageManager | undefined;
  /** The distribution's release, such as "debian trixie"; undefined if it has no name. */
  readonly release: string | undefined;
}

export interface Check {
  readonly name: string;
  readonly state: "ok" | "limited" | "missing";
  readonly saw: string;
  /**
   * The command that fixes the problem, or several commands, one per line, with comments if necessary; instructions if
   * there is no command. Undefined if nothing needs to be fixed.
   */
  readonly fix: string | undefined;
}

const ok = (name: string, saw: string): Check => ({ name, state: "ok", saw, fix: undefined });

const runtime = (found: MachineFacts): Check => {
  const broken = found.selfTest.find((result) => !result.ok);
  if (broken !== undefined) {
    const fix = broken.hint.replace("report it", `report it at ${bugTracker()}`);
    return { name: "runtime", state: "missing", saw: broken.what, fix };
  }
  return ok("runtime", `Node ${found.node}, the C library can be called (${found.selfTest.length} self-tests)`);
};

const tun = ({ tun, uid }: MachineFacts): Check => {
  const name = "/dev/net/tun";
  if (tun === undefined)
    return {
      name,
      state: "missing",
      saw: "does not exist",
      fix: "sudo modprobe tun    # in a container: run it with --device /dev/net/tun",
    };
  const mode = `mode ${(tun.mode & 0o777).toString(8).padStart(4, "0")}`;
  if (tun.problem !== undefined)
    return { name, state: "missing", saw: `${mode}, ${tun.problem}`, fix: "sudo chmod 0666 /dev/net/tun" };
  if ((tun.mode & 0o006) !== 0o006 && uid === 0)
    return {
      name,
      state: "limited",
      saw: `${mode}: root can use it, ordinary users cannot`,
      fix: "chmod 0666 /dev/net/tun    # for ordinary users; most distributions do that",
    };
  return ok(name, mode);
};

/** The command that changes the kernel setting which most likely forbids user namespaces; instructions if unknown. */
const namespaceFix = (problem: string, manager: PackageManager | undefined): string => {
  const setting = /sysctl (\S+) is (\d+)/.exec(problem)?.[1];
  if (setting === "user.max_user_namespaces") return "sudo sysctl user.max_user_namespaces=15000";
  if (setting === "kernel.unprivileged_userns_clone") return "sudo sysctl kernel.unprivileged_userns_clone=1";
  if (setting === "kernel.apparmor_restrict_unprivileged_userns")
    return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  if (problem.includes("unshare")) return `${install(manager, UTIL_LINUX)}    # or run as root`;
  return "run as root (a container may need --privileged, or --cap-add NET_ADMIN,SYS_ADMIN)";
};

const namespaces = (found: MachineFacts): Check => {
  const name = "namespaces";
  if (found.mayMakeNamespaces) return ok(name, "this process may create network namespaces");
  if (found.userNamespaceProblem === undefined) return ok(name, "through an unprivileged user namespace");
  return {
    name,
    state: "missing",
    saw: found.userNamespaceProblem,
    fix: namespaceFix(found.userNamespaceProblem, found.packageManager),
  };
};

const memlock = ({ lockableBytes }: MachineFacts): Check => {
  const name = "locked memory";
  if (lockableBytes === Number.POSITIVE_INFINITY) return ok(name, "unlimited");
  const saw = `at most ${amount(lockableBytes)}`;
  if (lockableBytes >= REQUIRED_LOCKABLE_BYTES) return ok(name, saw);
  return {
    name,
    state: "limited",
    saw: `${saw}: enough for models; cards through VFIO need ${amount(REQUIRED_LOCKABLE_BYTES)}`,
    fix: [
      `sudo prlimit --pid $$ --memlock=${REQUIRED_LOCKABLE_BYTES}    # this shell, now`,
      `echo "$USER - memlock ${REQUIRED_LOCKABLE_BYTES / 1024}" | sudo tee /etc/security/limits.d/ferrule.conf    # from the next log-in`,
    ].join("\n"),
  };
};

const processors = (found: MachineFacts): Check => {
  const name = "processors";
  const saw = `${found.processors} usable`;
  if (found.processors >= 2) return ok(name, saw);
  return {
    name,
    state: "limited",
    saw: `${saw}: driver and model share one`,
    fix: "use a machine with a second core",
  };
};

/** The checks of cards. Cards are optional, because models need none. */
const cards = (found: MachineFacts): Check[] => {
  if (found.cards.length === 0) return [ok("cards", "no card of this family in this machine: see `ferrule list`")];
  return found.cards.flatMap(({ address, lacks }): Check[] => {
    const name = `card ${address}`;
    if (lacks.length === 0) return [ok(name, `ready: ${FERRULE} up ${address}`)];
    return lacks.map(({ what, saw, fix }) => ({ name, state: "limited", saw: `${what}: ${saw}`, fix: fix.join("\n") }));
  });
};

/** Checks for a TAP that belongs to this user. An ordinary user needs one for `ferrule up`. */
const preparedTap = ({ uid, cards, preparedTaps }: MachineFacts): Check[] => {
  if (uid === 0 || cards.length === 0) return [];
  const name = "TAP";
  if (preparedTaps.length > 0) return [ok(name, `prepared for this user: ${preparedTaps.join(", ")}`)];
  return [
    {
      name,
      state: "limited",
      saw: "none is prepared for this user",
      fix: `sudo ip tuntap add dev fe0 mode tap user $USER vnet_hdr    # then: ${FERRULE} up ADDRESS --name fe0`,
    },
  ];
};

const TOOLS: Readonly<Record<string, { use: string; names: PackageNames }>> = {
  iperf3: { use: "measuring throughput", names: IPERF3 },
  tshark: { use: "reading captures", names: TSHARK },
};

const tools = (found: MachineFacts): Check[] =>
  Object.entries(TOOLS).map(([name, { use, names }]) => {
    const path = found.tools[name];
    if (path !== undefined) return ok(name, path);
    const fix = install(found.packageManager, names);
    return { name, state: "limited", saw: `not installed; optional, for ${use}`, fix };
  });

/** The first version of QEMU with a vfio-user client. */
const MIN_QEMU = "10.1";

const TRIXIE_BACKPORTS = [
  "echo 'deb http://deb.debian.org/debian trixie-backports main' | sudo tee /etc/apt/sources.list.d/trixie-backports.list",
  "sudo apt-get update",
  "sudo apt-get install -t trixie-backports qemu-system-x86",
].join(" && ");

/** How to get a QEMU that is new enough; the packages of most releases are older. */
const qemuFix = ({ packageManager, release }: MachineFacts): string => {
  // In a checkout on Debian, `npm run guest` can fetch packages into a separate folder.
  const own = packageManager === "apt-get" && IS_CHECKOUT;
  return [
    ...(own ? ["npm run guest    # fetches a QEMU and a guest, and installs nothing"] : []),
    ...(release === "debian trixie" ? [TRIXIE_BACKPORTS] : []),
    `install QEMU ${MIN_QEMU} or newer: Fedora has it from 43 on, Ubuntu from 25.10, Debian 13 in its backports`,
  ].join("\n");
};

const qemu = (found: MachineFacts): Check => {
  const name = "qemu-system-x86_64";
  const use = `optional, for other systems' drivers on the model, from QEMU ${MIN_QEMU} on`;
  const fix = qemuFix(found);
  if (found.qemu === undefined) return { name, state: "limited", saw: `not installed; ${use}`, fix };
  const { path, version } = found.qemu;
  if (version === undefined) return { name, state: "limited", saw: `${path} does not report its version; ${use}`, fix };
  if (isAtLeast(version, MIN_QEMU)) return ok(name, `${path}, version ${version}`);
  return { name, state: "limited", saw: `${path} is version ${version}; ${use}`, fix };
};

/** All checks, the most important ones first. */
export const judge = (found: MachineFacts): readonly Check[] => [
  runtime(found),
  tun(found),
  namespaces(found),
  memlock(found),
  processors(found),
  ...cards(found),
  ...preparedTap(found),
  ...tools(found),
  qemu(found),
];

/** The rig that the demo will use here, in one sentence; undefined if it cannot run. */
export const demoVerdict = (checks: readonly Check[]): string | undefined => {
  const missing = (name: string): boolean => checks.some((check) => check.name === name && check.state === "missing");
  if (missing("runtime")) return undefined;
  if (missing("/dev/net/tun")) return "`ferrule demo` will use the built-in responder: there is no usable TAP.";
  if (missing("namespaces"))
    return "`ferrule demo` will use the built-in responder: network namespaces are not permitted.";
  return "`ferrule demo` will run between two network namespaces.";
};
