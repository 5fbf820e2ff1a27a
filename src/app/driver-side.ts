/**
 * The driver and its host, as one of a data-plane thread's loops drives them: NAPI's shape, in pieces.
 *
 * Interrupt, mask, poll both directions until neither has work, unmask, look again. The loop around it waits; see
 * `data-plane.ts` (the driver alone) and `one-thread.ts` (with the model beside it).
 */
import { ReceiveCount } from "#driver/receive-ring.ts";
import { Events, type Nic, rtl8169 } from "#driver/rtl8169.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { CaptureFile } from "#host/capture.ts";
import { TapUplink } from "#host/tap-uplink.ts";
import type { Clock } from "#kit/clock.ts";
import { type Bound, type PciDevice, bind } from "#kit/device.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { type DriverTask, type Report, plainError } from "./messages.ts";
import type { SessionFacts } from "./session.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./statistics.ts";

/** Frames a direction may take before the other has its turn: a whole ring, so that a burst is merged in one piece. */
export const BUDGET = 256;
/** Outgoing frames are read into this much DMA memory. */
const SEND_ARENA_BYTES = 4 << 20;

/** What of an uplink's counters is published. */
const UPLINK_COUNTERS = ["tagsTaken", "merged", "writes", "sendDrops", "receiveDrops"] as const;

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
  #uplink: TapUplink;
  /** The chip's interrupts are masked: we poll. */
  #polling = false;
  /** We masked them ourselves, and nobody has read what the chip has to say. */
  #unheard = false;
  /** Warnings from before anyone listens. */
  readonly #early: { readonly message: string; readonly hint: string }[] = [];
  #interrupts = 0;
  #spurious = 0;
  #polls = 0;
  /** Counters of rings and uplinks that an MTU change has replaced. */
  readonly #before = { receive: new Float64Array(16), transmit: new Float64Array(16) };
  readonly #uplinkBefore: Record<(typeof UPLINK_COUNTERS)[number], number> = {
    tagsTaken: 0,
    merged: 0,
    writes: 0,
    sendDrops: 0,
    receiveDrops: 0,
  };

  /** Opens the TAP, probes the device and brings it up. `device` makes the device once the TAP is there. */
  constructor(task: DriverTask, parts: { device: () => PciDevice; clock: Clock; report: (report: Report) => void }) {
    using scope = new DisposableStack();
    const { host } = task;
    this.#report = parts.report;
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
      bind(rtl8169, this.#device, { clock: parts.clock, mtu, weaklyOrdered: process.arch !== "x64" }),
    );
    this.#nic = this.#bound.driver;
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
    this.#report({ report: "ready", facts: this.facts() });
    for (const { message, hint } of [...warnings, ...this.#early])
      this.#report({ report: "event", event: { kind: "warning", message, hint } });
    // A link that is up already has no event any more.
    if (this.#nic.link.up) this.#carrier();
  }

  facts(): SessionFacts {
    const { chip, xid, address } = this.#nic;
    return {
      device: this.#device.name,
      chip: chip.name,
      xid,
      mac: formatMac(address),
      interfaceName: this.#tap.name,
      ringSlots: this.#nic.slots,
      offloads: [
        "rx-checksum",
        ...(this.#nic.offloads ? ["tx-checksum", "tso4"] : []),
        ...(this.#nic.offloadsIpv6 ? ["tso6"] : []),
        "vlan-insert",
        "vlan-strip",
        "scatter",
      ],
    };
  }

  /** For poll(2): frames from the host. */
  get hostFd(): number {
    return this.#tap.number;
  }

  /** With the NIC's ring full there is no use in being told that the host has frames. */
  get stalled(): boolean {
    return this.#uplink.stalled;
  }

  /** One round of both directions; returns how many frames it moved. @param most that are taken from the host */
  pump(most = BUDGET): number {
    this.#polls++;
    return this.#uplink.pumpOut(most) + this.#uplink.pumpIn(BUDGET);
  }

  /** The host had no more frames when it was last asked: poll(2) knows when it has. */
  get hostDry(): boolean {
    return this.#uplink.dry;
  }

  /** Another round would find frames. */
  get more(): boolean {
    return !this.#uplink.dry || this.#nic.waiting;
  }

  /**
   * The host has frames. What the chip does with them, and an answer that is quick, are then found by polling: an interrupt
   * costs more than the two registers that it is held back with.
   */
  attend(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#unheard = true;
    this.#nic.mask();
  }

  /** The interrupt line may have an event. */
  interrupt(): void {
    if (!this.#nic.line.take()) return;
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

  /** Looks whether the device is still there. @throws {DeviceGone} */
  look(): void {
    this.#nic.interrupt();
  }

  /** There was no work: interrupts on again. False when work came in meanwhile; the chip may not tell of it again. */
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

  /** The main thread wants another MTU. */
  setMtu(mtu: number): void {
    try {
      this.#rebuild(mtu);
      this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu));
      this.#report({ report: "mtu", mtu });
    } catch (error) {
      this.#report({ report: "mtu", mtu: this.#nic.mtu, error: plainError(error) });
    }
  }

  /** Someone may have changed the interface's MTU or address: the NIC follows. */
  follow(): void {
    const address = this.#tap.address;
    const { address: ours } = this.#nic;
    if (!address.every((byte, i) => byte === ours[i])) this.#nic.address = address;
    const mtu = this.#interfaceMtu();
    if (mtu === undefined || mtu === this.#nic.mtu) return;
    try {
      this.#rebuild(mtu);
    } catch (error) {
      this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, this.#nic.mtu));
      this.#warn(error);
    }
  }

  /** Writes out what the capture holds back. */
  flush(): void {
    this.#capture?.flush();
  }

  publish(pauses: { readonly count: number; readonly micros: number }): void {
    const { receive, transmit } = this.#nic.rings;
    const got = (i: number): number => receive.counters[i]! + this.#before.receive[i]!;
    const gave = (i: number): number => transmit.counters[i]! + this.#before.transmit[i]!;
    const { counters } = this.#uplink;
    const moved = (name: (typeof UPLINK_COUNTERS)[number]): number => counters[name] + this.#uplinkBefore[name];
    const { link, mtu } = this.#nic;
    this.#page.publish({
      sentFrames: gave(TransmitCount.frames),
      sentBytes: gave(TransmitCount.bytes),
      superFrames: gave(TransmitCount.superFrames),
      checksumsAsked: gave(TransmitCount.checksums),
      tagsInserted: gave(TransmitCount.tags),
      tagsTaken: moved("tagsTaken"),
      scattered: gave(TransmitCount.scattered),
      receivedFrames: got(ReceiveCount.frames),
      receivedBytes: got(ReceiveCount.bytes),
      mergedFrames: moved("merged"),
      hostWrites: moved("writes"),
      sendDrops: moved("sendDrops"),
      receiveDrops: moved("receiveDrops"),
      receiveErrors: got(ReceiveCount.errors),
      deviceNonsense: got(ReceiveCount.nonsense),
      interrupts: this.#interrupts,
      spuriousInterrupts: this.#spurious,
      polls: this.#polls,
      gcPauses: pauses.count,
      gcMicros: pauses.micros,
      transmitFill: transmit.pending(),
      receiveFill: receive.armed(),
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
    if ((events & Events.broken) !== 0) this.#rebuild(this.#nic.mtu);
  }

  #carrier(): void {
    const { up, speed, fullDuplex } = this.#nic.link;
    this.#tap.setCarrier(up);
    this.publish({ count: 0, micros: 0 });
    this.#report({ report: "event", event: { kind: "carrier", up, speed, fullDuplex } });
  }

  /** Undefined while the interface is in a namespace we may not look into. */
  #interfaceMtu(): number | undefined {
    try {
      return this.#tap.withInterfaces((interfaces, name) => interfaces.mtu(name));
    } catch {
      return undefined;
    }
  }

  /** New rings for another MTU, or after the chip broke. */
  #rebuild(mtu: number): void {
    // Before anything is taken down: traffic goes on when the chip cannot carry it.
    this.#nic.checkMtu(mtu);
    const { receive, transmit } = this.#nic.rings;
    receive.counters.forEach((n, i) => (this.#before.receive[i]! += n));
    transmit.counters.forEach((n, i) => (this.#before.transmit[i]! += n));
    const { counters } = this.#uplink;
    for (const name of UPLINK_COUNTERS) this.#uplinkBefore[name] += counters[name];
    this.#uplink[Symbol.dispose]();
    this.#nic.setMtu(mtu);
    this.#uplink = this.#makeUplink();
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
