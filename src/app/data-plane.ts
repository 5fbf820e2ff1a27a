/**
 * The driver's thread: NAPI's shape around a blocking wait.
 *
 * Interrupt, mask, poll both directions until neither has work, unmask, look again, wait. What it waits for in one
 * poll(2): the NIC's interrupt, frames from the host, and word from the main thread.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { ThreadedDevice } from "#bus/threaded.ts";
import { Events, type Nic, rtl8169 } from "#driver/rtl8169.ts";
import { CaptureFile } from "#host/capture.ts";
import { TapUplink } from "#host/tap-uplink.ts";
import { type Bound, bind } from "#kit/device.ts";
import { RealClock } from "#kit/clock.ts";
import { EventFd } from "#sys/eventfd.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Poller } from "#sys/poll.ts";
import { Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { type Command, type DriverTask, type Report, plainError } from "./messages.ts";
import { MODEL_PAGE } from "./model-page.ts";
import { Pauses } from "./pauses.ts";
import type { SessionFacts } from "./session.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type DriverCounter } from "./statistics.ts";
import { ReceiveCount } from "#driver/receive-ring.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";

/** Frames a direction may take before the other has its turn. */
const BUDGET = 64;
/** Outgoing frames are read into this much DMA memory. */
const SEND_ARENA_BYTES = 4 << 20;
/** How often the interface's MTU and address are compared, and counters published while busy. */
const FOLLOW_MILLIS = 250;
const PUBLISH_MILLIS = 50;
const GC_MILLIS = 2000;

const IRQ = 0;
const HOST = 1;
const CONTROL = 2;

class DataPlane implements Disposable {
  readonly #scope = new DisposableStack();
  readonly #task: DriverTask;
  readonly #port: MessagePort;
  readonly #page: StatisticsPage;
  readonly #pauses: Pauses;
  readonly #control: EventFd;
  readonly #bound: Bound<Nic>;
  readonly #nic: Nic;
  readonly #tap: Tap;
  readonly #poller: Poller;
  readonly #arena: { readonly offset: number; readonly length: number };
  readonly #capture: CaptureFile | undefined;
  #uplink: TapUplink;
  #closing = false;
  /** The chip's interrupts are masked: we poll. */
  #polling = false;
  #interrupts = 0;
  #spurious = 0;
  #polls = 0;
  /** Ring counters of rings that an MTU change has replaced. */
  readonly #before = { receive: new Float64Array(16), transmit: new Float64Array(16) };

  constructor(task: DriverTask, port: MessagePort) {
    using scope = new DisposableStack();
    this.#task = task;
    this.#port = port;
    this.#page = new StatisticsPage(task.statistics, DRIVER_COUNTERS.length);
    this.#pauses = scope.use(new Pauses());
    this.#control = EventFd.attach(task.control);
    if (task.host.kind !== "tap") throw new Error(`a host of kind ${task.host.kind} has no data plane`);
    if (task.host.namespace !== undefined) NetworkNamespace.fromFd(task.host.namespace).enter();
    // Before the device is touched: a name in use or a missing permission must not cost a bring-up.
    this.#tap = scope.use(Tap.open(task.host.name, { vnetHeader: true }));

    const device = new ThreadedDevice(task.channel, MODEL_PAGE);
    this.#bound = scope.use(
      bind(rtl8169, device, { clock: new RealClock(), mtu: task.mtu, weaklyOrdered: process.arch !== "x64" }),
    );
    this.#nic = this.#bound.driver;
    const arena = scope.use(
      device.dma.allocate({ what: "send arena", bytes: SEND_ARENA_BYTES, align: 4096, direction: "toDevice" }),
    );
    this.#arena = { offset: arena.offset, length: arena.length };
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(
            new CaptureFile(task.capture, { interfaces: [task.host.name], onError: (error) => this.#warn(error) }),
          );
    this.#tap.address = this.#nic.address;
    this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, task.mtu));
    this.#tap.setCarrier(false);
    this.#nic.up();
    this.#uplink = this.#makeUplink();
    this.#poller = new Poller([this.#nic.line.fd!, this.#tap.number, task.control]);
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  facts(): SessionFacts {
    const { chip, xid, address } = this.#nic;
    return {
      device: this.#task.channel.name,
      chip: chip.name,
      xid,
      mac: formatMac(address),
      interfaceName: this.#tap.name,
      offloads: this.#nic.offloads
        ? ["rx-checksum", "tx-checksum", "tso4", "tso6", "vlan-insert", "vlan-strip", "scatter"]
        : ["rx-checksum", "vlan-insert", "vlan-strip", "scatter"],
    };
  }

