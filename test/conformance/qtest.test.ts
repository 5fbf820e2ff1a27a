/** Our driver on QEMU's RTL8139C+: detects errors that our driver and our model have in common. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { fileURLToPath } from "node:url";
import { QtestDevice } from "#bus/qtest/device.ts";
import { chipNamed, xidOf } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { FerruleError } from "#kit/errors.ts";
import { rw32 } from "#kit/mmio.ts";
import { buildArp, ARP_BYTES, ArpOperation, parseArp } from "#wire/arp.ts";
import { buildEthernet, ETHERNET_BYTES, EtherType } from "#wire/ethernet.ts";
import { buildEchoFrame } from "#wire/frames.ts";
import { IcmpType, parseEcho } from "#wire/icmp.ts";
import { memoryOf } from "#wire/memory.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { ends, HERE, payload, udp } from "../rigs/frames.ts";
import { HIGH_MEMORY, noQtest, QtestMachine } from "../rigs/qtest-machine.ts";
import { OWN_MODEL, qtestModel } from "../rigs/named-model.ts";
import { openQtestRig, type QtestRig } from "../rigs/qtest.ts";
import { vanishing } from "../rigs/vanishing.ts";
import { cannot } from "./cannot.ts";
import { conformance } from "./conformance.ts";

/** QEMU's RTL8139C+, or the device named by the environment. */
const model = qtestModel();
const { chip } = model;
const absent = noQtest(model);
/** Why tests that apply only to QEMU's own device are skipped, or false. */
const notOwn = absent === false && model.foreign ? `the device is ${model.device}` : absent;
const NO_SUMS = "QEMU's RTL8139C+ verifies no checksums, and reports an unknown protocol for every frame";

/** Differences between QEMU's device and real chips. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  "short frames are padded with zeros to Ethernet's minimum": "QEMU's RTL8139C+ does not pad; real chips do",
  "of the segments of a super-frame with PSH, only the last has PSH":
    "QEMU's RTL8139C+ clears the flag for the first segment, and does not restore it for the last",
  "reports whether the TCP checksum over IPv4 is correct": NO_SUMS,
  "reports whether the UDP checksum over IPv4 is correct": NO_SUMS,
  "reports whether the TCP checksum over IPv6 is correct": NO_SUMS,
  "reports whether the UDP checksum over IPv6 is correct": NO_SUMS,
};

conformance({
  open: (options) => openQtestRig({ ...options, model }),
  chip: chip.key,
  xid: xidOf(chip),
  speed: chip.speed,
  absent,
  cannot: { ...cannot(chip), ...(model.foreign ? {} : DIFFERENCES) },
});

const BROADCAST = new Uint8Array(6).fill(0xff);
/** Addresses in QEMU's user network: ours, and the gateway's. */
const GUEST = 0x0a00_020f;
const GATEWAY = 0x0a00_0202;

const whoHas = (): Uint8Array => {
  const frame = new Uint8Array(ETHERNET_BYTES + ARP_BYTES);
  const at = buildEthernet(frame, 0, { destination: BROADCAST, source: HERE, type: EtherType.arp });
  const question = { senderMac: HERE, senderIp: GUEST, targetMac: new Uint8Array(6), targetIp: GATEWAY };
  buildArp(frame, at, { operation: ArpOperation.request, ...question });
  return frame;
};

/** Sends a frame and waits for the reply. Polls only after an interrupt. */
const ask = (rig: QtestRig, frame: Uint8Array): Uint8Array => {
  rig.send(frame);
  for (let polls = 0; polls < 10; polls++) {
    assert.ok(rig.device.wait(LIMIT_MILLIS), "no interrupt came");
    const [answer] = rig.poll();
    if (answer !== undefined) return answer;
  }
  return assert.fail("interrupts came, but no frame");
};

