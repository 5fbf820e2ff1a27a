/**
 * The output of `ferrule ethtool` for our driver, which has a TAP in a namespace of its own and drives the model in the
 * same thread.
 */
import { carryOut, type Outcome, parseCall, refusedLine } from "#app/ethtool/call.ts";
import { NotRunning } from "#app/control/up-control.ts";
import { DRIVER_COUNTERS } from "#app/counters.ts";
import { DriverSide } from "#app/driver-side.ts";
import type { Argument } from "#app/argument.ts";
import type { Report } from "#app/session-messages.ts";
import { statisticsMemory } from "#app/statistics-page.ts";
import { ThreadFailure } from "#app/worker-thread.ts";
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { MAC, stimulusFor } from "./stimulus.ts";

export const NAME = "fe0";
const TURN_MICROS = 1000;
/** The group that Linux joins on every interface with IPv4. */
const ALL_HOSTS = Uint8Array.of(0x01, 0, 0x5e, 0, 0, 1);
/** Largest number of turns to wait for the link: autonegotiation takes 2 ms here. */
const MAX_TURNS = 3000;

export class Ours implements Disposable {
  readonly clock = new VirtualClock();
  readonly model: Rtl8169;
  readonly driver: DriverSide;
  readonly namespace: NetworkNamespace;
  readonly stimulate: () => void;
  /** Number of the BAR that has the registers. */
  readonly registers: 1 | 2;
  readonly #reports: Report[] = [];
  readonly #scope: DisposableStack;
  #id = 0;

  constructor(key: string) {
    using scope = new DisposableStack();
    const { clock } = this;
    const chip = chipNamed(key)!;
    this.model = new Rtl8169({ chip, mac: MAC, clock, timers: clock.timers, strict: "error" });
    this.stimulate = stimulusFor(this.model);
    this.model.setCarrier(true);
    const registers = (this.registers = chip.profile.function.registersBar);
    const device = scope.use(
      new DirectDevice(this.model, { name: `model:${key}`, registers, dmaBytes: 32 << 20, vectors: 4 }),
    );
    this.namespace = scope.use(NetworkNamespace.create());
    this.driver = scope.use(
      new DriverSide(
        {
          // `device` and `control` are not used: this class passes in the device, and calls `handleCommand`.
          device: { bus: "vfio-user", path: "", stop: -1 },
          control: -1,
          host: { name: NAME, namespace: this.namespace.fd },
          mtu: 1500,
          rings: undefined,
          aspm: undefined,
          address: undefined,
          firmware: undefined,
          capture: undefined,
          waitMicros: 0,
          queues: 1,
          queueThreads: [],
          queueStatistics: [],
          statistics: statisticsMemory(DRIVER_COUNTERS),
        },
        { device: () => device, clock, report: (report) => this.#reports.push(report) },
      ),
    );
    this.#scope = scope.move();
    this.driver.handleCommand({
      command: "follow",
      mtu: 1500,
      address: Uint8Array.from(Buffer.from(MAC.replaceAll(":", ""), "hex")),
      filter: { promiscuous: false, groups: [ALL_HOSTS] },
    });
    this.settle();
  }

  /** Runs the loop of the driver's thread until the link is up, or has had enough time to come up. */
  settle(): void {
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      this.turn();
      if (turns > 20 && this.model.link.up) return;
    }
  }

  turn(): void {
    this.driver.napi.interrupt();
    this.driver.pump();
    this.driver.napi.complete();
    this.driver.operations.run();
    this.clock.delay(TURN_MICROS);
  }

  /** @throws {ThreadFailure} like the main thread */
  async operate(name: string, operation: string, argument: Argument): Promise<object> {
    if (name !== NAME) throw new NotRunning(name);
    const id = ++this.#id;
    this.driver.handleCommand({ command: "operate", id, operation, argument, limitMillis: 25_000 });
    while (this.driver.operations.pending) this.turn();
    const answer = this.#reports.find((each) => each.report === "answer" && each.id === id);
    if (answer?.report !== "answer") throw new Error(`"${operation}" was not answered`);
    if (answer.value === undefined) throw new ThreadFailure(answer.error);
    // Converts the answer to what a client would receive through a socket.
    return JSON.parse(JSON.stringify(answer.value)) as object;
  }

  /** Runs a command. @param words as typed after `ferrule ethtool` */
  async ethtool(words: string): Promise<Outcome> {
    try {
      return await carryOut(parseCall(words.split(" ")), (...asked) => this.operate(...asked));
    } catch (error) {
      return refusedLine(error);
    }
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}
