import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Check, demoVerdict, type MachineFacts, judge } from "./doctor-checks.ts";
import { doctorLines, releaseIn, versionIn } from "./doctor.ts";
import { install, PACKAGE_MANAGERS, TSHARK } from "./packages.ts";
import { plain } from "../terminal/terminal.ts";

const WELL: MachineFacts = {
  node: "26.10.0",
  selfTest: [{ ok: true, what: "calls into the C library", hint: "" }],
  uid: 1000,
  tun: { mode: 0o666, problem: undefined },
  mayMakeNamespaces: false,
  userNamespaceProblem: undefined,
  lockableBytes: Number.POSITIVE_INFINITY,
  processors: 4,
  cards: [{ address: "0000:03:00.0", lacks: [] }],
  preparedTaps: ["fe0"],
  tools: { iperf3: "/usr/bin/iperf3", tshark: "/usr/bin/tshark" },
  qemu: { path: "/usr/bin/qemu-system-x86_64", version: "10.1.2" },
  packageManager: "apt-get",
  release: "debian bookworm",
};

const check = (found: Partial<MachineFacts>, name: string): Check => {
  const result = judge({ ...WELL, ...found }).find((each) => each.name === name);
  assert.ok(result);
  return result;
};

test("a complete machine passes all checks, and the demo runs between namespaces", () => {
  const checks = judge(WELL);
  assert.deepEqual(
    checks.filter((each) => each.state !== "ok" || each.fix !== undefined),
    [],
  );
  assert.match(demoVerdict(checks) ?? "", /two network namespaces/);
});

test("every failed check has a command that fixes it", () => {
  const worst = judge({
    ...WELL,
    selfTest: [{ ok: false, what: "no FFI", hint: "Use a newer Node." }],
    tun: undefined,
    userNamespaceProblem: "sysctl user.max_user_namespaces is 0",
    lockableBytes: 8192 * 1024,
    processors: 1,
    cards: [
      { address: "0000:03:00.0", lacks: [{ what: "driver", saw: "bound to r8169", fix: ["sudo ferrule bind"] }] },
    ],
    preparedTaps: [],
    tools: {},
    qemu: undefined,
  });
  for (const each of worst) assert.ok(each.state !== "ok" && each.fix !== undefined, each.name);
  assert.equal(demoVerdict(worst), undefined);
});

test("a TAP device that is missing, or that this user or others may not open, is reported", () => {
  assert.match(check({ tun: undefined }, "/dev/net/tun").fix ?? "", /modprobe tun/);
  const closed = check({ tun: { mode: 0o600, problem: "it cannot be opened [EACCES]" } }, "/dev/net/tun");
  assert.equal(closed.state, "missing");
  assert.match(closed.saw, /mode 0600.*EACCES/);
  assert.match(closed.fix ?? "", /chmod 0666/);
  assert.equal(check({ uid: 0, tun: { mode: 0o600, problem: undefined } }, "/dev/net/tun").state, "limited");
});

test("each setting that forbids user namespaces is named in the command that changes it", () => {
  for (const setting of [
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
  ])
    assert.ok(check({ userNamespaceProblem: `sysctl ${setting} is 1` }, "namespaces").fix?.includes(setting));
  assert.match(
    check({ userNamespaceProblem: "`unshare` of util-linux is not installed" }, "namespaces").fix ?? "",
    /util-linux/,
  );
  assert.match(check({ userNamespaceProblem: "unshare: Operation not permitted" }, "namespaces").fix ?? "", /root/);
});

test("doctor reports what the demo will do if something is missing", () => {
  assert.match(demoVerdict(judge({ ...WELL, tun: undefined })) ?? "", /responder.*TAP/);
  assert.match(demoVerdict(judge({ ...WELL, userNamespaceProblem: "no" })) ?? "", /responder.*namespaces/);
});

test("each check has a line, and its fix has another one", () => {
  const lines = doctorLines(judge({ ...WELL, tun: undefined }), { paint: plain });
  assert.ok(lines.some((line) => /^missing +\/dev\/net\/tun +does not exist$/.test(line)));
  assert.ok(lines.some((line) => /^ +fix: sudo modprobe tun/.test(line)));
});

test("each card has its lines, with every command on a separate one; for an ordinary user the TAP is checked too", () => {
  const lacks = [{ what: "group", saw: "not viable", fix: ["one", "two"] }] as const;
  const found = { ...WELL, cards: [{ address: "0000:03:00.0", lacks }], preparedTaps: [] };
  const lines = doctorLines(judge(found), { paint: plain });
  const at = lines.findIndex((line) => /^limited +card 0000:03:00.0 +group: not viable$/.test(line));
  assert.match(lines[at + 1] ?? "", /^ +fix: one$/);
  assert.match(lines[at + 2] ?? "", /^ +fix: two$/);
  assert.ok(lines.some((line) => /fix: sudo ip tuntap add dev fe0 mode tap user \$USER vnet_hdr/.test(line)));
  assert.ok(!judge({ ...found, uid: 0 }).some((each) => each.name === "TAP"));
  assert.match(check({ cards: [] }, "cards").saw, /no card/);
});

const qemu = (version: string | undefined, more: Partial<MachineFacts> = {}): Check =>
  check({ qemu: { path: "/usr/bin/qemu-system-x86_64", version }, ...more }, "qemu-system-x86_64");

suite("QEMU", () => {
  test("QEMU passes from the first version that can use a served NIC", () => {
    for (const version of ["10.1", "10.1.0", "10.2.50", "11.0"]) assert.equal(qemu(version).state, "ok", version);
  });

  test("a QEMU that is older, or of unknown version, is reported with advice on how to get a newer one", () => {
    for (const version of ["7.2.22", "9.2.4", "10.0.99", "2", undefined]) {
      const { state, saw, fix } = qemu(version);
      assert.equal(state, "limited", version ?? "no version");
      assert.match(saw, /10\.1/);
      assert.match(fix ?? "", /^npm run guest.*\ninstall QEMU 10\.1 or newer/);
      assert.doesNotMatch(fix ?? "", /install qemu-system-x86( |$)/m);
    }
    assert.doesNotMatch(qemu("7.2", { packageManager: "dnf" }).fix ?? "", /apt|npm run guest/);
    assert.match(
      qemu("10.0.2", { release: "debian trixie" }).fix ?? "",
      /tee .*backports.*install -t trixie-backports/,
    );
    assert.match(check({ qemu: undefined }, "qemu-system-x86_64").fix ?? "", /^npm run guest/);
  });

  test("QEMU's version is found in its output", () => {
    assert.equal(versionIn("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright"), "7.2.22");
    assert.equal(versionIn("QEMU emulator version 10.1.0-rc3"), "10.1.0");
    assert.equal(versionIn(""), undefined);
  });
});

test("a release is the distribution's name and its code name; some releases have no code name", () => {
  assert.equal(releaseIn('PRETTY_NAME="Debian"\nVERSION_CODENAME=trixie\nID=debian\n'), "debian trixie");
  assert.equal(releaseIn('ID="fedora"\nVERSION_CODENAME=""\n'), undefined);
});

test("a package has the name that the machine's package manager knows", () => {
  assert.deepEqual(
    PACKAGE_MANAGERS.map((manager) => install(manager, TSHARK)),
    [
      "sudo apt-get install tshark",
      "sudo dnf install wireshark-cli",
      "sudo zypper install wireshark",
      "sudo pacman -S wireshark-cli",
      "sudo apk add tshark",
    ],
  );
  assert.equal(install(undefined, TSHARK), "install tshark");
});
