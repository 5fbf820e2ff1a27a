/** Asks a NIC's link partner for its MAC address by ARP, and prints the answer: node ask.ts [SOCKET] */
import { RealClock } from "ferrule/clock";
import { bind } from "ferrule/device";
import { rtl8169 } from "ferrule/driver";
import { FRAME_LENGTH, FRAME_OFFSET } from "ferrule/link";
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
link.supply(0, 1); // entry 0 gets a buffer
const at = link.burst[FRAME_OFFSET];
nic.memory.bytes.fill(0, at, at + 60);
nic.memory.bytes.set(Buffer.from(question, "hex"), at);
link.burst[FRAME_LENGTH] = 60; // the shortest frame, without FCS
link.transmit(0, 1);

while (link.receive(0, 1) === 0) if (Date.now() > end) throw new Error("no answer");
const from = link.burst[FRAME_OFFSET];
const answer = Buffer.from(nic.memory.bytes.subarray(from, from + 42));
console.log(`${answer.subarray(28, 32).join(".")} is at ${answer.toString("hex", 6, 12)}`);
