/** A setup for tests of the driver side: one NIC, its driver, and a TAP in a separate namespace. Time is virtual. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync } from "node:fs";
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { ChipCmd, Cmd } from "#chip/registers.ts";
import { ALL_MULTICAST } from "#driver/receive-filter.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Cable } from "#model/guest.test-kit.ts";
import type { DamagedAddress } from "#model/model-options.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { formatMac } from "#wire/mac.ts";
import { DriverSide } from "./driver-side.ts";
import type { CauseName } from "./causes.ts";
import type { Argument } from "./argument.ts";
import type { AnswerReport, Report } from "./session-messages.ts";
import { NO_PAUSES } from "./pauses.ts";
import { StatisticsReader, statisticsMemory } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./counters.ts";

export const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
export const WAIT_MICROS = 2_000_000;
export const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

export interface BenchOptions {
  readonly chip: string;
  readonly queues: number;
  readonly withoutLinkMicros?: number;
}

export class Bench implements Disposable {
  readonly clock = new VirtualClock();
  readonly reports: Report[] = [];
  readonly model: Rtl8169;
  /** Keeps the frames that the NIC has sent. */
  readonly cable = new Cable();
  readonly driver: DriverSide;
  /** Number of resets of the chip so far. */
  resets = 0;
  #operations = 0;
  readonly namespace: NetworkNamespace;
  readonly #reader: StatisticsReader<DriverCounter>;
  readonly #scope: DisposableStack;

  /** @param altered wraps the model's `read`, and so may change the values that the driver reads */
  constructor(
    altered: (read: Rtl8169["read"]) => Rtl8169["read"] = (read) => read,
    damagedAddress?: DamagedAddress,
    address?: Uint8Array,
    waitMicros = WAIT_MICROS,
    { chip, queues, withoutLinkMicros }: BenchOptions = { chip: "rtl8168h", queues: 1 },
  ) {
    using scope = new DisposableStack();
    const { clock } = this;
    this.model = new Rtl8169({
      chip: chipNamed(chip)!,
      mac: formatMac(MAC),
      clock,
      timers: clock.timers,
      ...(damagedAddress === undefined ? {} : { damagedAddress }),
    });
    this.model.connect(this.cable);
    this.model.setCarrier(true);
    this.model.read = altered(this.model.read.bind(this.model));
    const write = this.model.write.bind(this.model);
    this.model.write = (region, offset, width, value) => {
      if (region !== "config" && offset === ChipCmd && (value & Cmd.reset) !== 0) this.resets++;
      write(region, offset, width, value);
    };
    const options = {
      name: `model:${chip}`,
      registers: this.model.chip.profile.function.registersBar,
      dmaBytes: 32 << 20,
      vectors: queues === 1 ? 1 : 32,
    } as const;
    const device = scope.use(new DirectDevice(this.model, options));
    this.namespace = scope.use(NetworkNamespace.create());
    const statistics = statisticsMemory(DRIVER_COUNTERS);
    this.#reader = new StatisticsReader(statistics, DRIVER_COUNTERS);
    this.driver = scope.use(
      new DriverSide(
        {
          // `DriverSide` does not use `device` and `control`.
          device: { bus: "vfio-user", path: "", stop: -1 },
          control: -1,
          host: { name: "ft0", namespace: this.namespace.fd },
          mtu: 1500,
          rings: undefined,
          queues,
          queueThreads: [],
          queueStatistics: [],
          aspm: undefined,
          address,
          firmware: undefined,
          capture: undefined,
          wake: undefined,
          waitMicros,
          withoutLinkMicros,
          statistics,
        },
        { device: () => device, clock, report: (report) => this.reports.push(report) },
      ),
    );
    this.#scope = scope.move();
  }

  /** Runs the loop of a data-plane thread for this time, one millisecond per turn. */
  run(micros: number): void {
    for (let passed = 0; passed < micros; passed += 1000) {
      this.attempt(() => {
        this.driver.napi.interrupt();
        this.driver.pump();
        this.driver.operations.run();
        this.driver.runWatchdog();
        this.driver.napi.complete();
      });
      this.clock.delay(1000);
    }
    this.driver.publish(NO_PAUSES);
  }

  /** Runs a part of the loop. The driver side handles its errors. @throws errors that end a data-plane thread */
  attempt(part: () => void): void {
    try {
      part();
    } catch (error) {
      this.driver.handleError(error);
    }
  }

  /**
   * Requests an operation, and runs the loop for `micros`.
   * @returns the reply; undefined if there is none yet
   */
  operate(operation: string, argument: Argument, micros: number): AnswerReport | undefined {
    const id = ++this.#operations;
    this.driver.handleCommand({ command: "operate", id, operation, argument, limitMillis: 25_000 });
    this.run(micros);
    return this.reports.find((each) => each.report === "answer" && each.id === id) as AnswerReport | undefined;
  }

  /** Tells the driver side that the interface has this MTU, and that nothing else has changed. */
  follow(mtu: number): void {
    this.driver.handleCommand({ command: "follow", mtu, address: MAC, filter: ALL_MULTICAST });
  }

  /**
   * Makes the driver side report that the NIC is up. The report contains a descriptor of the TAP, which is closed here
   * because no test uses it.
   */
  announce(): void {
    this.driver.announce();
    for (const each of this.reports) if (each.report === "ready" && each.tap !== undefined) closeSync(each.tap.number);
  }

  get statistics(): Record<DriverCounter, number> {
    return this.#reader.read();
  }

  /**
   * Makes the host send `frames` frames and no others. Each is in a flow of its own; with `oneFlow`, all are in one
   * flow.
   */
  send(frames: number, oneFlow = false): void {
    const neighbour =
      "ip addr replace 10.9.0.1/24 dev ft0 && ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:99 dev ft0";
    const quiet = "echo 1 >/proc/sys/net/ipv6/conf/ft0/disable_ipv6";
    const many = `for i in $(seq ${frames}); do echo >${oneFlow ? "&3" : "/dev/udp/10.9.0.2/9"}; done`;
    const send = oneFlow ? `exec 3>/dev/udp/10.9.0.2/9 && ${many}` : many;
    const script = `${quiet} && ip link set ft0 up && ${neighbour} && ${send}`;
    const { status, stderr } = this.namespace.within(() => spawnSync("bash", ["-c", script]));
    assert.equal(status, 0, String(stderr));
  }

  /** The events about a cause so far. */
  occurrences(cause: CauseName): readonly { readonly kind: string; readonly message: string }[] {
    return this.reports.flatMap((each) =>
      each.report === "event" && "cause" in each.event && each.event.cause === cause ? [each.event as never] : [],
    );
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
