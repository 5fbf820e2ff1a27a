/** The NIC: puts its parts together and shows them to a bus (`Target`) and to a cable (`Plug`). */
import type { Chip } from "#chip/chips.ts";
import {
  ChipCmd,
  Cmd,
  IDR0,
  IDR4,
  Intr,
  IntrStatus,
  PHYstatus,
  Poll,
  RDSAR,
  THPDS,
  TimerCount,
  TNPDS,
  TxConf,
  TxConfig,
} from "#chip/registers.ts";
import type { Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Plug, Port } from "#kit/port.ts";
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";
import { MAC_BYTES, parseMac } from "#wire/mac.ts";
import { ConfigSpace, MsixTable, REGION_BYTES } from "./config-space.ts";
import { type CounterName, TallyCounters } from "./counters.ts";
import { Dma } from "./dma.ts";
import { InterruptBlock } from "./interrupts.ts";
import {
  type AccessWidth,
  CONFIG_AT,
  CONFIG_BYTES,
  ones,
  Page,
  PAGE_BYTES,
  RAISED_AT,
  REGISTER_BYTES,
} from "./page.ts";
import { GIGABIT_PARTNER, type Partner, Phy, type PhyLink } from "./phy.ts";
import { ReceiveEngine } from "./receive.ts";
import { type Effects, RegisterFile } from "./register-file.ts";
import { DescriptorRing } from "./ring.ts";
import { scheduleOn, type Schedule } from "./schedule.ts";
import { SideRegisters } from "./side-registers.ts";
import { type Offence, type OffenceName, Offences, type Strictness } from "./strict.ts";
import { Timer } from "./timer.ts";
import { TransmitEngine } from "./transmit.ts";
import { Unplugged } from "./unplugged.ts";

export interface ModelOptions {
  readonly chip: Chip;
  /** Station address as in the chip's EEPROM; no group address. */
  readonly mac: string | Uint8Array;
  readonly clock: { now(): number };
  /** Where the model's pending work is kept. Whoever owns the clock runs it. */
  readonly timers: Timers;
  /** What to do about offences; `warn` unless said otherwise. */
  readonly strict?: Strictness;
  readonly report?: (offence: Offence) => void;
  /** 8 KiB for the registers and configuration space (`PAGE_BYTES`): shared memory when a threaded bus publishes them. */
  readonly memory?: ArrayBufferLike;
  /**
   * The CPU may show one thread's stores to another in another order (arm64), or nobody knows that it does not, which is
   * what is assumed unless said otherwise: stores that publish others then go through Atomics.
   */
  readonly weaklyOrdered?: boolean;
  /** How long an indirect register, PHY or counter dump takes, in microseconds; 0 unless said otherwise. */
  readonly accessMicros?: number;
  /** How long link partners negotiate, in microseconds; 2000 unless said otherwise. Real ones take seconds. */
  readonly negotiateMicros?: number;
}

const NEGOTIATE_MICROS = 2000;
/** Ethernet header with a tag, above the MTU. */
const FRAME_OVERHEAD = 18;

/**
 * An RTL8168H. All calls come from one thread; the guest may be called from within any of them, and may call back.
 *
 * Whoever owns the clock runs the timers; nothing else is needed to keep the model going.
 */
export class Rtl8169 implements Target, Plug {
  readonly chip: Chip;
  readonly mac: Readonly<Uint8Array>;
  /** The register page, as a threaded bus publishes it. */
  readonly memory: ArrayBufferLike;
  readonly #page: Page;
  readonly #offences: Offences;
  readonly #registers: RegisterFile;
  readonly #config: ConfigSpace;
  readonly #msix = new MsixTable();
  readonly #dma: Dma;
  readonly #interrupts: InterruptBlock;
  readonly #timer: Timer;
  readonly #tally: TallyCounters;
  readonly #phy: Phy;
  readonly #side: SideRegisters;
  readonly #normal: TransmitEngine;
  readonly #high: TransmitEngine;
  readonly #receiver: ReceiveEngine;
  #raise: (vector: number) => void = () => {};
  #transmitting = false;
  #receiving = false;
  #loopback = false;

