/** The driver side without its thread: operations, rejected settings, and events, whose rate is limited. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MCU, Mcu } from "#chip/registers.ts";
import { ALL_MULTICAST } from "#driver/receive-filter.ts";
import { Poller } from "#sys/poll.ts";
import { Bench, skip } from "./driver-side.test-kit.ts";
const second = 1_000_000;

test("an operation is executed between rounds, and its result is returned", { skip }, () => {
  using bench = new Bench();
  bench.driver.handleCommand({ command: "operate", id: 7, operation: "driver", argument: {}, limitMillis: 1000 });
  assert.equal(bench.driver.operations.pending, true);
  bench.driver.operations.run();
  assert.deepEqual(bench.reports.at(-1), {
    report: "answer",
    id: 7,
    value: { firmware: "", bus: "model:rtl8168h", eeprom: false },
  });
});

test("an MTU that the chip does not support causes no reset, and is rejected once", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.resets = 0;
  const before = bench.reports.length;
  for (let i = 0; i < 20; i++) bench.follow(9500);
  assert.equal(bench.resets, 0);
  const refusals = bench.reports.slice(before).map((report) => report.report === "mtuRefused" && report.error.message);
  assert.deepEqual(refusals, ["an MTU of 9500 bytes is outside the range of this chip"]);
  assert.deepEqual(bench.reports.at(-1), { ...bench.reports.at(-1), mtu: 1500 });
});

test("a FIFO that never drains is reported once and counted, and the NIC comes up", { skip }, () => {
  using bench = new Bench((read) => (region, offset, width) => {
    const value = read(region, offset, width);
    return region === 2 && offset === MCU ? value & ~(Mcu.transmitEmpty | Mcu.receiveEmpty) : value;
  });
  bench.run(100_000);
  bench.follow(9000);
  bench.run(100_000);
  assert.equal(bench.statistics.linkUp, 1);
  assert.ok(bench.statistics.overdueWaits > 2, `${bench.statistics.overdueWaits} waits`);
  assert.deepEqual(bench.warnings, ["timed out while waiting for the MAC's FIFOs to drain; the driver continues"]);
});

test("a card without a station address gets a random one, with a warning that says how to set one", { skip }, () => {
  const blank = { registers: new Uint8Array(6).fill(0xff), copies: false };
  using bench = new Bench(undefined, blank);
  bench.announce();
  assert.equal(bench.warnings.length, 1);
  assert.match(bench.warnings[0]!, /^the card has no MAC address; a random one is used: ..(:..){5}$/);
  const chosen = Uint8Array.of(2, 0, 0, 0, 0, 9);
  using other = new Bench(undefined, blank, chosen);
  other.announce();
  assert.deepEqual(other.warnings, []);
  const ready = other.reports.find((each) => each.report === "ready")!;
  assert.equal(ready.report === "ready" && ready.facts?.mac, "02:00:00:00:00:09");
});

test("a presence check loses no event and leaves interrupts enabled", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.driver.napi.interrupt();
  for (const up of [false, true]) {
    const before = bench.statistics.linkChanges;
    bench.model.setCarrier(up);
    // In this time the model's PHY completes its negotiation.
    bench.clock.delay(100_000);
    bench.driver.napi.checkPresence();
    bench.run(200_000);
    assert.equal(bench.statistics.linkUp, up ? 1 : 0);
    assert.ok(bench.statistics.linkChanges > before, up ? "it came up" : "it went down");
  }
});

test("a link that flaps a thousand times in five seconds is reported at a limited rate", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  const before = bench.reports.length;
  for (let i = 0; i < 1000; i++) {
    bench.model.setCarrier(i % 2 === 1);
    bench.run(5000);
  }
  bench.run(second);
  // There is at most one report in 100 ms.
  assert.ok(bench.reports.length - before <= 52, `${bench.reports.length - before} reports`);
  assert.ok(bench.statistics.linkChanges >= 1000, `${bench.statistics.linkChanges} changes counted`);
  assert.equal(bench.statistics.linkUp, 1);
});

test("an offline self-test passes whenever it is started, and the PHY is not restarted", { skip }, () => {
  using bench = new Bench();
  bench.run(300_000);
  for (let i = 0; i < 10; i++) {
    const answer = bench.operate("selfTest", { offline: true }, second);
    assert.deepEqual(answer?.value, { ...answer?.value, passed: true });
    bench.run(second + 100_000);
  }
  const { phyLosses, restarts, linkUp } = bench.statistics;
  assert.deepEqual({ phyLosses, restarts, linkUp }, { phyLosses: 0, restarts: 0, linkUp: 1 });
});

test("if one of two transmit queues is full, poll(2) reports only frames of the other", { skip }, () => {
  using bench = new Bench(undefined, undefined, undefined, undefined, { chip: "rtl8125b", queues: 2 });
  const { driver } = bench;
  bench.run(300_000);
  const poller = new Poller([...driver.hostFds]);
  assert.equal(driver.watchHost(poller, 0), false);
  bench.model.faults.arm("stuck-transmitter");
  bench.send(900, true);
  for (let i = 0; i < 10; i++) driver.pump();
  assert.equal(driver.watchHost(poller, 0), true);
  assert.equal(poller.wait(0), 0, "the waiting frames are those of the full queue");
});

test("frames in the TAP are sent once a restarted NIC has a link again, and none is lost", { skip }, () => {
  using bench = new Bench();
  const { cable, driver } = bench;
  for (const operations of [
    [["setRings", { rx: 512 }]],
    [
      ["suspend", {}],
      ["resume", {}],
    ],
  ] as const) {
    bench.run(second);
    cable.frames.length = 0;
    bench.send(50);
    for (const [operation, argument] of operations) {
      driver.handleCommand({ command: "operate", id: 0, operation, argument, limitMillis: 25_000 });
      driver.operations.run();
    }
    bench.run(1000);
    assert.equal(bench.statistics.linkUp, 0);
    assert.equal(driver.watchHost(new Poller([...driver.hostFds]), 0), false, "no ring is full");
    bench.run(second);
    assert.equal(cable.frames.length, 50, operations[0][0]);
    assert.equal(bench.statistics.sendDiscards, 0);
  }
});

test("the interface has no carrier if the link does not come back after new rings", { skip }, () => {
  using bench = new Bench();
  bench.run(300_000);
  const carriers = (): unknown[] =>
    bench.reports.flatMap((each) => (each.report === "event" && each.event.kind === "carrier" ? [each.event.up] : []));
  assert.deepEqual(carriers(), [true]);
  bench.operate("setRings", { rx: 512 }, 1000);
  // The cable is unplugged during autonegotiation.
  bench.model.setCarrier(false);
  bench.run(second);
  assert.deepEqual(carriers(), [true, false]);
});

test(
  "a NIC that is suspended during an offline self-test sleeps at once, and resumes with its settings",
  { skip },
  () => {
    using bench = new Bench();
    bench.run(300_000);
    assert.equal(bench.operate("selfTest", { offline: true }, 8000), undefined);
    const asleep = bench.operate("suspend", {}, 2000);
    assert.deepEqual(asleep?.value, { ...asleep?.value, asleep: true });
    const ended = bench.reports.flatMap((each) => (each.report === "answer" && each.error ? [each.error.code] : []));
    assert.deepEqual(ended, ["OPERATION_ENDED"]);
    bench.operate("resume", {}, second);
    assert.equal(bench.statistics.linkUp, 1);
    assert.equal(bench.statistics.phyLosses, 0);
  },
);

test("changes of rings, address and offloads are each reported once", { skip }, () => {
  using bench = new Bench();
  bench.announce();
  bench.run(300_000);
  const news = (): unknown[] => bench.reports.flatMap((each) => (each.report === "facts" ? [each.facts] : []));
  assert.deepEqual(news(), []);
  const ready = bench.reports.find((each) => each.report === "ready");
  const before = ready?.report === "ready" ? ready.facts : undefined;
  assert.equal(before?.ringSlots, 256);
  bench.operate("setRings", { rx: 1024 }, 100_000);
  const rings = { ...before, ringSlots: 1024 };
  assert.deepEqual(news(), [rings]);
  const address = Uint8Array.of(2, 0, 0x5e, 0, 0, 9);
  bench.driver.handleCommand({ command: "follow", mtu: 1500, address, filter: ALL_MULTICAST });
  bench.run(100_000);
  const moved = { ...rings, mac: "02:00:5e:00:00:09" };
  assert.deepEqual(news(), [rings, moved]);
  const off = { "tx-checksum-ipv4": false, "tx-checksum-ipv6": false, "rx-vlan-hw-parse": false };
  bench.operate("setFeatures", off, 100_000);
  bench.run(100_000);
  assert.deepEqual(news().slice(2), [{ ...moved, offloads: ["rx-checksum", "vlan-insert", "scatter"] }]);
});
