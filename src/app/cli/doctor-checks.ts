/** What `ferrule doctor` makes of what it saw: pure, so that every verdict can be tested anywhere. */
import type { SelfTestResult } from "#sys/selftest.ts";
import { type Lack, WANTED_LOCKABLE } from "../cards/judge.ts";
import { FERRULE } from "../cards/program.ts";
import { amount } from "./format.ts";

/** What was found out about the machine. */
export interface Findings {
  readonly node: string;
  readonly selfTest: readonly SelfTestResult[];
  readonly uid: number;
  /** /dev/net/tun: its permission bits, and why it cannot be opened (undefined when it can); undefined when absent. */
  readonly tun: { readonly mode: number; readonly problem: string | undefined } | undefined;
  /** May this process make network namespaces as it is? */
  readonly mayMakeNamespaces: boolean;
  /** Why an unprivileged user namespace cannot be made; undefined when one was made. */
  readonly userNamespaceProblem: string | undefined;
  /** Bytes of memory this process may lock; Infinity when unlimited. */
  readonly lockableBytes: number;
  readonly processors: number;
  /** The family's cards, and what each lacks to be used. */
  readonly cards: readonly { readonly address: string; readonly lacks: readonly Lack[] }[];
  /** TAPs that an administrator made for this user. */
  readonly preparedTaps: readonly string[];
  /** Where optional programs are; undefined when they are not installed. */
  readonly tools: Readonly<Record<string, string | undefined>>;
}

export interface Check {
  readonly name: string;
  readonly state: "ok" | "limited" | "missing";
  readonly saw: string;
  /** The command that changes it, or several, a line each; undefined when nothing needs changing. */
  readonly fix: string | undefined;
}

const ok = (name: string, saw: string): Check => ({ name, state: "ok", saw, fix: undefined });

const runtime = (found: Findings): Check => {
  const broken = found.selfTest.find((result) => !result.ok);
  if (broken !== undefined) return { name: "runtime", state: "missing", saw: broken.what, fix: broken.hint };
  return ok("runtime", `Node ${found.node}, the C library answers (${found.selfTest.length} self tests)`);
};

const tun = ({ tun, uid }: Findings): Check => {
  const name = "/dev/net/tun";
  if (tun === undefined)
    return {
      name,
      state: "missing",
      saw: "not there",
      fix: "sudo modprobe tun    (in a container: run it with --device /dev/net/tun)",
    };
  const mode = `mode ${(tun.mode & 0o777).toString(8).padStart(4, "0")}`;
  if (tun.problem !== undefined)
    return { name, state: "missing", saw: `${mode}, ${tun.problem}`, fix: "sudo chmod 0666 /dev/net/tun" };
  if ((tun.mode & 0o006) !== 0o006 && uid === 0)
    return {
      name,
      state: "limited",
      saw: `${mode}: root can use it, ordinary users cannot`,
      fix: "chmod 0666 /dev/net/tun    (for ordinary users; most distributions ship it so)",
    };
  return ok(name, mode);
};

/** Which setting most likely forbids it, going by what the kernel's settings tell. */
const namespaceFix = (problem: string): string => {
  const setting = /sysctl (\S+) is (\d+)/.exec(problem)?.[1];
  if (setting === "user.max_user_namespaces") return "sudo sysctl user.max_user_namespaces=15000";
  if (setting === "kernel.unprivileged_userns_clone") return "sudo sysctl kernel.unprivileged_userns_clone=1";
  if (setting === "kernel.apparmor_restrict_unprivileged_userns")
    return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  if (problem.includes("unshare")) return "sudo apt install util-linux    (or run as root)";
  return "run as root (a container may need --privileged, or --cap-add NET_ADMIN,SYS_ADMIN)";
};

const namespaces = (found: Findings): Check => {
  const name = "namespaces";
  if (found.mayMakeNamespaces) return ok(name, "this process may make network namespaces");
  if (found.userNamespaceProblem === undefined) return ok(name, "through an unprivileged user namespace");
  return { name, state: "missing", saw: found.userNamespaceProblem, fix: namespaceFix(found.userNamespaceProblem) };
};

