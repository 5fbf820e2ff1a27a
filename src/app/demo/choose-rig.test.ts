import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseRig, isPermissionProblem, type Permissions } from "./choose-rig.ts";

const choose = (given: Partial<Permissions>) =>
  chooseRig({
    tun: { mode: 0o666, problem: undefined },
    mayMakeNamespaces: () => false,
    userNamespaceProblem: () => undefined,
    unshared: false,
    ...given,
  });

test("root creates its own namespaces", () =>
  assert.deepEqual(choose({ mayMakeNamespaces: () => true }), { rig: "tap" }));

test("an ordinary user first becomes root of a new user namespace", () =>
  assert.deepEqual(choose({}), { rig: "unshare" }));

test("a process that is already in a user namespace of its own does not start another one", () =>
  assert.deepEqual(choose({ unshared: true }), { rig: "responder", because: "network namespaces are not permitted" }));

test("without TAPs or namespaces the responder is used, with the reason", () => {
  assert.deepEqual(choose({ tun: undefined }), { rig: "responder", because: "there is no /dev/net/tun" });
  assert.deepEqual(choose({ tun: { mode: 0o600, problem: "it cannot be opened [EACCES]" } }), {
    rig: "responder",
    because: "/dev/net/tun: it cannot be opened [EACCES]",
  });
  assert.deepEqual(choose({ userNamespaceProblem: () => "sysctl x is 0" }), {
    rig: "responder",
    because: "sysctl x is 0",
  });
});

test("permission errors are recognised by their code", () => {
  assert.ok(isPermissionProblem(Object.assign(new Error("no"), { code: "TAP_NOT_PERMITTED" })));
  assert.ok(!isPermissionProblem(new Error("no")));
  assert.ok(!isPermissionProblem(undefined));
});
