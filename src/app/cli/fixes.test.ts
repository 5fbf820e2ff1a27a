/**
 * The commands that `list`, `doctor` and errors recommend: each is valid in a shell, and has the effect for which
 * it is recommended.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoTap } from "#sys/permitted.ts";
import type { Card, PciFunction } from "../cards/card.ts";
import { judgeCard, type CardState, REQUIRED_LOCKABLE_BYTES } from "../cards/judge.ts";
import { MACHINE } from "../cards/machine.test-kit.ts";
import { type Machine, VFIO_PCI } from "../cards/machine.ts";
import { type MachineFacts, judge } from "./doctor-checks.ts";
import { PACKAGE_MANAGERS } from "./packages.ts";

/** Matches the first word of a command. A fix that begins with another word is a sentence. */
const COMMAND = /^(sudo|grep|npm|npx|ferrule|echo|printf|chmod|kill|files=)/;
/** Commands that only root may execute. */
const ROOTS =
  /^(modprobe|sysctl|chmod|chown|prlimit|dmesg|fuser|reboot|tee|apt-get|dnf|grubby|update-grub|ip (link|tuntap))\b/;

const WORST: MachineFacts = {
  node: "20.0.0",
  selfTest: [{ ok: false, what: "no FFI", hint: "Use a newer Node." }],
  uid: 1000,
  tun: undefined,
  mayMakeNamespaces: false,
  userNamespaceProblem: "`unshare` of util-linux is not installed",
  lockableBytes: 8 << 20,
  processors: 1,
  cards: [{ address: "0000:03:00.0", lacks: [] }],
  preparedTaps: [],
  tools: {},
  qemu: { path: "/usr/bin/qemu-system-x86_64", version: "7.2" },
  packageManager: undefined,
  release: undefined,
};

const findings: readonly Partial<MachineFacts>[] = [
  ...[undefined, ...PACKAGE_MANAGERS].map((packageManager) => ({ packageManager })),
  { tun: { mode: 0o600, problem: "it cannot be opened [EACCES]" } },
  { tun: { mode: 0o600, problem: undefined }, uid: 0 },
  ...[
    "user.max_user_namespaces is 0",
    "kernel.unprivileged_userns_clone is 0",
    "kernel.apparmor_restrict_unprivileged_userns is 1",
  ].map((setting) => ({ userNamespaceProblem: `sysctl ${setting}` })),
  { userNamespaceProblem: "Operation not permitted" },
  { packageManager: "apt-get", release: "debian trixie" },
];

const OTHER: PciFunction = {
  address: "0000:03:00.1",
  vendor: 0x8086,
  device: 1,
  subsystemVendor: 0,
  subsystemDevice: 0,
  revision: 0,
  class: 0x0c0330,
  driver: "xhci_hcd",
};
const CARD: Card = {
  ...OTHER,
  address: "0000:03:00.0",
  vendor: 0x10ec,
  device: 0x8168,
  driver: "r8169",
  override: undefined,
  group: { number: "7", unsafe: false, others: [OTHER] },
  numaNode: undefined,
  pcie: undefined,
  power: undefined,
  resets: [],
  interfaces: [],
  chip: { name: undefined, because: "asleep" },
};
const POOR: Machine = {
  ...MACHINE,
  iommus: [],
  groups: 0,
  iommuWords: [],
  vfioPci: false,
  user: 1000,
  lockableBytes: 1,
};
const HOLDER = { pid: 4711, command: "qemu", end: "sudo kill 4711" };

const situations: readonly Partial<CardState>[] = [
  {},
  { card: { ...CARD, driver: VFIO_PCI }, groupFile: "closed", holders: [HOLDER] },
  { card: { ...CARD, driver: VFIO_PCI }, groupFile: "absent" },
  { card: { ...CARD, group: { number: "7", unsafe: true, others: [] } } },
  ...[
    {},
    { iommuWords: ["intel_iommu=off"] },
    { iommuWords: ["intel_iommu=on"] },
    { firmwareTable: undefined },
    { firmwareTable: undefined, firmwareSetup: false },
    { firmwareTable: undefined, guest: true },
    { boot: undefined },
    ...(["grubby", "rpm-ostree", "kernelstub", "proxmox-boot-tool"] as const).flatMap((tool) => [
      { boot: { tool } },
      { boot: { tool }, iommuWords: ["iommu=off"] },
    ]),
  ].map((machine) => ({ card: { ...CARD, group: undefined }, machine: { ...POOR, ...machine } })),
];

