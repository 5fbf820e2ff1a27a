/** Asks a NIC's link partner for its MAC address by ARP, and prints the answer: node ask.ts [SOCKET] */
import { RealClock } from "ferrule/clock";
import { bind } from "ferrule/device";
import { rtl8169 } from "ferrule/driver";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "ferrule/link";
import { VfioUserDevice } from "ferrule/vfio-user";

using device = VfioUserDevice.connect({ path: process.argv[2] ?? "nic.sock" });
using bound = bind(rtl8169, device, { clock: new RealClock(), mtu: 1500, weaklyOrdered: process.arch !== "x64" });
const nic = bound.driver;
const link = nic.up();
const end = Date.now() + 60_000;
while (!nic.link.up && Date.now() < end) {
  if (nic.line.take()) nic.interrupt();
  nic.unmask();
}

// Who has 10.70.0.2? Tell 10.70.0.1.
const us = Buffer.from(nic.address).toString("hex");
const question = `ffffffffffff${us}0806 0001080006040001 ${us}0a460001 0000000000000a460002`.replaceAll(" ", "");
using memory = device.dma.allocate({ what: "a frame", bytes: 64, align: 64, direction: "toDevice" });
nic.memory.bytes.fill(0, memory.offset, memory.offset + 60);
nic.memory.bytes.set(Buffer.from(question, "hex"), memory.offset);
const burst = new Int32Array(FRAME_WORDS);
burst[FRAME_OFFSET] = memory.offset;
burst[FRAME_LENGTH] = 60; // the shortest frame, without FCS
link.transmit(burst, 1);

while (link.receive(burst, 1) === 0) if (Date.now() > end) throw new Error("no answer");
const at = burst[FRAME_OFFSET];
const answer = Buffer.from(nic.memory.bytes.subarray(at, at + 42));
console.log(`${answer.subarray(28, 32).join(".")} is at ${answer.toString("hex", 6, 12)}`);
link.release(burst, 1);
