/** A card with its own IOMMU group is passed from the kernel's driver to ours and back, as a new user would do it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { beside, card, Machine, USER } from "./machine.ts";
import { noVfio } from "./available.ts";
import { median } from "./figures.ts";

const CARD = "0000:00:05.0";
const INTERFACE = "fe0";
/** Text in both frames of stray.ts: one is in memory that is mapped for the card, the other in memory that is not. */
const MARK = "ferrule-isolation";

describe("a card behind an IOMMU", { skip: noVfio() }, () => {
  let machine: Machine;
  let folder = "";

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ferrule-vfio-"));
    const stray = stripTypeScriptTypes(readFileSync(join(import.meta.dirname, "stray.ts"), "utf8"));
    machine = await Machine.boot({
      devices: [
        ...card("card", "bus=pcie.0,addr=5"),
        "-object",
        `filter-dump,id=dump,netdev=net-card,file=${join(folder, "wire.pcap")}`,
      ],
      files: [beside("stray.mjs", stray)],
    });
  });
  after(async () => {
    await machine?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Binds the card to vfio-pci, whatever the previous test did. */
  const bound = async (): Promise<void> => {
    if ((await machine.driverOf(CARD)) !== "vfio-pci") await machine.mustRun(`bind ${CARD}`);
  };

  test("is listed with its chip, driver, group and interface", async () => {
    const name = await machine.interfaceOf(CARD);
    const listed = await machine.mustRun("list");
    assert.match(listed, new RegExp(`^${CARD}\\s+RTL8139C\\+\\s+8139cp\\s+\\d+\\s+${name}`, "m"));
    assert.match(listed, new RegExp(`ferrule bind ${CARD}`));
  });

  test("is not bound while it carries the default route, unless forced", async () => {
    const name = await machine.interfaceOf(CARD);
    await machine.lease(name);
    const { exit, stderr } = await machine.ferrule(`bind ${CARD}`);
    assert.equal(exit, 1);
    assert.match(stderr, /carries the default route/);
    assert.equal(await machine.driverOf(CARD), "8139cp");
    await machine.guest.mustRun(`ip route flush dev ${name}; ip addr flush dev ${name}`);
  });

  test("is not opened while bound to the kernel's driver; the error names the command to bind it", async () => {
    const { exit, stderr } = await machine.ferrule(`up ${CARD} --name ${INTERFACE}`);
    assert.equal(exit, 1);
    assert.match(stderr, new RegExp(`8139cp[^]*hint: .*ferrule bind ${CARD}`));
  });

  test("is bound, and works: an address by DHCP, pings, a download with the right digest, ethtool", async (t) => {
    await bound();
    assert.equal(await machine.driverOf(CARD), "vfio-pci");
    const up = await machine.up(CARD, INTERFACE);
    t.diagnostic(`carrier ${up.linkMillis} ms after "up", ${up.carrierMillis} ms after the program's start`);
    const { pings, megabits } = await machine.works(INTERFACE);
    t.diagnostic(`ping ${median(pings).toFixed(2)} ms, download ${megabits.toFixed(0)} Mbit/s`);
    assert.match(await machine.guest.mustRun(`ethtool ${INTERFACE}`), /Link detected: yes/);
    assert.match(await machine.guest.mustRun(`ethtool -i ${INTERFACE}`), /^driver: tun$/m);
    assert.match(await machine.guest.mustRun(`ethtool -k ${INTERFACE}`), /^rx-checksumming/m);
  });

  test("cannot be opened twice", async () => {
    const { exit, stderr } = await machine.ferrule(`up ${CARD} --name fe1`);
    assert.equal(exit, 1);
    assert.match(stderr, /has it open|in use/);
    const taken = await machine.ferrule(`unbind ${CARD}`);
    assert.equal(taken.exit, 1);
    assert.equal(await machine.driverOf(CARD), "vfio-pci");
  });

  test("is released by `down`, which removes the interface", async () => {
    await machine.mustRun(`down ${INTERFACE}`);
    assert.notEqual((await machine.guest.run(`ip link show ${INTERFACE}`)).exit, 0);
    assert.match(await machine.output(INTERFACE), /"event":"down"/);
  });

  test("works again after SIGKILL in the middle of traffic", async () => {
    await bound();
    const first = await machine.up(CARD, INTERFACE);
    await machine.lease(INTERFACE);
    {
      await using _traffic = await machine.flood(INTERFACE);
      await machine.guest.mustRun(`kill -9 ${first.pid}`);
      await machine.ended(first);
    }
    // The kernel removes the interface when its last descriptor is closed.
    await machine.guest.mustRun(`while ip link show ${INTERFACE} >/dev/null 2>&1; do sleep 0.05; done`);
    await machine.up(CARD, INTERFACE);
    await machine.works(INTERFACE);
    await machine.mustRun(`down ${INTERFACE}`);
  });

  test("works after another driver has left the card running, with rings that no longer exist", async () => {
    await bound();
    // The state in which another driver left the card: bus mastering is enabled, and registers are written as Linux's
    // driver does, for C+ mode, rings, promiscuous mode and all interrupts.
    const left = [
      [0xe0, 2, 0x0003],
      [0x37, 1, 0x0c],
      [0x44, 4, 0x0000_e70f],
      [0xe4, 4, 0x0bad_0000],
      [0x20, 4, 0x0bad_1000],
      [0x3c, 2, 0xffff],
    ];
    const poke = `const fs = require("fs"), file = fs.openSync("/sys/bus/pci/devices/${CARD}/resource0", "r+");
      for (const [at, bytes, value] of ${JSON.stringify(left)}) {
        const data = Buffer.alloc(bytes); data.writeUIntLE(value, 0, bytes); fs.writeSync(file, data, 0, bytes, at);
      }
      const command = Buffer.alloc(1); fs.readSync(file, command, 0, 1, 0x37); console.log(command[0] & 0x0c);`;
    const output = await machine.guest.mustRun(`setpci -s ${CARD} COMMAND=0007; node -e '${poke}'`);
    assert.equal(output.trim(), "12", "receiver and transmitter must run");
    await machine.guest.clearDmesg();
    await machine.up(CARD, INTERFACE);
    await machine.works(INTERFACE);
    await machine.mustRun(`down ${INTERFACE}`);
    const log = (await machine.guest.dmesg()).join("\n");
    assert.doesNotMatch(log, /DMAR:.*fault/, log);
  });

  test("works for an ordinary user after an administrator's preparation", async () => {
    await bound();
    const group = (await machine.guest.mustRun(`basename $(readlink /sys/bus/pci/devices/${CARD}/iommu_group)`)).trim();
    await machine.guest.mustRun(
      `chown ${USER.name} /dev/vfio/${group}; chmod 0666 /dev/net/tun; ip tuntap add dev ${INTERFACE} mode tap user ${USER.name} vnet_hdr`,
    );
    const { exit, stderr } = await machine.guest.run(`as-user 64 ferrule up ${CARD} --name ${INTERFACE}`);
    assert.equal(exit, 1);
    assert.match(stderr, /lock(ed)? memory|memlock|ulimit -l/i);
    const up = await machine.up(CARD, INTERFACE, "as-user 65536");
    assert.match(await machine.guest.mustRun(`cat /proc/${up.pid}/status`), new RegExp(`^Uid:\\s+${USER.id}\\b`, "m"));
    await machine.guest.mustRun(`ip link set ${INTERFACE} up`);
    await machine.works(INTERFACE);
    await machine.guest.mustRun(`kill ${up.pid}`);
    await machine.ended(up);
    await machine.guest.mustRun(`ip tuntap del dev ${INTERFACE} mode tap; chown root /dev/vfio/${group}`);
  });

  test("cannot access other memory: the IOMMU blocks it, the kernel logs it, nothing is sent", async () => {
    await bound();
    await machine.guest.mustRun("echo 2 >/proc/sys/vm/nr_hugepages");
    await machine.guest.clearDmesg();
    const script = "/usr/lib/node_modules/ferrule/dist/stray.mjs";
    const output = await machine.guest.mustRun(`node --disable-warning=ExperimentalWarning ${script} ${CARD} ${MARK}`);
    const { strayAt } = JSON.parse(output) as { strayAt: number };
    const log = (await machine.guest.dmesg()).join("\n");
    const page = (strayAt / 4096).toString(16);
    assert.match(log, new RegExp(`DMAR: \\[DMA Read[^]*fault addr 0x${page}000`, "i"), log);
    const wire = readFileSync(join(folder, "wire.pcap"), "latin1");
    assert.ok(wire.includes(`given ${MARK}`), "not even the frame in the card's own memory was sent");
    assert.ok(!wire.includes(`stray ${MARK}`), "memory of another program was sent");
    await machine.guest.mustRun("echo 0 >/proc/sys/vm/nr_hugepages");
  });

  test("is described in a report without addresses or payload", async () => {
    await bound();
    const report = await machine.mustRun(`report ${CARD}`);
    const mac = (await machine.guest.run("cat /sys/class/net/*/address")).stdout;
    assert.match(report, /8139/);
    for (const address of mac.trim().split("\n"))
      assert.ok(!report.includes(address) || address === "00:00:00:00:00:00");
    assert.ok(!report.includes("52:54:00"), "the report contains QEMU's station address");
  });

  test("returns to its former driver, which works as before", async () => {
    await machine.mustRun(`unbind ${CARD}`);
    assert.equal(await machine.driverOf(CARD), "8139cp");
    await machine.works(await machine.interfaceOf(CARD));
    assert.deepEqual(
      (await machine.guest.dmesg(4)).filter((line) => !/DMAR|dmar/.test(line)),
      [],
      "the kernel complains",
    );
  });

  test("is compared with the C driver on the same device in one run", async (t) => {
    const rounds = [];
    for (let round = 0; round < 2; round++) {
      if ((await machine.driverOf(CARD)) !== "8139cp") await machine.mustRun(`unbind ${CARD}`);
      const theirs = await machine.pace(await machine.interfaceOf(CARD));
      await machine.mustRun(`bind ${CARD}`);
      await machine.up(CARD, INTERFACE);
      const ours = await machine.pace(INTERFACE);
      await machine.mustRun(`down ${INTERFACE}`);
      rounds.push({ ping: ours.pingMillis / theirs.pingMillis, speed: theirs.megabits / ours.megabits });
      t.diagnostic(
        `8139cp ${theirs.pingMillis.toFixed(2)} ms, ${theirs.megabits.toFixed(0)} Mbit/s; ` +
          `Ferrule ${ours.pingMillis.toFixed(2)} ms, ${ours.megabits.toFixed(0)} Mbit/s`,
      );
    }
    const ratio = median(rounds.map(({ ping }) => ping));
    t.diagnostic(
      `ping ${ratio.toFixed(2)} times 8139cp's; throughput, its / ours: ${median(rounds.map(({ speed }) => speed)).toFixed(2)}`,
    );
    // Other load on this machine affects the measurement, so the test asserts nothing about its value.
    assert.ok(Number.isFinite(ratio));
  });

  test("survives a reboot with the driver running: the kernel's driver can use it", async () => {
    await bound();
    await machine.up(CARD, INTERFACE);
    await machine.guest.reboot();
    await machine.prepare();
    assert.equal(await machine.driverOf(CARD), "8139cp");
    await machine.works(await machine.interfaceOf(CARD));
  });
});