describe("on QEMU's user network", { skip: absent }, () => {
  for (const memory of ["high", "low"] as const)
    test(`a thousand pings, each with an interrupt, DMA memory ${memory === "high" ? "above" : "below"} 4 GiB`, () => {
      using rig = openQtestRig({ model, cable: "user network", memory });
      rig.up();
      assert.equal(rig.dma.iova >= 2 ** 32, memory === "high");
      const gateway = parseArp(ask(rig, whoHas()), ETHERNET_BYTES, ETHERNET_BYTES + ARP_BYTES)!.senderMac;
      const bytes = new Uint8Array(256);
      for (let sequence = 0; sequence < 1000; sequence++) {
        const path = { source: HERE, destination: gateway, from: GUEST, to: GATEWAY };
        const echo = { type: IcmpType.echoRequest, identifier: 7, sequence };
        const length = buildEchoFrame(memoryOf(bytes), 0, path, echo, payload(100, sequence));
        const answer = ask(rig, bytes.slice(0, length));
        assert.deepEqual(parseEcho(answer, 34, answer.length), { ...echo, type: IcmpType.echoReply });
        assert.deepEqual(answer.slice(42), payload(100, sequence));
      }
      assert.ok(rig.device.interrupts.raised >= 1000);
      assert.equal(rig.nic.rings.receive.counters()[3], 0, "the NIC must write no invalid descriptors");
    });
});

describe("properties of an RTL8139C+", { skip: notOwn }, () => {
  test("has 64 descriptors per ring, and no more", () => {
    using rig = openQtestRig();
    assert.equal(rig.nic.slots, 64);
    assert.throws(() => openQtestRig({ slots: 128 }), {
      code: "BAD_RING_SIZE",
      hint: "Use a power of two from 2 to 64.",
    });
  });

  test("keeps a changed address, although a reset loads the factory's", () => {
    using rig = openQtestRig();
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 9);
    rig.nic.address = mac;
    rig.up();
    rig.nic.setMtu(1000);
    assert.deepEqual(rig.nic.address, mac);
  });

  test("rejects checksum offload over IPv6, which would send wrong checksums", () => {
    using rig = openQtestRig();
    rig.up();
    const frame = udp(ends({ v6: true }), payload(10));
    assert.throws(() => rig.send(frame, (1 << 22) | (1 << 23) | (54 << 11)), { code: "OUT_OF_RANGE" });
    assert.equal(rig.sent.length, 0);
    const { checksum, segmentation, ipv6 } = rig.nic.offloads;
    assert.deepEqual([checksum, segmentation, ipv6], [true, true, false]);
  });

  test("a card that is removed at any access causes a clear error and no leak, and works when it is back", () => {
    using machine = new QtestMachine({ cable: "nowhere", mac: "02:00:00:00:00:01" });
    const memory = { file: machine.ram.number, ...HIGH_MEMORY };
    using device = new QtestDevice({ socket: machine.qtest, ids: rtl8169.ids, memory });
    /**
     * Brings the NIC up on a device that disappears after `accesses` accesses. The clock is virtual, so that the
     * driver's waits for the missing device take no real time.
     */
    const attempt = (accesses: number): { used: number; error: unknown; waited: number } => {
      const clock = new VirtualClock();
      const card = vanishing(device, 256, accesses);
      let error: unknown;
      try {
        using bound = bind(rtl8169, card.device, { clock, mtu: 1500, weaklyOrdered: false });
        bound.driver.up();
        bound.driver.interrupt();
        bound.driver.setMtu(1000);
        bound.driver.tally();
      } catch (caught) {
        error = caught;
      }
      return { used: card.used(), error, waited: clock.now() };
    };
    const { used, error: none } = attempt(Number.MAX_SAFE_INTEGER);
    assert.equal(none, undefined);
    let noticed = 0;
    for (let accesses = 0; accesses < used; accesses++) {
      const { error, waited } = attempt(accesses);
      assert.equal(device.dma.live, 0, `DMA memory is not freed after a removal at access ${accesses}`);
      assert.ok(waited < 20e6, `the driver waited ${waited} µs for a card that was removed at access ${accesses}`);
      if (error === undefined) continue;
      noticed++;
      assert.ok(error instanceof FerruleError, `a removal at access ${accesses} causes ${inspect(error)}`);
    }
    assert.ok(noticed > used / 2, `only ${noticed} of ${used} removals were detected`);
    assert.equal(attempt(Number.MAX_SAFE_INTEGER).error, undefined);
  });

  test("rejects a window that is too small before any other access", () => {
    using rig = openQtestRig();
    const card = vanishing(rig.device, 128, Number.MAX_SAFE_INTEGER);
    const options = { clock: new VirtualClock(), mtu: 1500, weaklyOrdered: false };
    assert.throws(() => bind(rtl8169, card.device, options), {
      code: "OUT_OF_WINDOW",
      message: "registers: 256 bytes at 0x0 are outside the window of 0x80 bytes",
    });
    assert.equal(card.used(), 2, "only the identification must be read, twice");
  });

  test("the median and the longest time of 21 bring-ups are reported", (t) => {
    using rig = openQtestRig();
    const times = Array.from({ length: 21 }, () => {
      const start = performance.now();
      rig.nic.up();
      const took = performance.now() - start;
      rig.nic.down();
      return took;
    });
    t.diagnostic(
      `bring-up: median ${times.sort((a, b) => a - b)[10]!.toFixed(1)} ms, worst ${times[20]!.toFixed(1)} ms`,
    );
    assert.equal(rig.nic.link.up, false);
  });
});

