/**
 * The driver and its TAP in a data-plane thread: brings the NIC up, restarts it when it fails, and moves frames between
 * its rings and the TAP. The loop in napi.ts calls these functions.
 */
import { Events } from "#driver/events.ts";
import { checkMtu } from "#driver/nic-options.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { CaptureFile } from "#host/capture.ts";
import type { Uplink } from "#host/queue-uplinks.ts";
import type { UplinkSwitches } from "#host/tap-uplink.ts";
import type { Clock } from "#kit/clock.ts";
import { type PciDevice, bind } from "#kit/device.ts";
import { Revoked } from "#kit/errors.ts";
import type { Poller } from "#sys/poll.ts";
import type { Tap } from "#sys/tap.ts";
import { DriverStatistics } from "./driver-statistics.ts";
import { optionsOf } from "./driver-options.ts";
import { HostQueues, handOut, openTapQueues } from "./host-queues.ts";
import { syncMtu, InterfaceSettings } from "./interface-settings.ts";
import { LinkReport } from "./link-report.ts";
import { OPERATIONS } from "./ethtool/groups.ts";
import { Operations } from "./operations.ts";
import { plainError } from "./plain-error.ts";
import type { DriverCommand, DriverTask, FollowCommand, Report } from "./session-messages.ts";
import { BUDGET, Napi } from "./napi.ts";
import { OffloadSwitches } from "./offload-switches.ts";
import type { QueueReach } from "./queue-messages.ts";
import { NO_PAUSES, type PauseCounts } from "./pauses.ts";
import { type DataPlane, isFinal, Recovery } from "./recovery.ts";
import { FactsReader, startEvents } from "./session-facts.ts";
import type { SessionEvent } from "./session.ts";
import { SystemSleep } from "./sleep.ts";
import { formsOf } from "./wake-letters.ts";

/** Interval in milliseconds between two rounds while the NIC sleeps. */
const SLEEP_WAIT_MILLIS = 250;

export interface DriverParts {
  readonly device: () => PciDevice;
  /** How the threads of other queues access the device, if there are any. */
  readonly reach?: () => QueueReach;
  readonly clock: Clock;
  readonly report: (report: Report) => void;
}

export class DriverSide implements Disposable {
  readonly napi: Napi;
  readonly operations: Operations;
  /** The descriptor with which poll(2) waits for the NIC's interrupt; undefined if the bus has none. */
  readonly interruptFd: number | undefined;
  readonly #scope: DisposableStack;
  readonly #report: (report: Report) => void;
  readonly #task: DriverTask;
  readonly #statistics: DriverStatistics;
  readonly #settings: InterfaceSettings;
  readonly #switches: OffloadSwitches;
  readonly #facts: FactsReader;
  readonly #nic: Nic;
  readonly #tap: Tap;
  readonly #queues: HostQueues;
  readonly #capture: CaptureFile | undefined;
  /** The connection of rings and TAP; undefined while the NIC is down. */
  #uplink: Uplink | undefined;
  readonly #recovery: Recovery;
  readonly #sleep: SystemSleep;
  readonly #linkReport: LinkReport;
  /**
   * The last change of the interface that has not been applied, because the card is absent, or because the NIC sleeps
   * or failed.
   */
  #deferred: FollowCommand | undefined;
  /** Whether the NIC is left asleep on close, provided that wake-up events are enabled. */
  #handingOver = false;
  #closing = false;
  #polls = 0;
  #pauses: PauseCounts = NO_PAUSES;
  #expiredWaitReported = false;

