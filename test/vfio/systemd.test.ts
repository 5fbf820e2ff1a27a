/** A card brought up at boot without root: the unit, the udev rule and the user of `share`, under a real systemd. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Packed } from "../guest/cpio.ts";
import { bootInstructions, program, SHARE, typedPrograms } from "./instructions.ts";
import { card, Machine } from "./machine.ts";
import { noSystemd, SYSTEMD_WORDS, systemdArchive } from "./systemd-image.ts";

const CARD = "0000:00:05.0";
const INTERFACE = "fe0";
const UNIT = `ferrule@${INTERFACE}`;

const shared = (from: string, to: string): Packed => ({ path: to, bytes: readFileSync(join(SHARE, from)) });

/** The instructions of share/README.md, applied before the first boot, as for a system image. */
const INSTALLED: readonly Packed[] = [
  shared("sysusers/ferrule.conf", "etc/sysusers.d/ferrule.conf"),
  shared("udev/70-ferrule.rules", "etc/udev/rules.d/70-ferrule.rules"),
  shared("systemd/ferrule@.service", "etc/systemd/system/ferrule@.service"),
  { path: "etc/ferrule/fe0.conf", bytes: Buffer.from(`CARD=${CARD}\n`) },
];
const TYPED = [...typedPrograms(CARD), program("sudo", '#!/bin/sh\nexec "$@"\n')];

describe("a card brought up at boot, without root", { skip: noSystemd() }, () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.boot({
      devices: card("card", "bus=pcie.0,addr=5"),
      append: ["intel_iommu=on", ...SYSTEMD_WORDS],
      archives: (folder) => [
        systemdArchive(folder, `systemd-sysusers\nsystemctl --root=/ enable ${UNIT}`, [...INSTALLED, ...TYPED]),
      ],
      prepared: "modprobe af_packet",
    });
  });
  after(() => machine?.[Symbol.asyncDispose]());

  const property = async (name: string): Promise<string> =>
    (await machine.guest.mustRun(`systemctl show --property=${name} --value ${UNIT}`)).trim();

  /** Waits until the service has a new process and a carrier. Returns the process's id. @throws {Error} with the journal */
  const carrier = async (previous = 0): Promise<number> => {
    const { exit } = await machine.guest.run(
      `running() { p=$(systemctl show --property=MainPID --value ${UNIT}); [ "$p" != 0 ] && [ "$p" != ${previous} ]; }
      until running && ip link set ${INTERFACE} up && ip link show ${INTERFACE} | grep -q LOWER_UP; do sleep 0.2; done 2>/dev/null`,
    );
    if (exit !== 0)
      throw new Error((await machine.guest.run(`systemctl status ${UNIT}; journalctl -u ${UNIT} | tail -40`)).stdout);
    return Number(await property("MainPID"));
  };

  test("is brought up before any log-in", async () => {
    await carrier();
    assert.equal(await machine.driverOf(CARD), "vfio-pci");
    assert.equal(await property("NRestarts"), "0");
  });

  test("the file of the card's IOMMU group belongs to the user group ferrule", async () => {
    const group = `$(basename $(readlink /sys/bus/pci/devices/${CARD}/iommu_group))`;
    assert.equal((await machine.guest.mustRun(`stat -c '%U %G %a' /dev/vfio/${group}`)).trim(), "root ferrule 660");
  });

  test("the service runs as its own user, with only the capability for its interface", async () => {
    const status = await machine.guest.mustRun(`cat /proc/${await property("MainPID")}/status`);
    const uid = (await machine.guest.mustRun("id -u ferrule")).trim();
    assert.notEqual(uid, "0");
    assert.match(status, new RegExp(`^Uid:(\\t${uid}){4}$`, "m"));
    // CAP_NET_ADMIN, linux/capability.h.
    for (const which of ["CapEff", "CapPrm", "CapBnd"])
      assert.match(status, new RegExp(`^${which}:\\t0*1000$`, "m"), which);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
  });

  test("the card gets an address and replies, and a download has the right digest", async () => {
    await machine.works(INTERFACE);
  });

  test("a killed process is restarted, and traffic continues", async () => {
    const pid = Number(await property("MainPID"));
    await machine.guest.mustRun(`kill -9 ${pid}`);
    assert.notEqual(await carrier(pid), pid);
    assert.equal(await property("NRestarts"), "1");
    await machine.works(INTERFACE);
  });

  test("`systemctl stop` removes the interface and returns the card", async () => {
    await machine.guest.mustRun(`systemctl stop ${UNIT}`);
    assert.notEqual((await machine.guest.run(`ip link show ${INTERFACE}`)).exit, 0);
    assert.equal(await machine.driverOf(CARD), "8139cp");
    assert.equal(await property("Result"), "success");
    await machine.works(await machine.interfaceOf(CARD));
  });

  test("is installed by the commands of the instructions, typed literally", async () => {
    await machine.guest.mustRun(
      `systemctl disable --now ${UNIT}; rm /etc/sysusers.d/* /etc/udev/rules.d/* /etc/systemd/system/ferrule@.service /etc/ferrule/*; systemctl daemon-reload`,
    );
    await machine.guest.mustRun(["set -e", ...bootInstructions()].join("\n"));
    await carrier();
    assert.equal(await property("UnitFileState"), "enabled");
    await machine.works(INTERFACE);
  });
});
