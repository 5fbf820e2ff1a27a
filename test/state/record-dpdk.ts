/**
 * Records the state in which DPDK's net_r8169 leaves every chip that it supports, once it has started the chip:
 * `node test/state/record-dpdk.ts`.
 */
import { CHIPS, type Chip } from "#chip/chips.ts";
import { ManyNics } from "../conformance-guest/many-nics.ts";
import { HUGE_PAGES, Testpmd } from "../conformance-guest/testpmd.ts";
import { dpdkArchive } from "../guest/dpdk.ts";
import { Guest } from "../guest/guest.ts";
import { versionsOf } from "../guest/parts.ts";
import { untilIdle } from "./until-idle.ts";
import { writeRecording } from "./record-file.ts";
import { MAC, snapshot } from "./snapshot.ts";

/** The DPDK in Debian's release. It supports the RTL8125A, B, BP and D, and the RTL8126A. */
const DPDK = "24.11";
const KNOWN = [0x609, 0x641, 0x649, 0x64a, 0x681, 0x688, 0x689];
const MTU = 1500;

const chips = (CHIPS as readonly Chip[]).filter(({ xid }) => KNOWN.includes(xid));
using nics = new ManyNics(chips, undefined, MAC);
await using guest = await Guest.boot({
  smp: 2,
  megabytes: 1024,
  devices: nics.devices,
  archives: [dpdkArchive(DPDK)],
  append: [HUGE_PAGES],
});
const pmd = await Testpmd.start(guest, "--rxd=64", "--txd=64", "--total-num-mbufs=4096", "--disable-link-check");
const summary = await pmd.ask("show port summary all");
console.error(summary);
await untilIdle(nics.nics.map(({ nic }) => nic));
const driver = `DPDK ${versionsOf(`dpdk-${DPDK}`)["librte-meta-net"]}, net_r8169`;
for (const { chip, nic } of nics.nics.filter(({ place }) => summary.includes(place)))
  writeRecording("dpdk", chip, {
    driver,
    command: "node test/state/record-dpdk.ts",
    mtu: MTU,
    moments: new Map([["up", snapshot(nic)]]),
  });
for (const complaint of nics.complaints) console.error(complaint);
await pmd.quit();
