import assert from "node:assert/strict";
import { test } from "node:test";
import { type Check, demoVerdict, type Findings, judge } from "./doctor-checks.ts";
import { doctorLines } from "./doctor.ts";
import { plain } from "./terminal.ts";

const WELL: Findings = {
  node: "26.10.0",
  selfTest: [{ ok: true, what: "calls into the C library", hint: "" }],
  uid: 1000,
  tun: { mode: 0o666, problem: undefined },
  mayMakeNamespaces: false,
  userNamespaceProblem: undefined,
  lockableBytes: Number.POSITIVE_INFINITY,
  processors: 4,
  tools: { iperf3: "/usr/bin/iperf3", tshark: "/usr/bin/tshark", "qemu-system-x86_64": "/usr/bin/qemu-system-x86_64" },
};

const check = (found: Partial<Findings>, name: string): Check => {
  const result = judge({ ...WELL, ...found }).find((each) => each.name === name);
  assert.ok(result);
  return result;
};

test("a machine with everything is well, and the demo runs between namespaces", () => {
  const checks = judge(WELL);
  assert.deepEqual(
    checks.filter((each) => each.state !== "ok" || each.fix !== undefined),
    [],
  );
  assert.match(demoVerdict(checks) ?? "", /two network namespaces/);
});

test("whatever is not well comes with the command that changes it", () => {
  const worst = judge({
    ...WELL,
    selfTest: [{ ok: false, what: "no FFI", hint: "Use a newer Node." }],
    tun: undefined,
    userNamespaceProblem: "sysctl user.max_user_namespaces is 0",
    lockableBytes: 8192 * 1024,
    processors: 1,
    tools: {},
  });
  for (const each of worst) assert.ok(each.state !== "ok" && each.fix !== undefined, each.name);
  assert.equal(demoVerdict(worst), undefined);
});

test("a TAP device that is missing, closed to us, or closed to others", () => {
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

test("says what the demo will do where something is missing", () => {
  assert.match(demoVerdict(judge({ ...WELL, tun: undefined })) ?? "", /responder.*TAP/);
  assert.match(demoVerdict(judge({ ...WELL, userNamespaceProblem: "no" })) ?? "", /responder.*namespaces/);
});

test("prints a line for each check, and one for its fix", () => {
  const lines = doctorLines(judge({ ...WELL, tun: undefined }), { paint: plain });
  assert.ok(lines.some((line) => /^missing +\/dev\/net\/tun +not there$/.test(line)));
  assert.ok(lines.some((line) => /^ +fix: sudo modprobe tun/.test(line)));
});
