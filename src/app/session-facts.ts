/** What a session tells of its NIC that does not change while it lives. */
import type { Nic } from "#driver/rtl8169.ts";
import { formatMac } from "#wire/mac.ts";
import type { SessionFacts } from "./session.ts";

export const sessionFacts = (nic: Nic, device: string, interfaceName: string): SessionFacts => ({
  device,
  chip: nic.chip.name,
  xid: nic.xid,
  mac: formatMac(nic.address),
  interfaceName,
  ringSlots: nic.slots,
  offloads: [
    "rx-checksum",
    ...(nic.offloads ? ["tx-checksum", "tso4"] : []),
    ...(nic.offloadsIpv6 ? ["tso6"] : []),
    "vlan-insert",
    "vlan-strip",
    "scatter",
  ],
});
