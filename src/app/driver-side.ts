/**
 * The driver and its TAP, for the loop of a data-plane thread: the steps of polling as in the kernel's NAPI.
 *
 * Interrupt, mask, poll both directions until neither has work, unmask, look again. The loop around it waits; see
 * `data-plane.ts` (the driver alone) and `one-thread.ts` (with the model beside it).
 */
import { Events, type Nic, rtl8169 } from "#driver/rtl8169.ts";
import { CaptureFile } from "#host/capture.ts";
import { TapUplink } from "#host/tap-uplink.ts";
import type { Clock } from "#kit/clock.ts";
import { DeviceGone } from "#kit/errors.ts";
import { type Bound, type PciDevice, bind } from "#kit/device.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { firmwareFiles } from "./firmware-files.ts";
import { LinkReport } from "./link-report.ts";
import { type DriverTask, type FollowCommand, type OpenTap, type Report, plainError } from "./messages.ts";
import { NicGivenUp, Recovery } from "./recovery.ts";
import { sessionFacts } from "./session-facts.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./statistics.ts";
import { TrafficCounts } from "./traffic-counts.ts";

/** Frames a direction may take before the other has its turn: a whole ring, so that a burst is merged in one piece. */
export const BUDGET = 256;
/** Outgoing frames are read into this much DMA memory. */
const SEND_ARENA_BYTES = 4 << 20;

const NO_PAUSES = { count: 0, micros: 0 };

export class DriverSide implements Disposable {
  /** For poll(2): the NIC's interrupt, where the bus has a descriptor for it. */
  readonly interruptFd: number | undefined;
  readonly #scope: DisposableStack;
  readonly #report: (report: Report) => void;
  readonly #page: StatisticsPage<DriverCounter>;
  readonly #device: PciDevice;
  readonly #bound: Bound<Nic>;
  readonly #nic: Nic;
  readonly #tap: Tap;
  readonly #arena: { readonly offset: number; readonly length: number };
  readonly #capture: CaptureFile | undefined;
  /** Undefined while the NIC is down and waits for its restart. */
  #uplink: TapUplink | undefined;
  readonly #recovery: Recovery;
  readonly #linkReport: LinkReport;
  /** The interface's MTU that the NIC refused: not tried again until the interface has another. */
  #refusedMtu: number | undefined;
  /** The chip's interrupts are masked: we poll. */
  #polling = false;
  /** They were masked without an interrupt, and the status has not been read since. */
  #unheard = false;
  /** Warnings from before anyone listens. */
  readonly #early: { readonly message: string; readonly hint: string }[] = [];
  #interrupts = 0;
  #spurious = 0;
  #polls = 0;
  #overdueReported = false;
  readonly #traffic = new TrafficCounts();