/** Every line shown after "fix:". */
const fixes = [
  ...new Set([
    ...findings.flatMap((more) => judge({ ...WORST, ...more })).flatMap(({ fix }) => fix?.split("\n") ?? []),
    ...situations
      .flatMap((more) => judgeCard({ card: CARD, machine: POOR, groupFile: "closed", holders: [], ...more }))
      .flatMap(({ fix }) => fix),
  ]),
];

/** Text in backquotes in messages and hints of the source, with placeholders for computed parts. */
const quoted = [
  ...new Set(
    globSync("src/**/*.ts", {
      cwd: join(import.meta.dirname, "../../.."),
      exclude: ["**/*.test.ts", "**/*.test-kit.ts"],
    })
      .flatMap((path) => readFileSync(join(import.meta.dirname, "../../..", path), "utf8").split("\n"))
      .filter((line) => !/^\s*(\/\*\*|\*|\/\/)/.test(line))
      .flatMap((line) => [
        ...line.matchAll(/\\`((?:[^`\\]|\\[^`])+)\\`/g),
        ...line.matchAll(/"[^"`]*`([^`"]+)`[^"]*"/g),
      ])
      .map(([, command]) => command!.replaceAll(/\$\{[^}]*\}/g, "VALUE"))
      .filter((command) => !command.includes("…")),
  ),
];

const whyNoShell = (command: string): string | undefined => {
  const { status, stderr } = spawnSync("sh", ["-n", "-c", command], { encoding: "utf8" });
  return status === 0 ? undefined : `${command}: ${stderr}`;
};

/** The programs of a command, each with its arguments. */
const programs = (command: string): readonly string[] =>
  command.replace(/ {2,}#.*/, "").split(/ (?:&&|\|\|?|;) (?:! )?/);

const withoutRights = (command: string): readonly string[] => programs(command).filter((part) => ROOTS.test(part));

suite("recommended commands", () => {
  test("recommendations are valid shell commands, possibly with a comment, or sentences", () => {
    const commands = fixes.filter((fix) => COMMAND.test(fix));
    assert.ok(commands.length > 30, `${commands.length}`);
    assert.deepEqual(
      commands.map(whyNoShell).filter((why) => why !== undefined),
      [],
    );
    assert.deepEqual(
      fixes.filter((fix) => !COMMAND.test(fix) && /[|&;$<>]|^\S*\/\S* /.test(fix)),
      [],
      "half a command",
    );
  });

  test("commands in messages, hints and help texts are valid shell commands too", () => {
    const commands = quoted.filter((text) => COMMAND.test(text) || ROOTS.test(text));
    assert.ok(commands.length > 20, `${commands.length}`);
    assert.deepEqual(
      commands.map(whyNoShell).filter((why) => why !== undefined),
      [],
    );
  });

  test("recommended commands use sudo wherever an ordinary user has no permission", () => {
    const ordinary = fixes.filter((fix) => COMMAND.test(fix) && !fix.startsWith("chmod 0666 /dev/net/tun"));
    assert.deepEqual(
      [...ordinary, ...quoted].filter((command) => withoutRights(command).length > 0),
      [],
    );
  });
});

/** The one recommended command that matches, without its comment. */
const findCommand = (pattern: RegExp): string => {
  const [command, ...others] = [
    ...new Set(fixes.filter((fix) => pattern.test(fix)).map((fix) => fix.replace(/ +#.*/, ""))),
  ];
  assert.ok(command !== undefined && others.length === 0, String(pattern));
  return command;
};

suite("recommended commands, executed on this machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-fixes-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "sudo"), '#!/bin/sh\nexec "$@"\n');
  chmodSync(join(folder, "sudo"), 0o755);
  const type = (command: string, more = ":"): string => {
    const env = { ...process.env, USER: "root", PATH: `${folder}:${process.env["PATH"]}:/usr/sbin:/sbin` };
    const { status, stdout, stderr } = spawnSync("sh", ["-e", "-c", `${command}\n${more}`], { encoding: "utf8", env });
    assert.equal(status, 0, `${command}: ${stderr}`);
    return stdout;
  };

  test("the command for locked memory sets the limit of the calling shell", () => {
    // The value is below the present limit, because root does not always have the capability to raise the limit.
    const command = findCommand(/prlimit/).replace(String(REQUIRED_LOCKABLE_BYTES), String(64 << 10));
    assert.equal(type(command, "ulimit -l").trim(), "64");
  });

  test(
    "the command for a TAP creates one that belongs to the user and has the required header",
    { skip: whyNoTap()?.message ?? false },
    () => {
      using namespace = NetworkNamespace.create();
      const output = namespace.within(() => type(findCommand(/ip tuntap/), "ip -details link show fe0"));
      assert.match(output, /tun type tap pi off vnet_hdr on persist on user root/);
    },
  );
});