  /** Opens the TAP, then opens the device with `device`, probes it, and brings it up. */
  constructor(task: DriverTask, parts: DriverParts) {
    using scope = new DisposableStack();
    this.#task = task;
    this.#report = parts.report;
    this.#linkReport = new LinkReport(parts.clock, ({ up, speed, fullDuplex }) => {
      this.publish(this.#pauses);
      this.#event({ kind: "carrier", up, speed, fullDuplex });
    });
    // The TAP is opened before the device is accessed, so that the NIC is not brought up if the TAP's name is in use or
    // permission is missing.
    const taps = openTapQueues(task, scope);
    this.#tap = taps[0];
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(
            new CaptureFile(task.capture, { interfaces: [task.host.name], onError: (error) => this.#warn(error) }),
          );
    const device = parts.device();
    const mtu = syncMtu(this.#tap, task.mtu, parts.report);
    this.#nic = scope.use(bind(rtl8169, device, optionsOf(task, parts.clock, mtu))).driver;
    this.napi = new Napi(this.#nic, (events) => this.#handle(events));
    const dataPlane: DataPlane = {
      nic: this.#nic,
      clock: parts.clock,
      retire: () => this.#retire(),
      connect: () => this.#connect(),
      carrier: () => this.#compareCarrier(),
      event: (event) => this.#event(event),
    };
    this.#recovery = new Recovery({ ...dataPlane, device, waitMicros: task.waitMicros });
    this.#switches = new OffloadSwitches({ nic: this.#nic, tap: this.#tap, changed: (on) => this.#switch(on) });
    this.#facts = new FactsReader(this.#nic, this.#switches, [device.name, this.#tap.name]);
    this.#sleep = new SystemSleep({
      ...dataPlane,
      withoutLinkMicros: task.withoutLinkMicros,
      fail: (cause, detail) => {
        if (!this.#closing) this.#recovery.fail(cause, detail);
      },
    });
    if (task.wake !== undefined) this.#nic.wake.armed = formsOf(task.wake);
    this.operations = new Operations({
      table: { ...OPERATIONS, ...this.#sleep.operations },
      on: {
        nic: this.#nic,
        device,
        tap: this.#tap,
        switches: this.#switches,
        queueCounts: () => this.#statistics.queues,
        rebuild: (what, act) => this.#rebuild(what, act),
        withoutHost: () => this.#withoutHost(),
      },
      clock: parts.clock,
      report: parts.report,
    });
    this.#statistics = new DriverStatistics(task, this.#nic, parts.report);
    this.#settings = new InterfaceSettings({
      nic: this.#nic,
      changeMtu: (wanted) => this.#changeMtu(wanted),
      report: parts.report,
    });
    const host = { task, taps, nic: this.#nic, dma: device.dma, capture: this.#capture };
    this.#queues = new HostQueues(
      { ...host, reach: task.queueThreads.length > 0 ? parts.reach?.() : undefined },
      scope,
    );
    this.#tap.address = this.#nic.address;
    this.#tap.setCarrier(false);
    this.#nic.up();
    this.#connect();
    this.interruptFd = this.#nic.line.fd;
    // The scope runs its clean-ups in reverse order. First, a running operation ends. Then the NIC is left asleep, if
    // that was requested. The NIC and its memory are released after that.
    scope.defer(() => {
      if (this.#handingOver && !this.#recovery.absent) this.#sleep.handOver();
    });
    scope.use(this.operations);
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#closing = true;
    this.#retire();
    try {
      this.#scope.dispose();
    } finally {
      // The last counters include frames that the NIC sent while it was being stopped, and frames that it did not send.
      this.publish(this.#pauses);
    }
  }

  /** Reports that the NIC is up, then warnings and facts about its start. @param warnings the warnings of the bus */
  announce(warnings: readonly { readonly message: string; readonly hint: string }[] = []): void {
    this.#report({ report: "ready", facts: this.#facts.read(), tap: handOut(this.#tap) });
    for (const { message, hint } of warnings) this.#event({ kind: "warning", message, hint });
    for (const event of startEvents(this.#nic, this.#task)) this.#event(event);
    // If the link is already up, the NIC signals no event for it.
    if (this.#nic.link.up) this.#carrier();
  }

  /** Reports the first timeout of a wait for the chip. Later ones are only counted. */
  #reportExpiredWait(): void {
    const { count, last } = this.#nic.expiredWaits;
    if (count === 0 || this.#expiredWaitReported) return;
    this.#expiredWaitReported = true;
    const message = `timed out while waiting for ${last}; the driver continues`;
    const hint = "If the chip was being stopped, frames in its FIFOs may be lost. `overdueWaits` counts such timeouts.";
    this.#event({ kind: "warning", message, hint });
  }

  /** The descriptors with which poll(2) waits for frames from the host. */
  get hostFds(): readonly number[] {
    return this.#queues.fds;
  }

  /**
   * Selects the queues whose frames poll(2) reports: while there is a link, those whose transmit ring has room;
   * otherwise none.
   * @param first index in `poller` of the first of `hostFds`
   * @returns whether a transmit ring has no room, or the NIC is down
   */
  watchHost(poller: Poller, first: number): boolean {
    let full = false;
    for (let i = 0; i < this.#queues.fds.length; i++) {
      poller.include(first + i, this.#uplink?.accepts(i) ?? false);
      full ||= this.#uplink?.stalled(i) ?? true;
    }
    return full;
  }

  /** Limit in milliseconds for the thread's next wait. */
  get waitMillis(): number {
    if (this.#sleep.asleep) return SLEEP_WAIT_MILLIS;
    return this.#uplink === undefined || this.operations.pending ? 1 : this.napi.waitMillis;
  }

  /**
   * Moves frames once in each direction; returns their number.
   * @param budget maximum number of frames read from each host queue
   */
  pump(budget = BUDGET): number {
    this.#polls++;
    const uplink = this.#uplink;
    return uplink === undefined ? 0 : uplink.pumpOut(budget) + uplink.pumpIn(BUDGET);
  }

  /** Whether the last read from the host found no more frames. In that case poll(2) reports new ones. */
  get hostDrained(): boolean {
    return this.#uplink?.drained ?? true;
  }

  /** Whether another round may find frames. */
  get more(): boolean {
    return !this.hostDrained || this.#nic.waiting;
  }

  /**
   * Applies users' changes of the interface, queues an operation, or notes that the NIC is to be left asleep on close.
   */
  handleCommand(command: DriverCommand): void {
    if (command.command !== "follow") this.#sleep.wakeIdle();
    if (command.command === "handOver") this.#handingOver = true;
    else if (command.command === "follow" && (this.#recovery.absent || this.#sleep.asleep)) this.#deferred = command;
    else if (command.command === "follow") this.#follow(command);
    else if (this.#recovery.absent) this.operations.refuse(command.id, new Revoked("the card"));
    else this.operations.submit(command);
  }

  #follow(command: FollowCommand): void {
    // If the NIC fails meanwhile, the command is executed again after the recovery.
    this.#deferred = command;
    this.#settings.apply({ ...command, filter: this.#switches.filtered(command.filter) });
    this.#deferred = undefined;
    this.#facts.address = command.address;
  }

  /**
   * Checks the NIC for failures that it does not report, and restarts it when that is due. Must be called often;
   * returns at once if nothing is due. Also applies a change of the interface that was deferred.
   * @throws {NicGivenUp} {DeviceGone} {BusError} {ChangingIdentification}, and timeouts of registers
   */
  runWatchdog(): void {
    // Nothing is checked during a self-test, because a PHY in loopback looks like one that has lost its settings. A
    // sleeping NIC is not checked either, unless the card was removed: the driver then waits for it to return.
    if (this.napi.lent || !(this.#sleep.check() || this.#recovery.absent) || !this.#recovery.run()) return;
    if (this.napi.checkLostInterrupts()) this.#recovery.note("lostInterrupts");
    if (this.#deferred !== undefined && !this.#recovery.absent) this.#follow(this.#deferred);
  }

  /** Handles an error of the loop: see `Recovery.handleError`, which may throw. */
  handleError(error: unknown): void {
    this.#recovery.handleError(error);
  }

  flush(): void {
    this.#capture?.flush();
  }

  publish(pauses: PauseCounts): void {
    this.#pauses = pauses;
    this.#linkReport.flush();
    this.#reportExpiredWait();
    const facts = this.#facts.changed();
    if (facts !== undefined) this.#report({ report: "facts", facts });
    const { restarts, counts: causes } = this.#recovery;
    const { changes: linkChanges } = this.#linkReport;
    const { counts: threads } = this.#queues;
    const counting = {
      uplink: this.#uplink,
      threads,
      napi: this.napi,
      polls: this.#polls,
      restarts,
      causes,
      linkChanges,
    };
    this.#statistics.publish(counting, pauses);
  }

  /** Handles the NIC's events. */
  #handle(events: number): void {
    if ((events & Events.link) !== 0) this.#carrier();
    if ((events & Events.broken) !== 0) this.#recovery.fail("systemErrors");
  }

  /** Updates the carrier if the link has changed. */
  #compareCarrier(): void {
    if (this.#nic.link.up !== this.#linkReport.current.up) this.#carrier();
  }

  #carrier(): void {
    const { link } = this.#nic;
    if (link.up !== this.#linkReport.current.up) this.#tap.setCarrier(link.up);
    this.#switch(this.#switches.uplink);
    this.#linkReport.changed(link);
  }

  /**
   * Changes the MTU, which creates new rings. If that fails, the NIC keeps the old MTU, and is restarted if it is down.
   * @throws {BadMtu} before any change; whatever `#rebuild` throws
   */
  #changeMtu(mtu: number): void {
    checkMtu(this.#nic.chip, mtu);
    this.#rebuild(`an MTU of ${mtu}`, () => this.#nic.setMtu(mtu));
  }

  /**
   * Runs `act`, which creates new rings. If `act` fails, a NIC that is down is restarted, and a NIC that has kept its
   * rings continues with them.
   * @throws the error of `act`, or {DeviceGone} if the card does not respond; {NicGivenUp} {QueueStuck}
   */
  #rebuild(what: string, act: () => void, wasUp = this.#uplink !== undefined): void {
    this.#retire();
    try {
      act();
    } catch (thrown) {
      const error = this.#recovery.explain(thrown);
      if (isFinal(error)) throw error;
      if (wasUp && !this.#nic.running)
        this.#recovery.fail("startFailures", `with ${what}: ${plainError(error).message}`);
      throw error;
    } finally {
      if (wasUp && this.#nic.running) this.#connect();
      this.#compareCarrier();
    }
  }

  /** Stops the host's traffic until the result is disposed. */
  #withoutHost(): Disposable {
    const wasUp = this.#uplink !== undefined;
    this.#retire();
    this.napi.lent = true;
    return {
      [Symbol.dispose]: () => {
        this.napi.lent = false;
        if (wasUp && !this.#closing && this.#uplink === undefined && this.#nic.running)
          this.#rebuild("new rings", () => this.#nic.setRings(this.#nic.slots), wasUp);
      },
    };
  }

  /**
   * Stops everything that uses the rings, before the rings are freed, and keeps the counts of the rings.
   * @throws {QueueStuck}
   */
  #retire(): void {
    this.#queues.recall();
    this.#uplink?.[Symbol.dispose]();
    this.#statistics.retire(this.#uplink);
    this.#uplink = undefined;
    this.napi.stop();
  }

  /** Connects new rings to the TAP. */
  #connect(): void {
    this.#uplink = this.#queues.connect(this.#switches.uplink);
    this.napi.start();
  }

  #switch(switches: UplinkSwitches): void {
    this.#uplink?.switch(switches);
    this.#queues.switch(switches);
  }

  #event(event: SessionEvent): void {
    this.#report({ report: "event", event });
  }

  #warn(error: unknown): void {
    const { message, hint } = plainError(error);
    this.#event({ kind: "warning", message, hint });
  }
}
