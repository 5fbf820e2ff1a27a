/** How the driver identifies the chip, and the link at every speed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { xidOf } from "#chip/chips.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";
import { linked } from "./linked.ts";

const MAC = "02:00:5e:10:00:01";
/** Speeds in Mbit/s. */
const SPEEDS = [10, 100, 1000, 2500, 5000, 10_000] as const;
/** Whether a kernel logged this name. Kernels differ in upper and lower case. */
const sameName = (logged: string, name: string): boolean => logged.toLowerCase() === name.toLowerCase();

onEachChip("probe", { bare: true, mac: MAC }, (bench) => {
  test("is identified by name and XID, with its own MAC address", async () => {
    const { rig, cell } = bench();
    await rig.guest.mustRun("modprobe r8169");
    const log = await rig.guest.dmesg();
    const line = log.map((text) => /r8169 \S+ \S+: (\S.*), (\S+), XID ([0-9a-f]+), IRQ/.exec(text)).find(Boolean);
    assert.ok(line, log.join("\n"));
    const [, name, mac, xid] = line;
    assert.ok(sameName(name!, cell.chip.name), `${name} is not ${cell.chip.name}`);
    assert.equal(mac, MAC);
    assert.equal(Number.parseInt(xid!, 16), xidOf(cell.chip));
    assert.equal((await rig.guest.mustRun(`cat /sys/class/net/${NEAR.name}/address`)).trim(), MAC);
  });

  test("comes up, loads its firmware if it has one, and reports its properties", async (t) => {
    const { rig, cell } = bench();
    await rig.configure();
    const text = await rig.guest.mustRun(`ethtool -i ${NEAR.name}`);
    assert.match(text, /^driver: r8169$/m);
    assert.match(text, /^bus-info: 0000:00:\d\d\.0$/m);
    const firmware = /^firmware-version: (.*)$/m.exec(text)?.[1] ?? "";
    const { firmware: wanted } = cell.chip;
    // An image of the first format contains no version; the driver then reports the name of its file.
    if (wanted !== undefined)
      assert.match(firmware, new RegExp(wanted.replace(/^(rtl_nic\/)(.*)-\d+\.fw$/, "^($1)?$2")));
    if (firmware !== "") t.diagnostic(`firmware ${firmware}`);
  });

  for (const speed of SPEEDS)
    test(`links at ${speed} Mbit/s with a partner that has no higher speed`, async (t) => {
      const { rig, cell } = bench();
      if (speed > cell.chip.speed) return t.skip(`${cell.chip.name} has ${cell.chip.speed} Mbit/s at most`);
      await rig.nic.ask({ command: "partner", abilities: { speeds: [speed] } });
      const text = await rig.guest.mustRun(
        `until ethtool ${NEAR.name} | grep -q 'Speed: ${speed}Mb/s'; do sleep 0.1; done; ethtool ${NEAR.name}`,
      );
      assert.match(text, new RegExp(`Speed: ${speed}Mb/s`));
      assert.match(text, /Duplex: Full/);
      await answered(rig.guest, `-c 3 ${FAR.ipv4}`);
      assert.equal((await rig.nic.state()).link.speed, speed);
    });

  test("links at half duplex with a partner that does not negotiate", async () => {
    const { rig } = bench();
    await rig.nic.ask({ command: "partner", abilities: { speeds: [100], negotiates: false, duplex: "half" } });
    const text = await rig.guest.mustRun(
      `until ethtool ${NEAR.name} | grep -q 'Duplex: Half'; do sleep 0.1; done; ethtool ${NEAR.name}`,
    );
    assert.match(text, /Speed: 100Mb\/s/);
    assert.match(text, /Duplex: Half/);
    await rig.nic.ask({ command: "partner", abilities: {} });
    await rig.guest.mustRun(`until ethtool ${NEAR.name} | grep -q 'Duplex: Full'; do sleep 0.1; done`);
  });

  test("the guest selects the speed", async (t) => {
    const { rig, cell } = bench();
    for (const speed of SPEEDS) {
      if (speed > cell.chip.speed) continue;
      await rig.guest.mustRun(`ethtool -s ${NEAR.name} speed ${speed} duplex full autoneg on`);
      await linked(rig.guest, speed);
      await answered(rig.guest, `-c 3 ${FAR.ipv4}`);
    }
    t.diagnostic(`up to ${cell.chip.speed} Mbit/s`);
  });
});