  /** Opens the TAP, probes the device and brings it up. `device` makes the device once the TAP is there. */
  constructor(task: DriverTask, parts: { device: () => PciDevice; clock: Clock; report: (report: Report) => void }) {
    using scope = new DisposableStack();
    const { host } = task;
    this.#report = parts.report;
    this.#recovery = new Recovery(parts.clock);
    this.#linkReport = new LinkReport(parts.clock, ({ up, speed, fullDuplex }) => {
      this.publish(NO_PAUSES);
      this.#report({ report: "event", event: { kind: "carrier", up, speed, fullDuplex } });
    });
    this.#page = new StatisticsPage(task.statistics, DRIVER_COUNTERS);
    // Before the device is touched: a name in use or a missing permission must not cost a bring-up.
    const open = (): Tap => Tap.open(host.name, { vnetHeader: true });
    const { namespace } = host;
    this.#tap = scope.use(namespace === undefined ? open() : NetworkNamespace.fromFd(namespace).within(open));
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(new CaptureFile(task.capture, { interfaces: [host.name], onError: (error) => this.#warn(error) }));
    this.#device = parts.device();
    const mtu = this.#agreeOnMtu(task.mtu);
    this.#bound = scope.use(
      bind(rtl8169, this.#device, {
        clock: parts.clock,
        mtu,
        weaklyOrdered: process.arch !== "x64",
        firmware: firmwareFiles(task.firmware),
        ...(task.address === undefined ? {} : { address: task.address }),
      }),
    );
    this.#nic = this.#bound.driver;
    if (this.#nic.permanentAddress === undefined && task.address === undefined)
      this.#early.push({
        message: `the card has no MAC address of its own; it uses ${formatMac(this.#nic.address)}, chosen at random`,
        hint: "Give it one that stays the same: --mac 02:00:5e:10:00:01.",
      });
    const { firmware } = this.#nic.chip;
    // A model's PHY works without, as nearly every real one does, but only of a real one should people know.
    if (firmware !== undefined && this.#nic.firmware === undefined && task.device.bus === "vfio")
      this.#early.push({
        message: `${firmware} is not installed; the PHY runs without its firmware`,
        hint: "Install it: sudo apt install firmware-realtek (Debian, non-free-firmware) or linux-firmware.",
      });
    const { offset, length } = scope.use(
      this.#device.dma.allocate({
        what: "send arena",
        bytes: SEND_ARENA_BYTES,
        align: 4096,
        direction: "toDevice",
      }),
    );
    this.#arena = { offset, length };
    this.#tap.address = this.#nic.address;
    this.#tap.setCarrier(false);
    this.#nic.up();
    this.interruptFd = this.#nic.line.fd;
    this.#uplink = this.#makeUplink();
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  /** Says that it is up, and what people should know of it: `warnings` come from the bus. */
  announce(warnings: readonly { readonly message: string; readonly hint: string }[] = []): void {
    const { name, vnetHeaderBytes } = this.#tap;
    const tap: OpenTap = { number: this.#tap.duplicate().release(), name, vnetHeaderBytes };
    this.#report({ report: "ready", facts: sessionFacts(this.#nic, this.#device.name, name), tap });
    for (const { message, hint } of [...warnings, ...this.#early])
      this.#report({ report: "event", event: { kind: "warning", message, hint } });
    // A link that is up already causes no event.
    if (this.#nic.link.up) this.#carrier();
  }

  /** The first wait for the chip that ran out is reported; all are counted. */
  #reportOverdue(): void {
    const { count, last } = this.#nic.overdue;
    if (count === 0 || this.#overdueReported) return;
    this.#overdueReported = true;
    const message = `waited in vain for ${last}; the chip was reset and goes on`;
    const hint = "Frames in its FIFOs may be lost. `overdueWaits` counts how often this happens.";
    this.#report({ report: "event", event: { kind: "warning", message, hint } });
  }

  /** For poll(2): frames from the host. */
  get hostFd(): number {
    return this.#tap.number;
  }

  /** The NIC's ring is full: poll(2) need not report frames from the host. */
  get stalled(): boolean {
    return this.#uplink?.stalled ?? true;
  }

  /**
   * One round of both directions; returns how many frames it moved. Restarts a NIC that failed once its restart is due.
   * @param most that are taken from the host
   * @throws {NicGivenUp}
   */
  pump(most = BUDGET): number {
    this.#polls++;
    if (this.#uplink === undefined && this.#recovery.due) this.#restart();
    const uplink = this.#uplink;
    return uplink === undefined ? 0 : uplink.pumpOut(most) + uplink.pumpIn(BUDGET);
  }

  /** The host had no more frames when it was last asked: poll(2) knows when it has. */
  get hostDry(): boolean {
    return this.#uplink?.dry ?? true;
  }

  /** Another round would find frames. */
  get more(): boolean {
    return !this.hostDry || this.#nic.waiting;
  }

  /**
   * The host has frames. Interrupts are masked, because completions and a quick answer are found by polling: an interrupt costs
   * more than the two register accesses that mask and unmask it.
   */
  attend(): void {
    if (this.#polling || this.#uplink === undefined) return;
    this.#polling = true;
    this.#unheard = true;
    this.#nic.mask();
  }

  /** The interrupt line may have an event. */
  interrupt(): void {
    if (!this.#nic.line.take() || this.#uplink === undefined) return;
    const events = this.#nic.interrupt();
    // The chip has been acknowledged: an INTx line, which masks itself, may come again.
    this.#nic.line.unmask();
    if (events === 0) {
      this.#spurious++;
      return;
    }
    this.#interrupts++;
    this.#polling = true;
    this.#hear(events);
  }

  /** Checks whether the device is still there. What it signals is handled as after an interrupt. @throws {DeviceGone} */
  look(): void {
    const events = this.#nic.interrupt();
    if (events === 0 || this.#uplink === undefined) return;
    this.#polling = true;
    this.#hear(events);
  }

  /** There was no work: unmasks interrupts. False when work arrived meanwhile, for which there may be no interrupt. */
  rest(): boolean {
    if (!this.#polling) return true;
    if (this.#unheard) {
      const events = this.#nic.acknowledge();
      this.#hear(events);
      // What was acknowledged may have come after the last look at the rings.
      if (events !== 0) return false;
    }
    this.#polling = false;
    this.#nic.unmask();
    return !this.#nic.waiting;
  }

  /** Users have changed the interface's MTU, address or filter: so does the NIC. */
  follow({ mtu, address, filter }: FollowCommand): void {
    const { address: ours } = this.#nic;
    if (!address.every((byte, i) => byte === ours[i])) this.#nic.address = address;
    this.#nic.filter = filter;
    if (mtu === this.#nic.mtu) this.#refusedMtu = undefined;
    if (mtu === undefined || mtu === this.#nic.mtu || mtu === this.#refusedMtu) return;
    try {
      this.#changeMtu(mtu);
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#refusedMtu = mtu;
      this.#report({ report: "mtuRefused", mtu: this.#nic.mtu, error: plainError(error) });
    }
  }

  /** Writes out what the capture holds back. */
  flush(): void {
    this.#capture?.flush();
  }

  publish(pauses: { readonly count: number; readonly micros: number }): void {
    this.#linkReport.flush();
    this.#reportOverdue();
    const rings = this.#nic.running ? this.#nic.rings : undefined;
    const { link, mtu } = this.#nic;
    this.#page.publish({
      ...this.#traffic.total(this.#nic, this.#uplink),
      interrupts: this.#interrupts,
      spuriousInterrupts: this.#spurious,
      polls: this.#polls,
      gcPauses: pauses.count,
      gcMicros: pauses.micros,
      restarts: this.#recovery.restarts,
      overdueWaits: this.#nic.overdue.count,
      transmitFill: rings?.transmit.pending() ?? 0,
      receiveFill: rings?.receive.armed() ?? 0,
      linkChanges: this.#linkReport.changes,
      linkUp: link.up ? 1 : 0,
      linkSpeed: link.speed,
      linkFullDuplex: link.fullDuplex ? 1 : 0,
      mtu,
    });
  }

  /** The interface's MTU becomes ours, or the other way round where an administrator made it for a user who may not set it. */
  #agreeOnMtu(mtu: number): number {
    return this.#tap.withInterfaces((interfaces, name) => {
      const theirs = interfaces.mtu(name);
      if (theirs === mtu) return mtu;
      try {
        interfaces.setMtu(name, mtu);
        return mtu;
      } catch (error) {
        if (!(error instanceof SystemError && error.errno === Errno.EPERM)) throw error;
        this.#early.push({
          message: `the MTU of ${name} stays ${theirs}: this user may not set it to ${mtu}`,
          hint: `Have it set before: \`sudo ip link set ${name} mtu ${mtu}\`.`,
        });
        return theirs;
      }
    });
  }

  #hear(events: number): void {
    this.#unheard = false;
    if ((events & Events.link) !== 0) this.#carrier();
    if ((events & Events.broken) !== 0) this.#fail("the NIC reported a system error");
  }

  /** The NIC does not work any more: takes it down until its restart is due. @throws {NicGivenUp} {DeviceGone} */
  #fail(reason: string): void {
    this.#retire();
    try {
      this.#nic.down();
    } catch (error) {
      // It does not answer as it should; the restart resets it once more.
      if (isFinal(error)) throw error;
    }
    this.#carrier();
    this.#recovery.fail(reason);
  }

  #restart(): void {
    const { message, hint } = this.#recovery.begin();
    this.#report({ report: "event", event: { kind: "warning", message, hint } });
    try {
      this.#nic.up();
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#fail(`the NIC could not be restarted: ${plainError(error).message}`);
      return;
    }
    this.#uplink = this.#makeUplink();
    // A link that is up already causes no event.
    if (this.#nic.link.up) this.#carrier();
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
    this.#nic.checkMtu(mtu);
    const before = this.#nic.mtu;
    const waiting = this.#uplink === undefined;
    this.#retire();
    try {
      this.#nic.setMtu(mtu);
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#nic.setMtu(before);
      this.#fail(`the NIC failed with an MTU of ${mtu}: ${plainError(error).message}`);
      throw error;
    }
    if (!waiting) this.#uplink = this.#makeUplink();
  }

  /** Ends what works on the rings, before they go. Their counts are kept. */
  #retire(): void {
    this.#traffic.retire(this.#nic, this.#uplink);
    this.#uplink?.[Symbol.dispose]();
    this.#uplink = undefined;
    this.#polling = false;
    this.#unheard = false;
  }

  #makeUplink(): TapUplink {
    return new TapUplink({
      tap: this.#tap,
      link: this.#nic,
      sendArena: this.#arena,
      offloads: this.#nic.offloads,
      offloadsIpv6: this.#nic.offloadsIpv6,
      capture: this.#capture,
    });
  }

  #warn(error: unknown): void {
    const { message, hint } = plainError(error);
    this.#report({ report: "event", event: { kind: "warning", message, hint } });
  }
}

/** Errors that a restart cannot mend. */
const isFinal = (error: unknown): boolean => error instanceof DeviceGone || error instanceof NicGivenUp;
