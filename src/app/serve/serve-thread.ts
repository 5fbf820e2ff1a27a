/** A server's thread. It serves clients, wire and timers in one loop, which waits in one poll(2). */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { VfioUserServer } from "#bus/vfio-user/server.ts";
import { framesOf } from "#chip/frames.ts";
import { CaptureFile } from "#host/capture.ts";
import { RealClock, Timers } from "#kit/clock.ts";
import { Trace } from "#model/observation/trace.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";
import { BusyPoll } from "#sys/busy-poll.ts";
import { FirstLosses } from "../first-losses.ts";
import { plainError } from "../plain-error.ts";
import type { PauseCounts } from "../pauses.ts";
import { modelChip } from "../model-page.ts";
import { StatisticsPage } from "../statistics-page.ts";
import { type PeriodicTasks, Periodic, runThread } from "../thread.ts";
import { type FarEnd, openFarEnd } from "../wires/far-end.ts";
import { ServedDevice } from "./device.ts";
import type { ServeCommand, ServeEvent, ServeReport, ServeTask } from "./serve-messages.ts";
import { NoClient, UnplugIgnored } from "./refusals.ts";
import { SERVE_COUNTERS, type ServeCounter } from "../counters.ts";
import { TraceFile } from "./trace-file.ts";

const CONTROL = 0;
const SERVER = 1;
const WIRE = 2;
/**
 * Maximum number of frames that are taken from the wire before the client gets its turn. It is low, because a guest's
 * processor stops while it waits for a register access.
 */
const BUDGET = 32;
/** Longest wait in milliseconds. It is short, so that statistics stay current. */
const MAX_WAIT_MILLIS = 250;

/** All parts that the loop runs. They are released in the reverse order of their creation. */
class Service implements Disposable, PeriodicTasks {
  closing = false;
  readonly #scope: DisposableStack;
  readonly #clock = new RealClock();
  readonly #timers = new Timers();
  readonly #port: MessagePort;
  readonly #post: (report: ServeReport) => void;
  readonly #bell: EventFd;
  readonly #wire: FarEnd;
  readonly #device: ServedDevice;
  readonly #server: VfioUserServer;
  readonly #capture: CaptureFile | undefined;
  readonly #trace: TraceFile | undefined;
  readonly #page: StatisticsPage<ServeCounter>;
  readonly #poller: Poller;
  readonly #busyPoll: BusyPoll;
  readonly #losses = new FirstLosses((event) => this.#event(event));
  #requests = 0;
  /** Whether data from the client may be waiting. */
  #asked = true;
  /** Whether data from the wire may be waiting. */
  #arrived = true;

