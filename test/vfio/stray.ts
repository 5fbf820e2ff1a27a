/**
 * A program for the guest that sends two frames with raw descriptors, without the driver. The first frame is in memory
 * that is mapped for the card. The second is in a page of this program that is not mapped for the card; the descriptor
 * has its physical address.
 */
import { VfioDevice } from "#bus/vfio/device.ts";
import { rw16, rw32, rw8, wo8 } from "#kit/mmio.ts";
import { HugePages } from "#sys/huge-pages.ts";

const [, , address, mark] = process.argv as [string, string, string, string];
/** Registers of the RTL8139C+'s datasheet: command, transmit configuration, C+ command, ring base, doorbell. */
const ChipCmd = rw8(0x37);
const TxConfig = rw32(0x40);
const CPlusCmd = rw16(0xe0);
const RingLow = rw32(0x20);
const RingHigh = rw32(0x24);
const Doorbell = wo8(0xd9);
const OWN = 0x8000_0000;
const END_OF_RING = 0x4000_0000;
const FIRST_AND_LAST = 0x3000_0000;
const FRAME_BYTES = 64;
const LIMIT_MILLIS = 60_000;

const frame = (text: string): Uint8Array => {
  const bytes = new Uint8Array(FRAME_BYTES).fill(0xff, 0, 6);
  bytes.set(new TextEncoder().encode(text), 14);
  return bytes;
};

using device = VfioDevice.open({ address });
const { registers, dma } = device;
using ring = dma.allocate({ what: "ring", bytes: 256, align: 256, direction: "both" });
using given = dma.allocate({ what: "frame", bytes: FRAME_BYTES, align: 64, direction: "toDevice" });
using pages = HugePages.allocate(1);
using page = pages.gather([0], "a page of another program");

const { bytes, words } = dma.window;
bytes.set(frame(`given ${mark}`), given.offset);
new Uint8Array(page.buffer).set(frame(`stray ${mark}`));

const describe = (slot: number, at: number): void => {
  const word = (ring.offset >> 2) + 4 * slot;
  words[word + 1] = 0;
  words[word + 2] = at | 0;
  words[word + 3] = Math.floor(at / 2 ** 32);
  words[word] = OWN | FIRST_AND_LAST | (slot === 1 ? END_OF_RING : 0) | FRAME_BYTES;
};

registers.write8(ChipCmd, 0x10);
for (const end = Date.now() + LIMIT_MILLIS; (registers.read8(ChipCmd) & 0x10) !== 0 && Date.now() < end;);
registers.write16(CPlusCmd, 0x0003);
registers.write32(RingLow, ring.iova);
registers.write32(RingHigh, 0);
device.setBusMaster(true);
registers.write8(ChipCmd, 0x04);
registers.write32(TxConfig, 0x0300_0700);
describe(0, given.iova);
describe(1, pages.addresses[0]!);
registers.write8(Doorbell, 0x40);
const pending = (slot: number): boolean => Atomics.load(words, (ring.offset >> 2) + 4 * slot) < 0;
for (const end = Date.now() + LIMIT_MILLIS; (pending(0) || pending(1)) && Date.now() < end;);
console.log(JSON.stringify({ sent: [!pending(0), !pending(1)], strayAt: pages.addresses[0] }));
