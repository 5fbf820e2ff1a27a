/** The driver's thread without the thread: a NIC that fails is restarted within a budget, reported, and given up in the end. */
import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { ChipCmd, Cmd, MCU, Mcu } from "#chip/registers.ts";
import { ALL_MULTICAST } from "#driver/receive-filter.ts";
import { VirtualClock } from "#kit/clock.ts";
import type { DamagedAddress } from "#model/model-options.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { formatMac } from "#wire/mac.ts";
import { DriverSide } from "./driver-side.ts";
import type { Report } from "./session-messages.ts";
import { NO_PAUSES } from "./pauses.ts";
import { RESTART_DELAYS_MICROS, STEADY_MICROS } from "./recovery.ts";
import { StatisticsReader, statisticsMemory } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./counters.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const BUDGET = RESTART_DELAYS_MICROS.length;
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** One NIC, its driver, and a TAP in a namespace of its own; time is virtual. */
class Bench implements Disposable {
  readonly clock = new VirtualClock();
  readonly reports: Report[] = [];
  readonly model: Rtl8169;
  readonly driver: DriverSide;
  /** Resets of the chip so far. */
  resets = 0;
  readonly namespace: NetworkNamespace;
  readonly #reader: StatisticsReader<DriverCounter>;
  readonly #scope: DisposableStack;

  /** @param altered what the driver reads, made of what the model answers */
  constructor(
    altered: (read: Rtl8169["read"]) => Rtl8169["read"] = (read) => read,
    damagedAddress?: DamagedAddress,
    address?: Uint8Array,
  ) {
    using scope = new DisposableStack();
    const { clock } = this;
    this.model = new Rtl8169({
      chip: chipNamed("rtl8168h")!,
      mac: formatMac(MAC),
      clock,
      timers: clock.timers,
      ...(damagedAddress === undefined ? {} : { damagedAddress }),
    });
    this.model.setCarrier(true);
    this.model.read = altered(this.model.read.bind(this.model));
    const write = this.model.write.bind(this.model);
    this.model.write = (region, offset, width, value) => {
      if (region === 2 && offset === ChipCmd && (value & Cmd.reset) !== 0) this.resets++;
      write(region, offset, width, value);
    };
    const options = { name: "model:rtl8168h", registers: 2, dmaBytes: 32 << 20, vectors: 1 } as const;
    const device = scope.use(new DirectDevice(this.model, options));
    this.namespace = scope.use(NetworkNamespace.create());
    const statistics = statisticsMemory(DRIVER_COUNTERS);
    this.#reader = new StatisticsReader(statistics, DRIVER_COUNTERS);
    this.driver = scope.use(
      new DriverSide(
        {
          // Neither is looked at by the part under test.
          device: { bus: "vfio-user", path: "", stop: -1 },
          control: -1,
          host: { name: "ft0", namespace: this.namespace.fd },
          mtu: 1500,
          rings: undefined,
          address,
          firmware: undefined,
          capture: undefined,
          statistics,
        },
        { device: () => device, clock, report: (report) => this.reports.push(report) },
      ),
    );
    this.#scope = scope.move();
  }

  /** Lets the loop of a data-plane thread turn for that long, a millisecond a turn. */
  run(micros: number): void {
    for (let passed = 0; passed < micros; passed += 1000) {
      this.driver.napi.interrupt();
      this.driver.pump();
      this.driver.napi.complete();
      this.clock.delay(1000);
    }
    this.driver.publish(NO_PAUSES);
  }

  /** The interface has this MTU now, and nothing else has changed. */
  follow(mtu: number): void {
    this.driver.obey({ command: "follow", mtu, address: MAC, filter: ALL_MULTICAST });
  }

  /** As the thread does once it runs; nobody takes the interface's descriptor that comes with it. */
  announce(): void {
    this.driver.announce();
    for (const each of this.reports) if (each.report === "ready" && each.tap !== undefined) closeSync(each.tap.number);
  }

  get statistics(): Record<DriverCounter, number> {
    return this.#reader.read();
  }

  /** Messages of the warnings so far. */
  get warnings(): readonly string[] {
    return this.reports.flatMap((each) =>
      each.report === "event" && each.event.kind === "warning" ? [each.event.message] : [],
    );
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}

const second = 1_000_000;

test("an operation is carried out between rounds and answered", { skip }, () => {
  using bench = new Bench();
  bench.driver.obey({ command: "operate", id: 7, operation: "driver", argument: {} });
  assert.equal(bench.driver.operations.pending, true);
  bench.driver.operations.run();
  assert.deepEqual(bench.reports.at(-1), {
    report: "answer",
    id: 7,
    value: { chip: "RTL8168h/8111h", firmware: "", bus: "model:rtl8168h" },
  });
});

test("a NIC whose every memory access fails is restarted as often as the budget says, then given up", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  assert.equal(bench.statistics.linkUp, 1);
  bench.model.faults.arm("dma-error");
  bench.resets = 0;
  // Each restart posts descriptors; a frame that arrives makes the chip read one.
  const frame = new Uint8Array(64).fill(0xff);
  const traffic = (): void => {
    bench.model.receive(frame, 0, frame.length);
    bench.run(1000);
  };
  assert.throws(
    () => {
      for (let millis = 0; millis < 60_000; millis++) traffic();
    },
    { code: "NIC_GIVEN_UP", message: /system error/ },
  );
  // A failing NIC is taken down, which resets it, and brought up, which resets it again.
  assert.ok(bench.resets <= 3 * (BUDGET + 1), `${bench.resets} resets`);
  assert.equal(bench.warnings.length, BUDGET);
  assert.match(bench.warnings[0]!, /^the NIC reported a system error: restarting the NIC \(1 of at most 5 restarts\)$/);
  bench.driver.publish(NO_PAUSES);
  assert.equal(bench.statistics.restarts, BUDGET);
  assert.equal(bench.statistics.linkUp, 0);
});