  /** @throws {OutOfRange} for a chip there is no model of yet, a group address, or memory that is too small */
  constructor(options: ModelOptions) {
    const { chip, memory = new ArrayBuffer(PAGE_BYTES), accessMicros = 0 } = options;
    if (chip.generation !== "8168h") throw new OutOfRange(`no model of ${chip.name} yet`, "Use rtl8168h.");
    if (memory.byteLength < PAGE_BYTES) throw new OutOfRange(`${memory.byteLength} bytes of memory for the registers`);
    this.chip = chip;
    this.mac = stationAddress(options.mac);
    this.memory = memory;
    const schedule = scheduleOn(options.clock, options.timers);
    const page = new Page(memory, 0, REGISTER_BYTES, options.weaklyOrdered ?? true);
    const offences = new Offences(options.strict ?? "warn", options.report);
    this.#page = page;
    this.#offences = offences;
    this.#config = new ConfigSpace(new Page(memory, CONFIG_AT, CONFIG_BYTES), this.mac);
    this.#dma = new Dma(this.#config, offences, () => this.#interrupts.raise(Intr.systemError));
    const parts = { page, schedule, offences, dma: this.#dma };
    this.#phy = new Phy(schedule, options.negotiateMicros ?? NEGOTIATE_MICROS, () => this.#linkChanged());
    this.#side = new SideRegisters(parts, this.#config, this.mac, this.#phy.access, accessMicros);
    this.#registers = new RegisterFile(page, offences, this.#effects(), chip.xid);
    this.#interrupts = new InterruptBlock(
      page,
      schedule,
      () => this.#phy.link.speed,
      () => this.#raise(0),
    );
    this.#timer = new Timer(page, schedule, this.#interrupts);
    this.#tally = new TallyCounters(accessMicros, parts);
    this.#normal = this.#transmitEngine(TNPDS, schedule);
    this.#high = this.#transmitEngine(THPDS, schedule);
    this.#receiver = new ReceiveEngine(new DescriptorRing(parts, RDSAR), {
      page,
      interrupts: this.#interrupts,
      counters: this.#tally,
      reversedHash: chip.bus === "pcie",
      longestFrame: chip.largestMtu + FRAME_OVERHEAD,
      enabled: () => this.#receiving,
    });
    this.connect(new Unplugged());
    this.#powerOn();
  }

  /** Plugs the cable in; the port hands its frames to this NIC from now on. Carrier is another matter: `setCarrier`. */
  connect(port: Port): void {
    this.#normal.connect(port);
    this.#high.connect(port);
    this.#receiver.connect(port);
    port.plug(this);
  }

  /** A link partner is there, with these abilities, or is not. The link comes up when both have negotiated. */
  setCarrier(up: boolean, partner: Partner = GIGABIT_PARTNER): void {
    this.#phy.plug(up ? partner : undefined);
  }

  /** The link as the PHY has it. */
  get link(): PhyLink {
    return this.#phy.link;
  }

  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#phy.link.up && this.#receiver.receive(bytes, offset, length);
  }

  /** Whether a frame would find a descriptor: what a cable with flow control asks before it delivers. */
  hasRoom(): boolean {
    return this.#receiver.hasRoom();
  }

  /** Tally counters. */
  get counters(): Record<CounterName, number> {
    return this.#tally.snapshot();
  }

  /** Super-frames the segmentation engine has cut. */
  get segmented(): number {
    return this.#normal.superFrames + this.#high.superFrames;
  }

  /** How often the guest did what a real chip would punish. */
  get offences(): Readonly<Record<OffenceName, number>> {
    return this.#offences.counts;
  }

  /** Events raised so far, modulo 2^32: the word at `RAISED_AT` of the page. */
  get eventsRaised(): number {
    return this.#page.words[RAISED_AT >> 2]!;
  }

  /** For a bus whose guest reads IntrStatus from the page: `eventsRaised` from before the guest's last such read. */
  seen(events: number): void {
    this.#interrupts.seen(events);
  }

  size(region: RegionName): number {
    return REGION_BYTES[region];
  }

  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.#dma.attach(memory);
    this.#raise = raise;
  }

  /** The bus mapped or unmapped guest memory. To be called before unmapped memory goes away. */
  memoryChanged(): void {
    this.#dma.forget();
  }

  reset(): void {
    this.#powerOn();
  }

  read(region: RegionName, offset: number, width: AccessWidth): number {
    if (!this.#inside(region, offset, width) || this.#offences.fallen) return ones(width);
    if (region === "config") return this.#config.read(offset, width);
    if (region === 4) return this.#msix.read(offset, width);
    if (offset < TimerCount + 4 && offset + width > TimerCount) this.#timer.refresh();
    if (offset < IntrStatus + 2 && offset + width > IntrStatus) this.#interrupts.observe();
    const value = this.#registers.read(offset, width);
    this.#offences.access(offset, width, value, false);
    return value;
  }

  write(region: RegionName, offset: number, width: AccessWidth, value: number): void {
    if (!this.#inside(region, offset, width) || this.#offences.fallen) return;
    if (region === "config") {
      this.#config.write(offset, width, value);
      return;
    }
    if (region === 4) {
      this.#msix.write(offset, width, value);
      return;
    }
    this.#offences.access(offset, width, value, true);
    this.#registers.write(offset, width, value);
  }

  #inside(region: RegionName, offset: number, width: number): boolean {
    return Number.isInteger(offset) && offset >= 0 && offset + width <= REGION_BYTES[region];
  }

  #transmitEngine(register: number, schedule: Schedule): TransmitEngine {
    const parts = { page: this.#page, offences: this.#offences, dma: this.#dma };
    return new TransmitEngine(new DescriptorRing(parts, register), {
      schedule,
      offences: this.#offences,
      interrupts: this.#interrupts,
      counters: this.#tally,
      longestFrame: this.chip.largestMtu + FRAME_OVERHEAD,
      enabled: () => this.#transmitting,
      divert: (bytes, offset, length) => this.#divert(bytes, offset, length),
    });
  }

  /** Frames of a NIC in loopback come back; those of one without a link are lost. */
  #divert(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#loopback || this.#phy.loopback) {
      this.#receiver.receive(bytes, offset, length);
      return true;
    }
    return !this.#phy.link.up;
  }

  #effects(): Effects {
    const configure = (): void => this.#receiver.configure();
    return {
      station: configure,
      filter: configure,
      receiveConfig: configure,
      tally: () => this.#tally.command(),
      transmitBase: (value) => this.#normal.ring.latch(value),
      transmitBaseHigh: () => this.#normal.ring.highWritten(),
      priorityBase: (value) => this.#high.ring.latch(value),
      priorityBaseHigh: () => this.#high.ring.highWritten(),
      receiveBase: (value) => this.#receiver.ring.latch(value),
      receiveBaseHigh: () => this.#receiver.ring.highWritten(),
      command: (value) => this.#command(value),
      poll: (value) => this.#poll(value),
      interruptMask: () => this.#interrupts.look(),
      acknowledge: (value) => this.#interrupts.acknowledge(value),
      mitigate: () => this.#interrupts.changed(),
      transmitConfig: () => {
        this.#loopback = (this.#page.get(TxConfig, 4) & TxConf.loopback) === TxConf.loopback;
      },
      timerRestart: () => this.#timer.restart(),
      timerThreshold: () => this.#timer.arm(),
      ...this.#side.effects,
    };
  }

  #command(value: number): void {
    if ((value & Cmd.reset) !== 0) {
      this.#softReset();
      return;
    }
    const command = this.#page.get(ChipCmd, 1);
    const transmitting = (command & Cmd.transmitEnable) !== 0;
    const receiving = (command & Cmd.receiveEnable) !== 0;
    if (transmitting && !this.#transmitting) {
      this.#normal.ring.start();
      this.#high.ring.start();
    }
    if (receiving && !this.#receiving) this.#receiver.ring.start();
    this.#transmitting = transmitting && (command & Cmd.stopRequest) === 0;
    this.#receiving = receiving;
    this.#receiver.configure();
  }

  #poll(value: number): void {
    if ((value & Poll.highPriority) !== 0) this.#high.doorbell();
    if ((value & Poll.normalPriority) !== 0) this.#normal.doorbell();
    if ((value & Poll.softwareInterrupt) !== 0) this.#interrupts.raise(Intr.software);
  }

  /** Stops both directions and forgets the rings. Station address, multicast hash, PHY and wake-up settings stay. */
  #softReset(): void {
    this.#registers.softReset();
    this.#transmitting = false;
    this.#receiving = false;
    this.#loopback = false;
    this.#normal.reset();
    this.#high.reset();
    this.#receiver.ring.reset();
    this.#receiver.configure();
    this.#timer.arm();
    this.#interrupts.reset();
  }

  #powerOn(): void {
    this.#offences.reset();
    this.#config.powerOn();
    this.#msix.powerOn();
    this.#dma.forget();
    this.#registers.powerOn();
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.mac;
    this.#page.put(IDR0, 4, a | (b << 8) | (c << 16) | (d << 24));
    this.#page.put(IDR4, 4, e | (f << 8));
    this.#side.powerOn();
    this.#tally.powerOn();
    this.#timer.restart();
    this.#softReset();
    this.#phy.powerOn();
    // What power-on did to the link is no event.
    this.#page.put(IntrStatus, 2, 0);
    this.#interrupts.reset();
  }

  #linkChanged(): void {
    this.#page.put(PHYstatus, 1, this.#phy.status);
    this.#interrupts.raise(Intr.linkChange);
  }
}

/** @throws {OutOfRange} unless it is the address of one station; @throws {InvalidMacAddress} */
const stationAddress = (mac: string | Uint8Array): Uint8Array => {
  const bytes = typeof mac === "string" ? parseMac(mac) : Uint8Array.from(mac);
  if (bytes.length !== MAC_BYTES || (bytes[0]! & 1) !== 0 || bytes.every((byte) => byte === 0))
    throw new OutOfRange("a NIC's own address has six bytes, is not a group's and not all zero");
  return bytes;
};
