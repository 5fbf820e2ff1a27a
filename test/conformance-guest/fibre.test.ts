/** The RTL8127ATF, whose cable is an SFP module's: Linux's driver starts the SerDes and has a link without negotiation. */
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

  test("has a link at 10 Gbit/s through the module, which nothing was negotiated for", async () => {
    const { rig } = bench();
    const text = await rig.guest.must(`ethtool ${NEAR.name}`);
    assert.match(text, /Speed: 10000Mb\/s/);
    assert.match(text, /Duplex: Full/);
    assert.match(text, /Auto-negotiation: off/);
    assert.match(text, /Supported link modes:\s+10000base\S+\/Full\n/);
    assert.equal((await rig.nic.state()).link.speed, 10_000);
    await works();
  });

  test("loses the link with the fibre, and finds it again", async () => {
    const { rig } = bench();
    await rig.nic.ask({ command: "link", up: false });
    await rig.carrier(false);
    await rig.nic.ask({ command: "link", up: true });
    await works();
  });

  test("has none to a partner of another speed", async () => {
    const { rig } = bench();
    await rig.nic.ask({ command: "partner", abilities: { speeds: [1000] } });
    await rig.carrier(false);
    assert.equal((await rig.nic.state()).link.up, false);
    await rig.nic.ask({ command: "partner", abilities: {} });
    await works();
  });

  test("comes back after the interface was down", async () => {
    const { rig } = bench();
    await rig.guest.must(`ip link set ${NEAR.name} down; sleep 0.5; ip link set ${NEAR.name} up`);
    await works();
  });
});