test("a single bus error costs one restart, is counted and reported, and the link comes back", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(1000);
  bench.model.faults.arm("dma-error", { count: 1 });
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(second);
  bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
  bench.run(1000);
  // Counters go on from where the old rings left them.
  assert.deepEqual([bench.statistics.restarts, bench.statistics.linkUp, bench.statistics.receivedFrames], [1, 1, 2]);
  assert.equal(bench.warnings.length, 1);
});

test("bus errors far apart never use the budget up", { skip }, () => {
  using bench = new Bench();
  for (let i = 0; i < BUDGET + 3; i++) {
    bench.run(100_000);
    bench.model.faults.arm("dma-error", { count: 1 });
    bench.model.receive(new Uint8Array(64).fill(0xff), 0, 64);
    bench.run(10_000);
    bench.clock.delay(STEADY_MICROS);
  }
  assert.equal(bench.statistics.restarts, BUDGET + 3);
});

test("a NIC that hangs during an MTU change is restarted with the old MTU", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("stuck-reset", { count: 1 });
  bench.follow(9000);
  const answer = bench.reports.at(-1)!;
  assert.equal(answer.report === "mtuRefused" && answer.error.code, "RESET_TIMEOUT");
  bench.run(second);
  assert.deepEqual([bench.statistics.mtu, bench.statistics.linkUp, bench.statistics.restarts], [1500, 1, 1]);
});

test(
  "a NIC that never comes out of reset again is given up, and its statistics can be read meanwhile",
  { skip },
  () => {
    using bench = new Bench();
    bench.run(100_000);
    bench.model.faults.arm("stuck-reset");
    bench.follow(9000);
    bench.driver.publish(NO_PAUSES);
    assert.deepEqual([bench.statistics.linkUp, bench.statistics.receiveFill], [0, 0]);
    assert.throws(() => bench.run(60 * second), { code: "NIC_GIVEN_UP", message: /still in reset/ });
  },
);

test("an MTU that the chip cannot carry costs no reset, and is refused once", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.resets = 0;
  const before = bench.reports.length;
  for (let i = 0; i < 20; i++) bench.follow(9500);
  assert.equal(bench.resets, 0);
  const refusals = bench.reports.slice(before).map((report) => report.report === "mtuRefused" && report.error.message);
  assert.deepEqual(refusals, ["an MTU of 9500 bytes is outside what this chip carries"]);
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
  assert.deepEqual(bench.warnings, ["waited in vain for the MAC's FIFOs to drain; the chip was reset and goes on"]);
});

test("a card without an address of its own: a random one, with a warning that says how to set one", { skip }, () => {
  const blank = { registers: new Uint8Array(6).fill(0xff), copies: false };
  using bench = new Bench(undefined, blank);
  bench.announce();
  assert.equal(bench.warnings.length, 1);
  assert.match(bench.warnings[0]!, /^the card has no MAC address of its own; it uses ..(:..){5}, chosen at random$/);
  const chosen = Uint8Array.of(2, 0, 0, 0, 0, 9);
  using other = new Bench(undefined, blank, chosen);
  other.announce();
  assert.deepEqual(other.warnings, []);
  const ready = other.reports.find((each) => each.report === "ready")!;
  assert.equal(ready.report === "ready" && ready.facts?.mac, "02:00:00:00:00:09");
});

test("a card that is pulled is gone at once: no restart is tried", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.faults.arm("removal");
  assert.throws(() => bench.driver.napi.checkPresence(), { code: "DEVICE_GONE" });
  assert.equal(bench.statistics.restarts, 0);
  assert.deepEqual(bench.warnings, []);
});

test("a device that is looked at and still there loses no event, and interrupts again", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.driver.napi.interrupt();
  for (const up of [false, true]) {
    const before = bench.statistics.linkChanges;
    bench.model.setCarrier(up);
    // The model's PHY negotiates.
    bench.clock.delay(100_000);
    bench.driver.napi.checkPresence();
    bench.run(200_000);
    assert.equal(bench.statistics.linkUp, up ? 1 : 0);
    assert.ok(bench.statistics.linkChanges > before, up ? "it came up" : "it went down");
  }
});

test("a link that flaps a thousand times in five seconds is not reported a thousand times", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  const before = bench.reports.length;
  for (let i = 0; i < 1000; i++) {
    bench.model.setCarrier(i % 2 === 1);
    bench.run(5000);
  }
  bench.run(second);
  // At most one in 100 ms.
  assert.ok(bench.reports.length - before <= 52, `${bench.reports.length - before} reports`);
  assert.ok(bench.statistics.linkChanges >= 1000, `${bench.statistics.linkChanges} changes counted`);
  assert.equal(bench.statistics.linkUp, 1);
});
