/**
 * The driver and its TAP in a data-plane thread: brings the NIC up, restarts one that fails, and moves frames between
 * its rings and the TAP. napi.ts decides when.
 */
import { Events } from "#driver/events.ts";
import { type NicOptions, rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { CaptureFile } from "#host/capture.ts";
import { QueueUplinks, type Uplink } from "#host/queue-uplinks.ts";
import { TapUplink } from "#host/tap-uplink.ts";
import type { Clock } from "#kit/clock.ts";
import { type PciDevice, bind } from "#kit/device.ts";
import { Revoked } from "#kit/errors.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import type { Poller } from "#sys/poll.ts";
import { Tap } from "#sys/tap.ts";
import { DriverStatistics } from "./driver-statistics.ts";
import { firmwareFiles } from "./firmware-files.ts";
import { syncMtu, InterfaceSettings } from "./interface-settings.ts";
import { LinkReport } from "./link-report.ts";
import { OPERATIONS } from "./ethtool/groups.ts";
import { Operations } from "./operations.ts";
import { plainError } from "./plain-error.ts";
import type { DriverCommand, DriverTask, FollowCommand, OpenTap, Report } from "./session-messages.ts";
import { Napi } from "./napi.ts";
import { OffloadSwitches } from "./offload-switches.ts";
import { NO_PAUSES, type PauseCounts } from "./pauses.ts";
import { type DataPlane, isFinal, Recovery } from "./recovery.ts";
import { FactsReader, startEvents } from "./session-facts.ts";
import type { SessionEvent } from "./session.ts";
import { SystemSleep } from "./sleep.ts";
import { formsOf } from "./wake-letters.ts";

/** Frames of one direction before the other's turn: a whole ring, so that a burst is merged in one piece. */
export const BUDGET = 256;
/** Outgoing frames are read into this much DMA memory. */
/** Between two rounds of a NIC that sleeps. */
const ASLEEP_MILLIS = 250;
const SEND_ARENA_BYTES = 4 << 20;

export class DriverSide implements Disposable {
  readonly napi: Napi;
  readonly operations: Operations;
  /** For poll(2): the NIC's interrupt, where the bus has a descriptor for it. */
  readonly interruptFd: number | undefined;
  readonly #scope: DisposableStack;
  readonly #report: (report: Report) => void;
  readonly #task: DriverTask;
  readonly #statistics: DriverStatistics;
  readonly #settings: InterfaceSettings;
  readonly #switches: OffloadSwitches;
  readonly #facts: FactsReader;
  readonly #nic: Nic;
  /** A queue of the TAP for each of the NIC's; the first one is used for settings. */
  readonly #taps: readonly [Tap, ...Tap[]];
  readonly #tap: Tap;
  /** One for each transmit queue. */
  readonly #arenas: readonly { readonly offset: number; readonly length: number }[];
  readonly #capture: CaptureFile | undefined;
  /** Undefined while the NIC is down and waits for its restart. */
  #uplink: Uplink | undefined;
  readonly #recovery: Recovery;
  readonly #sleep: SystemSleep;
  readonly #linkReport: LinkReport;
  /** What users made of the interface while the card was absent. */
  #missed: FollowCommand | undefined;
  /** At the end the NIC is left asleep where wake-up is armed. */
  #handsOver = false;
  #closing = false;
  #polls = 0;
  #pauses: PauseCounts = NO_PAUSES;
  #overdueReported = false;

  /** Opens the TAP, probes the device and brings it up. `device` opens the device after the TAP. */
  constructor(task: DriverTask, parts: { device: () => PciDevice; clock: Clock; report: (report: Report) => void }) {
    using scope = new DisposableStack();
    const { host } = task;
    this.#task = task;
    this.#report = parts.report;
    this.#linkReport = new LinkReport(parts.clock, ({ up, speed, fullDuplex }) => {
      this.publish(this.#pauses);
      this.#event({ kind: "carrier", up, speed, fullDuplex });
    });
    // Before the device is touched: a name in use or a missing permission must not cost a bring-up.
    const { namespace } = host;
    const open = (): readonly [Tap, ...Tap[]] => openQueues(host.name, task.queues, scope);
    this.#taps = namespace === undefined ? open() : NetworkNamespace.fromFd(namespace).within(open);
    this.#tap = this.#taps[0];
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(new CaptureFile(task.capture, { interfaces: [host.name], onError: (error) => this.#warn(error) }));
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
    this.#switches = new OffloadSwitches({ nic: this.#nic, tap: this.#tap, changed: (on) => this.#uplink?.switch(on) });
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
    this.#statistics = new DriverStatistics(task.statistics, this.#nic, parts.report);
    this.#settings = new InterfaceSettings({
      nic: this.#nic,
      changeMtu: (wanted) => this.#changeMtu(wanted),
      report: parts.report,
    });
    const request = { what: "send arena", bytes: SEND_ARENA_BYTES, align: 4096, direction: "toDevice" } as const;
    const senders = Math.min(task.queues, this.#nic.chip.profile.queues.transmit);
    this.#arenas = Array.from({ length: senders }, () => scope.use(device.dma.allocate(request)));
    this.#tap.address = this.#nic.address;
    this.#tap.setCarrier(false);
    this.#nic.up();
    this.#connect();
    this.interruptFd = this.#nic.line.fd;
    // Released in reverse order: an operation ends while the NIC and its memory are there, then the NIC is handed over.
    scope.defer(() => {
      if (this.#handsOver && !this.#recovery.absent) this.#sleep.handOver();
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
      // With what the NIC still sent while it was stopped, and what it did not.
      this.publish(this.#pauses);
    }
  }

  /** Reports that it is up, with warnings; `warnings` are those of the bus. */
  announce(warnings: readonly { readonly message: string; readonly hint: string }[] = []): void {
    const { name, vnetHeaderBytes } = this.#tap;
    const tap: OpenTap = { number: this.#tap.duplicate().release(), name, vnetHeaderBytes };
    this.#report({ report: "ready", facts: this.#facts.read(), tap });
    for (const { message, hint } of warnings) this.#event({ kind: "warning", message, hint });
    for (const event of startEvents(this.#nic, this.#task)) this.#event(event);
    // A link that is up already causes no event.
    if (this.#nic.link.up) this.#carrier();
  }

  /** The first expired wait for the chip is reported; all are counted. */
  #reportOverdue(): void {
    const { count, last } = this.#nic.overdue;
    if (count === 0 || this.#overdueReported) return;
    this.#overdueReported = true;
    const message = `timed out waiting for ${last}; the chip was reset and continues`;
    const hint = "Frames in its FIFOs may be lost. `overdueWaits` counts how often this happens.";
    this.#event({ kind: "warning", message, hint });
  }

  /** For poll(2): frames from the host. */
  get hostFds(): readonly number[] {
    return this.#taps.map((tap) => tap.number);
  }

  /**
   * Has poll(2) report the host's frames of each queue whose transmit ring has room.
   * @param first the place of the first of `hostFds` in `poller`
   * @returns whether a transmit ring has no room
   */
  watchHost(poller: Poller, first: number): boolean {
    let full = false;
    for (let i = 0; i < this.#taps.length; i++) {
      const stalled = this.#uplink?.stalled(i) ?? true;
      poller.include(first + i, !stalled);
      full ||= stalled;
    }
    return full;
  }

  /** Milliseconds that the thread may wait when nothing happens. */
  get waitMillis(): number {
    if (this.#sleep.asleep) return ASLEEP_MILLIS;
    return this.#uplink === undefined || this.operations.pending ? 1 : this.napi.waitMillis;
  }

  /**
   * One round of both directions; returns how many frames it moved.
   * @param most that are taken from the host
   */
  pump(most = BUDGET): number {
    this.#polls++;
    const uplink = this.#uplink;
    return uplink === undefined ? 0 : uplink.pumpOut(most) + uplink.pumpIn(BUDGET);
  }

  /** The last read from the host found no more frames: poll(2) reports new ones. */
  get hostDrained(): boolean {
    return this.#uplink?.drained ?? true;
  }

  /** Another round would find frames. */
  get more(): boolean {
    return !this.hostDrained || this.#nic.waiting;
  }

  /** Users have changed the interface's MTU, address or filter, or request an operation; or the machine is powered off. */
  obey(command: DriverCommand): void {
    if (command.command !== "follow") this.#sleep.rouse();
    if (command.command === "handOver") this.#handsOver = true;
    else if (command.command === "follow" && (this.#recovery.absent || this.#sleep.asleep)) this.#missed = command;
    else if (command.command === "follow") this.#follow(command);
    else if (this.#recovery.absent) this.operations.refuse(command.id, new Revoked("the card"));
    else this.operations.submit(command);
  }

  #follow(command: FollowCommand): void {
    this.#settings.apply({ ...command, filter: this.#switches.filtered(command.filter) });
    this.#facts.address = command.address;
  }

  /**
   * Looks after the NIC: finds what it does not report, and restarts it when that is due. To be called often, and returns at once then.
   * @throws {NicGivenUp} {DeviceGone} {BusError}
   */
  tend(): void {
    // A self-test has the NIC to itself: its loopback looks like a PHY that has lost its settings.
    // A card that left while it slept is waited for as any other.
    if (this.napi.lent || !(this.#sleep.look() || this.#recovery.absent) || !this.#recovery.run()) return;
    if (this.napi.findLost()) this.#recovery.note("lostInterrupts");
    const missed = this.#missed;
    if (missed === undefined || this.#recovery.absent) return;
    this.#missed = undefined;
    this.#follow(missed);
  }

  /** What the loop threw. @throws it, unless the card is waited for */
  lose(error: unknown): void {
    this.#recovery.lose(error);
  }

  /** Flushes the capture. */
  flush(): void {
    this.#capture?.flush();
  }

  publish(pauses: PauseCounts): void {
    this.#pauses = pauses;
    this.#linkReport.flush();
    this.#reportOverdue();
    const facts = this.#facts.changed();
    if (facts !== undefined) this.#report({ report: "facts", facts });
    const { restarts, counts: causes } = this.#recovery;
    const { changes: linkChanges } = this.#linkReport;
    const counting = { uplink: this.#uplink, napi: this.napi, polls: this.#polls, restarts, causes, linkChanges };
    this.#statistics.publish(counting, pauses);
  }

  /** Handles the NIC's events. */
  #handle(events: number): void {
    if ((events & Events.link) !== 0) this.#carrier();
    if ((events & Events.broken) !== 0) this.#recovery.fail("systemErrors");
  }

  /** Unless it is as it was. */
  #compareCarrier(): void {
    if (this.#nic.link.up !== this.#linkReport.newest.up) this.#carrier();
  }

  #carrier(): void {
    const { link } = this.#nic;
    if (link.up !== this.#linkReport.newest.up) this.#tap.setCarrier(link.up);
    this.#linkReport.changed(link);
  }

  /**
   * New rings for another MTU. When the NIC fails to come up with it, it is restarted with the old one.
   * @throws {BadMtu} before anything has changed; what kept the NIC from coming up; {NicGivenUp}
   */
  #changeMtu(mtu: number): void {
    const nic = this.#nic;
    nic.checkMtu(mtu);
    const before = nic.mtu;
    this.#rebuild(`an MTU of ${mtu}`, () => {
      try {
        nic.setMtu(mtu);
      } catch (error) {
        if (!isFinal(error)) nic.setMtu(before);
        throw error;
      }
    });
  }

  /**
   * New rings, made by `act`. A NIC that fails to come up with them is restarted; one that keeps its rings goes on with them.
   * @throws what `act` throws; {NicGivenUp}
   */
  #rebuild(what: string, act: () => void, wasUp = this.#uplink !== undefined): void {
    this.#retire();
    try {
      act();
    } catch (error) {
      if (isFinal(error)) throw error;
      if (wasUp && !this.#nic.running)
        this.#recovery.fail("startFailures", `with ${what}: ${plainError(error).message}`);
      throw error;
    } finally {
      if (wasUp && this.#nic.running) this.#connect();
      this.#compareCarrier();
    }
  }

  /** The host's frames wait until it is disposed. */
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

  /** Ends what works on the rings, before they go. Their counts are kept. */
  #retire(): void {
    this.#uplink?.[Symbol.dispose]();
    this.#statistics.retire(this.#uplink);
    this.#uplink = undefined;
    this.napi.stop();
  }

  /** Connects the rings, which are new, to the TAP. */
  #connect(): void {
    const links = this.#nic.queues.map(({ link }) => link);
    const parts = { offloads: this.#nic.offloads, switches: this.#switches.uplink, capture: this.#capture };
    this.#uplink =
      links.length === 1
        ? new TapUplink({ ...parts, tap: this.#tap, link: links[0]!, sendArena: this.#arenas[0]! })
        : new QueueUplinks({ ...parts, taps: this.#taps, links, sendArenas: this.#arenas });
    this.napi.start();
  }

  #event(event: SessionEvent): void {
    this.#report({ report: "event", event });
  }

  #warn(error: unknown): void {
    const { message, hint } = plainError(error);
    this.#event({ kind: "warning", message, hint });
  }
}

const openQueues = (name: string, queues: number, scope: DisposableStack): readonly [Tap, ...Tap[]] => {
  const first = scope.use(Tap.open(name, { vnetHeader: true, multiQueue: queues > 1 }));
  return [first, ...Array.from({ length: queues - 1 }, () => scope.use(first.addQueue()))];
};

const optionsOf = ({ firmware, queues, rings, aspm, address }: DriverTask, clock: Clock, mtu: number): NicOptions => ({
  clock,
  mtu,
  weaklyOrdered: process.arch !== "x64",
  firmware: firmwareFiles(firmware),
  // Twice what is held at once, whatever the size of the rings.
  spareBuffers: 2 * BUDGET,
  queues,
  ...(rings === undefined ? {} : { slots: rings }),
  ...(aspm === undefined ? {} : { aspm }),
  ...(address === undefined ? {} : { address }),
});
