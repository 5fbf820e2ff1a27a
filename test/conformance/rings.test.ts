/** Tests ring sizes: the limits of each chip, and changes of the size under traffic. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { CHIPS, chipNamed } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { openDirectRig } from "../rigs/direct.ts";

const arriving = (i: number): Uint8Array => udp(ends({ inbound: true }), payload(100, i));

/** One chip for each limit of the ring size. */
const DRIVEN = [...new Map(CHIPS.map((chip) => [chip.profile.frames.ringLimit, chip])).values()];

for (const chip of DRIVEN)
  test(`${chip.key}: rings from 64 descriptors to the chip's limit hold as many frames, and can be changed while up`, () => {
    const { ringLimit } = chip.profile.frames;
    using rig = openDirectRig({ chip: chip.key });
    rig.up();
    for (const slots of [64, ringLimit]) {
      rig.nic.setRings(slots);
      assert.equal(rig.nic.slots, slots);
      rig.pass(100_000);
      rig.poll();
      rig.sent.length = 0;
      assert.equal(rig.nic.rings.receive.armed(), slots);
      const frames = Array.from({ length: slots }, (_, i) => arriving(i));
      for (const frame of frames) assert.equal(rig.deliver(frame), true);
      assert.equal(rig.deliver(arriving(0)), false, "a full ring must accept no frame");
      assert.deepEqual(rig.poll(), frames);
      // Sends three more frames than the ring has slots, so that the ring wraps around.
      for (let i = 0; i < slots + 3; i++) {
        rig.send(udp(ends(), payload(20, i)));
        rig.poll();
      }
      assert.equal(rig.sent.length, slots + 3);
    }
  });

test("a ring size that the chip does not support is rejected, and the rings stay as they are", () => {
  using rig = openDirectRig();
  rig.up();
  for (const slots of [0, 1, 32, 100, 8192, 256.5, -64, Number.NaN, Infinity])
    assert.throws(() => rig.nic.setRings(slots), {
      code: "BAD_RING_SIZE",
      hint: "Use a power of two from 64 to 4096.",
    });
  assert.equal(rig.nic.slots, 256);
  rig.deliver(arriving(1));
  assert.deepEqual(rig.poll(), [arriving(1)]);
});

test("a ring size set while the NIC is down takes effect at the next start", () => {
  using rig = openDirectRig();
  rig.nic.setRings(64);
  rig.up();
  assert.equal(rig.nic.rings.receive.armed(), 64);
});

test("rings or an MTU for which there is no DMA memory are rejected, and the NIC keeps its old ones", () => {
  const clock = new VirtualClock();
  const chip = chipNamed("rtl8168h")!;
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  using device = new DirectDevice(model, { name: "model", registers: 2, dmaBytes: 4 << 20, vectors: 1 });
  using bound = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, slots: 64 });
  const nic = bound.driver;
  nic.up();
  const before = device.dma.live;
  const unchanged = (): void => {
    assert.deepEqual([nic.slots, nic.mtu, nic.running, nic.rings.receive.armed()], [64, 1500, true, 64]);
    assert.equal(device.dma.live, before);
  };
  assert.throws(() => nic.setRings(4096), { code: "DMA_EXHAUSTED" });
  unchanged();
  using _taken = device.dma.allocate({ what: "other", bytes: 3 << 20, align: 4096, direction: "toDevice" });
  const both = device.dma.live;
  assert.throws(() => nic.setMtu(9000), { code: "DMA_EXHAUSTED" });
  assert.deepEqual([nic.mtu, nic.running, nic.rings.receive.armed(), device.dma.live], [1500, true, 64, both]);
});