describe("the bus", { skip: notOwn }, () => {
  test("the end of QEMU is handled as removal", () => {
    using rig = openQtestRig();
    rig.up();
    rig.machine.kill();
    assert.ok(rig.device.wait(LIMIT_MILLIS));
    assert.match(rig.device.gone ?? "", /^qtest: QEMU is gone: /);
    assert.equal(rig.registers.read32(rw32(0x40)), 0xffff_ffff);
    assert.throws(() => rig.nic.interrupt(), { code: "DEVICE_GONE" });
  });

  test("a QEMU that does not start is reported with its reason", () => {
    using machine = new QtestMachine({
      cable: "nowhere",
      mac: "02:00:00:00:00:01",
      more: ["-device", "no-such-thing"],
    });
    const memory = { file: machine.ram.number, ...HIGH_MEMORY };
    assert.throws(() => new QtestDevice({ socket: machine.qtest, ids: rtl8169.ids, memory }), { code: "QTEST_ENDED" });
    assert.match(machine.errors, /no-such-thing/);
  });

  test("a missing PCI function is reported with a list of those present", () => {
    using machine = new QtestMachine({ cable: "nowhere", mac: "02:00:00:00:00:01" });
    const memory = { file: machine.ram.number, ...HIGH_MEMORY };
    const ids = [{ vendor: 0x10ec, device: 0x8168 }];
    assert.throws(() => new QtestDevice({ socket: machine.qtest, ids, memory }), {
      code: "QTEST_NO_FUNCTION",
      message: /10ec:8139/,
    });
  });

  for (const [what, of, why] of [
    ["a device that QEMU does not have", { device: "no-such-thing" }, /QEMU is gone[^]*no-such-thing/],
    ["a BAR without registers", { bar: 3 }, /without registers in memory at BAR 3/],
    ["a device of another family", { device: "e1000e" }, /not on the bus: .*8086:10d3/],
    ["another chip's key", { chip: chipNamed("rtl8168h")! }, /is an RTL8139C\+ \(rtl8139cp\), not rtl8168h/],
  ] as const)
    test(`${what} gives a clear error`, () => {
      assert.throws(() => openQtestRig({ model: { ...OWN_MODEL, ...of } }), { message: why });
    });

  test("QEMU ends when this process ends, for whatever reason", async () => {
    const rig = fileURLToPath(new URL("../rigs/qtest-machine.ts", import.meta.url));
    const source = `const { QtestMachine } = await import(${JSON.stringify(rig)});
      const machine = new QtestMachine({ cable: "nowhere", mac: "02:00:00:00:00:01" });
      console.log(machine.pid);
      setInterval(() => machine, 1000);`;
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", source];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [chunk] = (await once(child.stdout, "data")) as [Buffer];
      const pid = Number(chunk.toString());
      assert.ok(existsSync(`/proc/${pid}`));
      child.kill("SIGKILL");
      await eventually("the end of QEMU", () => !existsSync(`/proc/${pid}`));
    } finally {
      child.kill("SIGKILL");
    }
  });
});
