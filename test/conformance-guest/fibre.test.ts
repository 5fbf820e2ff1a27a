/**
 * The RTL8127ATF, whose cable is connected by an SFP module: Linux's driver starts the SerDes, and the link comes up
 * without autonegotiation.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FAR, NEAR } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";

onEachChip("fibre", { serve: ["--medium", "fibre"], only: ({ chip }) => chip.key === "rtl8127a" }, (bench) => {
  const works = async (): Promise<void> => {
    const { rig } = bench();
    await rig.carrier(true);
    await answered(rig.guest, `-c 20 ${FAR.ipv4}`);
  };

  test("links at 10 Gbit/s through the module, without autonegotiation", async () => {
    const { rig } = bench();
    const text = await rig.guest.mustRun(`ethtool ${NEAR.name}`);
    assert.match(text, /Speed: 10000Mb\/s/);
    assert.match(text, /Duplex: Full/);
    assert.match(text, /Auto-negotiation: off/);
    assert.match(text, /Supported link modes:\s+10000base\S+\/Full\n/);
    assert.equal((await rig.nic.state()).link.speed, 10_000);
    await works();
  });

  test("loses the link when the fibre is unplugged, and gets it again", async () => {
    const { rig } = bench();
    await rig.nic.ask({ command: "link", up: false });
    await rig.carrier(false);
    await rig.nic.ask({ command: "link", up: true });
    await works();
  });

  test("has no link with a partner of another speed", async () => {
    const { rig } = bench();
    await rig.nic.ask({ command: "partner", abilities: { speeds: [1000] } });
    await rig.carrier(false);
    assert.equal((await rig.nic.state()).link.up, false);
    await rig.nic.ask({ command: "partner", abilities: {} });
    await works();
  });

  test("links again after the interface was down", async () => {
    const { rig } = bench();
    await rig.guest.mustRun(`ip link set ${NEAR.name} down; sleep 0.5; ip link set ${NEAR.name} up`);
    await works();
  });
});