const memlock = ({ lockableBytes }: Findings): Check => {
  const name = "locked memory";
  if (lockableBytes === Number.POSITIVE_INFINITY) return ok(name, "unlimited");
  const saw = `at most ${amount(lockableBytes)}`;
  if (lockableBytes >= WANTED_LOCKABLE) return ok(name, saw);
  return {
    name,
    state: "limited",
    saw: `${saw}: enough for models; cards through VFIO want ${amount(WANTED_LOCKABLE)}`,
    fix: [
      `sudo prlimit --pid $$ --memlock=${WANTED_LOCKABLE}    (this shell, now)`,
      `echo "$USER - memlock ${WANTED_LOCKABLE / 1024}" | sudo tee /etc/security/limits.d/ferrule.conf    (from the next log-in)`,
    ].join("\n"),
  };
};

const processors = (found: Findings): Check => {
  const name = "processors";
  const saw = `${found.processors} usable`;
  if (found.processors >= 2) return ok(name, saw);
  return {
    name,
    state: "limited",
    saw: `${saw}: driver and model take turns on one`,
    fix: "give the machine a second core",
  };
};

/** Cards are no must: models need none. */
const cards = (found: Findings): Check[] => {
  if (found.cards.length === 0) return [ok("cards", "none of this family in this machine: see `ferrule list`")];
  return found.cards.flatMap(({ address, lacks }): Check[] => {
    const name = `card ${address}`;
    if (lacks.length === 0) return [ok(name, `ready: ${FERRULE} up ${address}`)];
    return lacks.map(({ what, saw, fix }) => ({ name, state: "limited", saw: `${what}: ${saw}`, fix: fix.join("\n") }));
  });
};

/** An ordinary user's `ferrule up` goes on with a TAP that is there already and belongs to that user. */
const preparedTap = ({ uid, cards, preparedTaps }: Findings): Check[] => {
  if (uid === 0 || cards.length === 0) return [];
  const name = "TAP";
  if (preparedTaps.length > 0) return [ok(name, `prepared for this user: ${preparedTaps.join(", ")}`)];
  return [
    {
      name,
      state: "limited",
      saw: "none is prepared for this user",
      fix: `sudo ip tuntap add dev fe0 mode tap user $USER vnet_hdr    (then: ${FERRULE} up ADDRESS --name fe0)`,
    },
  ];
};

const TOOLS: Readonly<Record<string, { use: string; pack: string }>> = {
  iperf3: { use: "measuring throughput", pack: "iperf3" },
  tshark: { use: "reading captures", pack: "tshark" },
  "qemu-system-x86_64": { use: "other systems' drivers on the model", pack: "qemu-system-x86" },
};

const tools = (found: Findings): Check[] =>
  Object.entries(TOOLS).map(([name, { use, pack }]) => {
    const path = found.tools[name];
    if (path !== undefined) return ok(name, path);
    return { name, state: "limited", saw: `not installed; optional, for ${use}`, fix: `sudo apt install ${pack}` };
  });

/** Every check, the important ones first. */
export const judge = (found: Findings): readonly Check[] => [
  runtime(found),
  tun(found),
  namespaces(found),
  memlock(found),
  processors(found),
  ...cards(found),
  ...preparedTap(found),
  ...tools(found),
];

/** What the demo can use here, in one sentence; undefined when it cannot run at all. */
export const demoVerdict = (checks: readonly Check[]): string | undefined => {
  const missing = (name: string): boolean => checks.some((check) => check.name === name && check.state === "missing");
  if (missing("runtime")) return undefined;
  if (missing("/dev/net/tun")) return "`ferrule demo` will use the built-in responder: there is no usable TAP.";
  if (missing("namespaces"))
    return "`ferrule demo` will use the built-in responder: network namespaces are not permitted.";
  return "`ferrule demo` will run between two network namespaces.";
};
