/** The model's thread: takes the driver's register accesses, moves frames between NIC and wire, lets time pass. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { ThreadedPort } from "#bus/threaded.ts";
import { chipNamed } from "#chip/chips.ts";
import { RealClock, Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";
import { memoryWithSums } from "#wire/sum-kernel.ts";
import { type FarEnd, openFarEnd } from "./far-end.ts";
import { type Command, type ModelTask, type Report, plainError } from "./messages.ts";
import { REGISTERS } from "./model-page.ts";
import { Pauses } from "./pauses.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { WIRE_COUNTERS, type WireCounter } from "./statistics.ts";

/** Frames taken from the wire before the driver's accesses are looked at again. */
const BUDGET = 64;
const PUBLISH_MILLIS = 50;
const GC_MILLIS = 2000;
/** The longest a wait may take, so that the statistics do not grow stale. */
const LONGEST_WAIT_MILLIS = 500;

const CONTROL = 1;
const WIRE = 2;

class ModelThread implements Disposable {
  readonly #scope: DisposableStack;
  readonly #port: MessagePort;
  readonly #page: StatisticsPage;
  readonly #pauses: Pauses;
  readonly #control: EventFd;
  readonly #clock = new RealClock();
  readonly #timers = new Timers();
  readonly #model: Rtl8169;
  readonly #bus: ThreadedPort;
  readonly #far: FarEnd;
  readonly #poller: Poller;
  #closing = false;

  constructor(task: ModelTask, port: MessagePort) {
    using scope = new DisposableStack();
    this.#port = port;
    this.#page = new StatisticsPage(task.statistics, WIRE_COUNTERS.length);
    this.#pauses = scope.use(new Pauses());
    this.#control = EventFd.attach(task.control);
    const chip = chipNamed(task.chip);
    if (chip === undefined)
      throw new OutOfRange(`there is no chip ${task.chip}`, "See `ferrule model chips` for the names.");
    this.#model = new Rtl8169({
      chip,
      mac: task.mac,
      clock: this.#clock,
      timers: this.#timers,
      memory: task.channel.page,
    });
    const memory = memoryWithSums(task.memory);
    this.#bus = new ThreadedPort(task.channel, this.#model, REGISTERS, memory);
    this.#far = openFarEnd(scope, task.wire, {
      mtu: task.mtu,
      memory,
      staging: task.channel.dmaBytes,
      capture: task.capture,
      onCaptureError: (error) => this.#warn(error),
    });
    const { fd } = this.#far;
    this.#poller = new Poller(fd === undefined ? [this.#bus.fd, task.control] : [this.#bus.fd, task.control, fd]);
    this.#model.connect(this.#far.port);
    this.#model.setCarrier(true);
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  run(): void {
    let nextPublish = 0;
    let nextPauses = performance.now() + GC_MILLIS;
    while (!this.#closing) {
      let work = this.#bus.drain();
      this.#timers.run(this.#clock.now());
      work += this.#far.pump(BUDGET);
      const now = performance.now();
      if (now >= nextPublish) {
        nextPublish = now + PUBLISH_MILLIS;
        this.#publish();
      }
      if (now >= nextPauses) {
        nextPauses = now + GC_MILLIS;
        this.#pauses.refresh();
        this.#far.flush();
      }
      if (work === 0) this.#wait();
    }
    this.#publish();
  }

  #wait(): void {
    if (!this.#bus.sleep()) return;
    const stuck = this.#far.pending() > 0;
    if (this.#far.fd !== undefined) this.#poller.include(WIRE, !stuck);
    // A driver that gives descriptors back rings no bell: look again soon.
    const longest = stuck ? 1 : LONGEST_WAIT_MILLIS;
    const micros = this.#timers.next - this.#clock.now();
    if (micros > 0) this.#poller.wait(Math.min(longest, Math.ceil(micros / 1000)));
    this.#bus.wake();
    if (this.#poller.ready(CONTROL)) this.#hear();
  }

  #hear(): void {
    this.#control.drain();
    for (let m = receiveMessageOnPort(this.#port); m !== undefined; m = receiveMessageOnPort(this.#port))
      if ((m.message as Command).command === "close") this.#closing = true;
  }

  #warn(error: unknown): void {
    const { message, hint } = plainError(error);
    this.#port.postMessage({ report: "event", event: { kind: "warning", message, hint } } satisfies Report);
  }

  #publish(): void {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this.#far.traffic();
    const tally = this.#model.counters;
    const offences = Object.values(this.#model.offences).reduce((a, b) => a + b, 0);
    const now: Record<WireCounter, number> = {
      wireSentFrames: sentFrames,
      wireSentBytes: sentBytes,
      wireReceivedFrames: receivedFrames,
      wireReceivedBytes: receivedBytes,
      wireDrops: drops,
      missedFrames: tally.rxMissed,
      segmentedFrames: this.#model.segmented,
      offences,
      modelGcPauses: this.#pauses.count,
      modelGcMicros: this.#pauses.micros,
    };
    for (const [i, name] of WIRE_COUNTERS.entries()) this.#page.values[i] = now[name];
    this.#page.publish();
  }
}

const port = parentPort;
if (port === null) throw new Error("model-thread.ts is a worker's entry");
try {
  using thread = new ModelThread(workerData as ModelTask, port);
  port.postMessage({ report: "ready" } satisfies Report);
  thread.run();
} catch (error) {
  if (process.env["FERRULE_DEBUG"] !== undefined) console.error(error);
  port.postMessage({ report: "event", event: { kind: "failed", error: plainError(error) } } satisfies Report);
}
