import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { qtestModel, vfioUserModel } from "../rigs/named-model.ts";

const of = (environment: Record<string, string>) => () =>
  qtestModel({ FERRULE_QTEST_DEVICE: "rtl8168", ...environment });
const bad = (message: RegExp, hint: RegExp) => ({ code: "BAD_VARIABLE", message, hint });

test("the environment can name a device of a QEMU: its program, properties, BAR and chip", () => {
  const { chip, ...rest } = qtestModel({
    FERRULE_QTEST_QEMU: "/opt/qemu/bin/qemu-system-x86_64",
    FERRULE_QTEST_DEVICE: "rtl8168,speed=1000",
    FERRULE_QTEST_BAR: "2",
    FERRULE_QTEST_CHIP: "rtl8168h",
  });
  assert.deepEqual(rest, {
    program: "/opt/qemu/bin/qemu-system-x86_64",
    device: "rtl8168,speed=1000",
    bar: 2,
    foreign: true,
  });
  assert.equal(chip.key, "rtl8168h");
  assert.equal(qtestModel({}).device, "rtl8139");
});

test("a device with an invalid BAR, chip or name is rejected with a hint", () => {
  for (const bar of ["6", "-1", "two", ""])
    assert.throws(
      of({ FERRULE_QTEST_BAR: bar }),
      bad(/^FERRULE_QTEST_BAR=.*: not the number of a base address register$/, /0 to 5/),
    );
  assert.throws(of({ FERRULE_QTEST_CHIP: "rtl8168" }), bad(/CHIP=rtl8168: no such chip/, /model chips/));
  for (const device of ["", "a b", "rtl8168,", "rtl8168,=1"])
    assert.throws(
      of({ FERRULE_QTEST_DEVICE: device }),
      bad(/DEVICE=.*: not the name of a device/, /NAME,PROPERTY=VALUE/),
    );
});

test("a variable that has no effect without another one is rejected", () => {
  assert.throws(() => qtestModel({ FERRULE_QTEST_CHIP: "rtl8168h" }), bad(/without FERRULE_QTEST_DEVICE/, /as well/));
  assert.throws(
    () => vfioUserModel({ FERRULE_VFIO_USER_CHIP: "rtl8168h" }),
    bad(/without FERRULE_VFIO_USER_SOCKET/, /as well/),
  );
});

test("the environment can name a vfio-user server and the socket of its NIC's cable; both must exist", () => {
  assert.equal(vfioUserModel({}), undefined);
  const folder = mkdtempSync(join(tmpdir(), "ferrule-named-"));
  try {
    const [socket, cable] = ["nic", "wire"].map((name) => join(folder, name)) as [string, string];
    const both = { FERRULE_VFIO_USER_SOCKET: socket, FERRULE_VFIO_USER_CABLE: cable };
    assert.throws(() => vfioUserModel(both), bad(/SOCKET=.*: no such socket/, /Start the server/));
    writeFileSync(socket, "");
    assert.throws(() => vfioUserModel(both), bad(/CABLE=.*: no such socket/, /Start the server/));
    assert.throws(() => vfioUserModel({ FERRULE_VFIO_USER_SOCKET: socket }), bad(/cable is not known/, /_CABLE/));
    writeFileSync(cable, "");
    assert.equal(vfioUserModel(both)?.chip.key, "rtl8168h");
    assert.throws(() => vfioUserModel({ ...both, FERRULE_VFIO_USER_CHIP: "x" }), bad(/no such chip/, /model chips/));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