  constructor(task: ServeTask, port: MessagePort, post: (report: ServeReport) => void) {
    using scope = new DisposableStack();
    this.#port = port;
    this.#post = post;
    this.#bell = EventFd.attach(task.control);
    this.#page = new StatisticsPage(task.statistics, SERVE_COUNTERS);
    const chip = modelChip(task.chip);
    const onError = (error: Error): void => this.#warn(error);
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(new CaptureFile(task.capture, { interfaces: ["wire"], onError }));
    this.#trace = task.trace === undefined ? undefined : scope.use(new TraceFile(task.trace.path, onError));
    const file = this.#trace;
    this.#wire = openFarEnd(scope, task.wire, {
      clock: this.#clock,
      socketMode: task.socketMode,
      longestFrame: framesOf(chip).longestFrame,
      capture: this.#capture,
      onPlug: (plugged, why) => this.#event({ kind: "wire", plugged, why }),
      onError,
    });
    this.#device = new ServedDevice({
      chip,
      mac: task.mac,
      strict: task.strict,
      interrupts: task.interrupts,
      medium: task.medium,
      clock: this.#clock,
      timers: this.#timers,
      wire: this.#wire,
      trace:
        file === undefined
          ? undefined
          : new Trace({ format: task.trace!.format, clock: this.#clock, write: (line) => file.line(line) }),
      report: (event) => this.#event(event),
    });
    this.#server = scope.use(
      new VfioUserServer(this.#device.target, {
        untraced: this.#device.nic,
        path: task.socket,
        mode: task.socketMode,
        keepsState: task.keepsState,
        clock: this.#clock,
        timers: this.#timers,
        onClient: ({ connected, why = "" }) => this.#device.client(connected, why),
        onTurnedAway: (why) => this.#device.turnedAway(why),
        close: (fd) => this.#post({ report: "close", fd }),
        onMemory: (change) => this.#device.memory(change),
      }),
    );
    this.#poller = new Poller([this.#bell.number, this.#server.fd, this.#bell.number]);
    this.#busyPoll = new BusyPoll(this.#poller, this.#clock);
    this.#scope = scope.move();
  }

  /** One turn: does pending work, then waits for more. */
  turn(): void {
    const poller = this.#poller;
    const now = this.#clock.now();
    this.#timers.run(now);
    if (this.#asked) this.#requests += this.#server.ready();
    const pumped = this.#mayPump(now) ? this.#wire.pump(BUDGET) : 0;
    this.#device.follow();
    const rests = this.#server.arm(poller, SERVER);
    const { fd, pending } = this.#wire;
    poller.aim(WIRE, pending ? -1 : fd);
    poller.watch(WIRE, this.#wire.events);
    // The loop does not wait if there is more work that poll(2) does not report. Otherwise it waits, because looking
    // for other work without waiting would cost a system call in each turn.
    const again = !rests || (pumped > 0 && (pending || fd < 0));
    const ready = this.#busyPoll.wait(again ? 0 : this.#pollTimeout());
    this.#asked = !rests || poller.ready(SERVER);
    this.#arrived = poller.ready(WIRE);
    if (ready > 0 && poller.ready(CONTROL)) this.#handleControl();
  }

  publish(pauses: PauseCounts): void {
    const { nic } = this.#device;
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, refused, drops } = this.#device.traffic();
    this.#page.publish({
      clients: this.#device.clients,
      clientFaults: this.#device.clientFaults,
      clientsTurnedAway: this.#device.clientsTurnedAway,
      connected: this.#server.connected ? 1 : 0,
      maps: this.#server.maps,
      requests: this.#requests,
      sentFrames,
      sentBytes,
      receivedFrames,
      receivedBytes,
      refusedFrames: refused,
      wireDrops: drops,
      missedFrames: nic.counters.rxMissed,
      segmentedFrames: nic.segmented,
      offences: Object.values(nic.offences).reduce((a, b) => a + b, 0),
      linkUp: nic.link.up ? 1 : 0,
      linkSpeed: nic.link.speed,
      linkFullDuplex: nic.link.fullDuplex ? 1 : 0,
      gcPauses: pauses.count,
      gcMicros: pauses.micros,
    });
    this.#losses.check({ wireDrops: drops, missedFrames: nic.counters.rxMissed });
  }

  /** Flushes capture and trace. */
  flush(): void {
    this.#capture?.flush();
    this.#trace?.flush();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  /** Whether the wire may have frames or other work. A wire without a descriptor cannot signal them. */
  #mayPump(now: number): boolean {
    const wire = this.#wire;
    return this.#arrived || wire.fd < 0 || wire.pending || wire.due <= now;
  }

  /**
   * Limit of the wait in milliseconds. The wait ends when the next timer is due, and is short while frames wait for
   * room in the NIC.
   */
  #pollTimeout(): number {
    if (this.#wire.pending) return 1;
    const next = Math.min(this.#timers.next, this.#wire.due);
    // Without a guest, the next frame of a replay is always due, and the loop would never wait. Due times are therefore
    // ignored while no guest is connected.
    const micros = this.#server.connected ? next - this.#clock.now() : Infinity;
    return Math.max(0, Math.min(MAX_WAIT_MILLIS, Math.ceil(micros / 1000)));
  }

  #handleControl(): void {
    this.#bell.drain();
    for (let m = receiveMessageOnPort(this.#port); m !== undefined; m = receiveMessageOnPort(this.#port)) {
      const command = m.message as ServeCommand;
      if (command.command === "close") this.closing = true;
      else this.#answer(command);
    }
  }

  #answer({ id, request }: ServeCommand & { command: "request" }): void {
    try {
      let value: object = {};
      if (request.command === "unplug") this.#unplug();
      else if (request.command === "disconnect") this.#disconnect();
      else value = this.#device.ask(request);
      this.#post({ report: "reply", id, value });
    } catch (error) {
      this.#post({ report: "reply", id, error: plainError(error) });
    }
  }

  #unplug(): void {
    if (!this.#server.connected) throw new NoClient();
    if (!this.#server.requestUnplug()) throw new UnplugIgnored(this.#device.clients);
  }

  #disconnect(): void {
    if (!this.#server.disconnect()) throw new NoClient();
  }

  #event(event: ServeEvent): void {
    this.#post({ report: "event", event });
  }

  #warn(error: Error): void {
    const { message, hint } = plainError(error);
    this.#event({ kind: "warning", message, hint });
  }
}

runThread((port) => {
  const post = (report: ServeReport): void => port.postMessage(report);
  using service = new Service(workerData as ServeTask, port, post);
  using periodic = new Periodic(service);
  post({ report: "ready" });
  while (!service.closing) {
    service.turn();
    periodic.run();
  }
  periodic.publish();
});
