/** Prints the frames that a NIC receives, for any destination address: node receive.ts [DEVICE [COUNT]] */
import { RealClock } from "ferrule/clock";
import { bind } from "ferrule/device";
import { rtl8169 } from "ferrule/driver";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "ferrule/link";
import { VfioDevice } from "ferrule/vfio";
import { VfioUserDevice } from "ferrule/vfio-user";

// The PCI address of a card after `ferrule bind`, or the socket of `ferrule model serve`.
const [name = "nic.sock", count = "Infinity"] = process.argv.slice(2);
const isCard = /^[0-9a-f]{4}:[0-9a-f]{2}:/.test(name);
using device = isCard ? VfioDevice.open({ address: name }) : VfioUserDevice.connect({ path: name });
using bound = bind(rtl8169, device, { clock: new RealClock(), mtu: 1500, weaklyOrdered: process.arch !== "x64" });
const nic = bound.driver;
nic.filter = { promiscuous: true, groups: "all" };
const link = nic.up();

for (let left = Number(count); left > 0;) {
  // `interrupt` reads the cause and masks further interrupts; `unmask` allows them again.
  if (nic.line.take()) nic.interrupt();
  // Up to 32 frames, in entries 0 to 31. Their buffers are ours until those entries receive again.
  const received = link.receive(0, Math.min(left, 32));
  for (let i = 0; i < received; i++) {
    const at = link.burst[i * FRAME_WORDS + FRAME_OFFSET];
    const length = link.burst[i * FRAME_WORDS + FRAME_LENGTH];
    const frame = Buffer.from(nic.memory.bytes.subarray(at, at + length));
    const [to, from, type] = [frame.toString("hex", 0, 6), frame.toString("hex", 6, 12), frame.toString("hex", 12, 14)];
    console.log(`${from} > ${to}, type 0x${type}, ${length} bytes`);
  }
  left -= received;
  nic.line.unmask();
  nic.unmask();
}