  run(): void {
    let nextPublish = 0;
    let nextFollow = performance.now() + FOLLOW_MILLIS;
    let nextPauses = performance.now() + GC_MILLIS;
    while (!this.#closing) {
      const work = this.#uplink.pumpOut(BUDGET) + this.#uplink.pumpIn(BUDGET);
      this.#polls++;
      if (work > 0 && (this.#polls & 15) !== 0) continue;
      const now = performance.now();
      if (now >= nextPublish) {
        nextPublish = now + PUBLISH_MILLIS;
        this.#publish();
      }
      if (now >= nextFollow) {
        nextFollow = now + FOLLOW_MILLIS;
        this.#follow();
      }
      if (now >= nextPauses) {
        nextPauses = now + GC_MILLIS;
        this.#pauses.refresh();
        this.#capture?.flush();
      }
      if (work > 0) this.#look(0);
      else if (this.#unmask()) this.#look(this.#uplink.stalled ? 1 : Math.max(0, Math.ceil(nextFollow - now)));
    }
    this.#publish();
  }

  /** Interrupts on again. False when work came in meanwhile: the chip may not tell of it a second time. */
  #unmask(): boolean {
    if (!this.#polling) return true;
    this.#polling = false;
    this.#nic.unmask();
    return !this.#nic.rings.receive.waiting();
  }

  #look(timeoutMillis: number): void {
    // With the NIC's ring full there is no use in being told that the host has frames.
    this.#poller.include(HOST, !this.#uplink.stalled);
    if (this.#poller.wait(timeoutMillis) === 0) return;
    if (this.#poller.ready(CONTROL)) this.#hear();
    if (this.#poller.ready(IRQ) && this.#nic.line.take()) this.#interrupt();
  }

  #interrupt(): void {
    const events = this.#nic.interrupt();
    if (events === 0) {
      this.#spurious++;
      return;
    }
    this.#interrupts++;
    this.#polling = true;
    if ((events & Events.link) !== 0) this.#carrier();
    if ((events & Events.broken) !== 0) this.#rebuild(this.#nic.mtu);
  }

  #carrier(): void {
    const { up, speed, fullDuplex } = this.#nic.link;
    this.#tap.setCarrier(up);
    this.#publish();
    this.#report({ report: "event", event: { kind: "carrier", up, speed, fullDuplex } });
  }

  #hear(): void {
    this.#control.drain();
    for (let m = receiveMessageOnPort(this.#port); m !== undefined; m = receiveMessageOnPort(this.#port)) {
      const command = m.message as Command;
      if (command.command === "close") this.#closing = true;
      else this.#setMtu(command.mtu);
    }
  }

  #setMtu(mtu: number): void {
    try {
      this.#rebuild(mtu);
      this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu));
      this.#report({ report: "mtu", mtu });
    } catch (error) {
      this.#report({ report: "mtu", mtu: this.#nic.mtu, error: plainError(error) });
    }
  }

  /** Someone changed the interface's MTU or address: the NIC follows. */
  #follow(): void {
    const address = this.#tap.address;
    if (!address.every((byte, i) => byte === this.#nic.address[i])) this.#nic.address = address;
    const mtu = this.#interfaceMtu();
    if (mtu === undefined || mtu === this.#nic.mtu) return;
    try {
      this.#rebuild(mtu);
    } catch (error) {
      this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, this.#nic.mtu));
      this.#warn(error);
    }
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
    const { receive, transmit } = this.#nic.rings;
    this.#uplink[Symbol.dispose]();
    receive.counters.forEach((n, i) => (this.#before.receive[i]! += n));
    transmit.counters.forEach((n, i) => (this.#before.transmit[i]! += n));
    try {
      this.#nic.setMtu(mtu);
    } finally {
      this.#uplink = this.#makeUplink();
      this.#polling = false;
    }
  }

  #makeUplink(): TapUplink {
    return new TapUplink({
      tap: this.#tap,
      link: this.#nic,
      sendArena: this.#arena,
      offloads: this.#nic.offloads,
      capture: this.#capture,
    });
  }

  #publish(): void {
    const { receive, transmit } = this.#nic.rings;
    const got = (i: number): number => receive.counters[i]! + this.#before.receive[i]!;
    const gave = (i: number): number => transmit.counters[i]! + this.#before.transmit[i]!;
    const { counters } = this.#uplink;
    const { link, mtu } = this.#nic;
    const now: Record<DriverCounter, number> = {
      sentFrames: gave(TransmitCount.frames),
      sentBytes: gave(TransmitCount.bytes),
      superFrames: gave(TransmitCount.superFrames),
      checksumsAsked: gave(TransmitCount.checksums),
      tagsInserted: gave(TransmitCount.tags),
      tagsTaken: counters.tagsTaken,
      scattered: gave(TransmitCount.scattered),
      receivedFrames: got(ReceiveCount.frames),
      receivedBytes: got(ReceiveCount.bytes),
      mergedFrames: counters.merged,
      hostWrites: counters.writes,
      sendDrops: counters.sendDrops,
      receiveDrops: counters.receiveDrops,
      receiveErrors: got(ReceiveCount.errors),
      deviceNonsense: got(ReceiveCount.nonsense),
      interrupts: this.#interrupts,
      spuriousInterrupts: this.#spurious,
      polls: this.#polls,
      gcPauses: this.#pauses.count,
      gcMicros: this.#pauses.micros,
      transmitFill: transmit.pending(),
      receiveFill: receive.armed(),
      linkUp: link.up ? 1 : 0,
      linkSpeed: link.speed,
      linkFullDuplex: link.fullDuplex ? 1 : 0,
      mtu,
    };
    for (const [i, name] of DRIVER_COUNTERS.entries()) this.#page.values[i] = now[name];
    this.#page.publish();
  }

  #warn(error: unknown): void {
    const { message, hint } = plainError(error);
    this.#report({ report: "event", event: { kind: "warning", message, hint } });
  }

  #report(report: Report): void {
    this.#port.postMessage(report);
  }
}

const port = parentPort;
if (port === null) throw new Error("data-plane.ts is a worker's entry");
try {
  using plane = new DataPlane(workerData as DriverTask, port);
  port.postMessage({ report: "ready", facts: plane.facts() } satisfies Report);
  plane.run();
} catch (error) {
  if (process.env["FERRULE_DEBUG"] !== undefined) console.error(error);
  port.postMessage({ report: "event", event: { kind: "failed", error: plainError(error) } } satisfies Report);
}
