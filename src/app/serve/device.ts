/** The served device: combines model, wire, trace and faults, and executes control requests. */
import type { MemoryChange } from "#bus/vfio-user/replies.ts";
import type { Chip } from "#chip/chips.ts";
import { DIRECTIONS } from "#host/impaired-lane.ts";
import { ImpairedWire } from "#host/impairment.ts";
import type { Clock, Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Target } from "#kit/target.ts";
import type { InterruptKind } from "#chip/pci-function.ts";
import type { Medium } from "#model/phy/medium.ts";
import { RegisterNames } from "#model/observation/register-names.ts";
import { ANY_PARTNER, LINK_DOWN, type Partner, type PhyLink, partnerOf } from "#model/phy/link-partner.ts";
import { registersOf } from "#model/registers/register-set.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import type { Offence, Strictness } from "#model/observation/strict.ts";
import type { Trace } from "#model/observation/trace.ts";
import { BROADCAST } from "#wire/mac.ts";
import type { FarEnd } from "../wires/far-end.ts";
import { DeviceFaults } from "./device-faults.ts";
import type { ServeEvent } from "./serve-messages.ts";
import { FRAME_HINT, isFrame, type ServeRequest, type ServeState, type ServeTraffic, MIN_FRAME } from "./requests.ts";

/** The usual EtherType of magic packets. */
const WAKE_ON_LAN = 0x0842;

/** Requests to the device itself, not to its server. */
export type DeviceRequest = Exclude<ServeRequest, { command: "unplug" | "disconnect" }>;

/**
 * Duration of negotiation. Real partners take one to three seconds. The model takes less, but long enough for a driver
 * to find the link down after a change event. If the driver always found the link up, Linux's PHY layer would take the
 * new link for the old one and keep the old speed.
 */
const NEGOTIATE_MICROS = 300_000;

export interface DeviceParts {
  readonly chip: Chip;
  readonly mac: string;
  readonly strict: Strictness;
  readonly interrupts?: InterruptKind | undefined;
  readonly medium?: Medium | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly wire: FarEnd;
  readonly trace: Trace | undefined;
  readonly report: (event: ServeEvent) => void;
}

export class ServedDevice {
  /** The target that a bus accesses. Its accesses are traced if tracing is on. */
  readonly target: Target;
  readonly nic: Rtl8169;
  readonly wire: ImpairedWire;
  readonly faults: DeviceFaults;
  readonly #parts: DeviceParts;
  readonly #names: RegisterNames;
  #client = 0;
  #clients = 0;
  #clientFaults = 0;
  #clientsTurnedAway = 0;
  #cable = true;
  #partner: Partner = ANY_PARTNER;
  /** The cable state that was last passed to the NIC. */
  #carrier = false;
  /** The link state that was last reported. */
  #link: PhyLink;
  #answers = true;
  /** Number of wake-ups (PME) requested by the NIC. */
  #wakes = 0;

  constructor(parts: DeviceParts) {
    const { chip, mac, strict, interrupts, medium, clock, timers, trace } = parts;
    this.#parts = parts;
    this.wire = new ImpairedWire(parts.wire.port, { clock, timers });
    this.nic = new Rtl8169({
      chip,
      mac,
      strict,
      interrupts,
      medium,
      clock,
      timers,
      report: (offence) => this.#offence(offence),
      weaklyOrdered: process.arch !== "x64",
      negotiateMicros: NEGOTIATE_MICROS,
    });
    this.#names = new RegisterNames(registersOf(chip), chip, this.nic);
    this.target = trace === undefined ? this.nic : trace.wrap(this.nic, this.#names);
    this.faults = new DeviceFaults(this.nic);
    this.#link = this.nic.link;
    this.nic.connect(this.wire);
    this.nic.onWake(() => this.#woken());
    this.follow();
  }

  get clients(): number {
    return this.#clients;
  }

  /** Number of clients whose connection was ended because of what they sent. */
  get clientFaults(): number {
    return this.#clientFaults;
  }

  get clientsTurnedAway(): number {
    return this.#clientsTurnedAway;
  }

  /** Counts and reports a rejected client. */
  turnedAway(why: string): void {
    this.#clientsTurnedAway++;
    this.#parts.report({ kind: "client", client: 0, connected: false, why });
  }

  /** Reports that a client connected or disconnected. @param why the client's error; empty if there is none */
  client(connected: boolean, why: string): void {
    const { trace, report } = this.#parts;
    if (connected) {
      this.#client = ++this.#clients;
      if (trace !== undefined) trace.client = this.#client;
      trace?.emit({ event: "connect" });
      report({ kind: "client", client: this.#client, connected });
      return;
    }
    trace?.emit({ event: "disconnect" });
    if (why !== "") this.#clientFaults++;
    report({ kind: "client", client: this.#client, connected, why });
    this.#client = 0;
    if (trace !== undefined) trace.client = 0;
  }

  /** Traces that the client mapped or unmapped guest memory. */
  memory({ mapped, ...change }: MemoryChange): void {
    this.#parts.trace?.emit({ event: mapped ? "map" : "unmap", ...change });
  }

  /** Passes on changes of cable and link. Must be called often. */
  follow(): void {
    const { wire, trace, report } = this.#parts;
    const carrier = this.#cable && wire.plugged;
    if (carrier !== this.#carrier) {
      this.#carrier = carrier;
      this.nic.setCarrier(carrier, this.#partner);
    }
    this.#followBus();
    const link = this.#effectiveLink;
    const before = this.#link;
    if (link === before) return;
    this.#link = link;
    const { up, speed, fullDuplex } = link;
    if (up === before.up && speed === before.speed && fullDuplex === before.fullDuplex) return;
    wire.setLink(link);
    trace?.emit({ event: "link", what: up ? `up, ${speed} Mbit/s, ${fullDuplex ? "full" : "half"} duplex` : "down" });
    report({ kind: "link", up, speed, fullDuplex });
  }

  /** The link for the guest and for the wire's other end; down if the NIC has left the bus. */
  get #effectiveLink(): PhyLink {
    return this.nic.answers ? this.nic.link : LINK_DOWN;
  }

  #followBus(): void {
    const { answers } = this.nic;
    if (answers === this.#answers) return;
    this.#answers = answers;
    this.#parts.report({ kind: "bus", client: this.#client, answers });
  }

  /** @throws {OutOfRange} for an invalid request; {NoSuchPart} for a fault of a bus that the chip does not have */
  ask(request: DeviceRequest): object {
    switch (request.command) {
      case "show":
        return this.state();
      case "state":
        return this.nic.state;
      case "link":
        this.#cable = request.up;
        this.follow();
        break;
      case "partner":
        this.#partner = partnerOf(request.abilities);
        this.nic.setCarrier(this.#carrier, this.#partner);
        break;
      case "wire": {
        const { name, directions, command: _, ...impairment } = request;
        for (const direction of directions) this.wire.arm(direction, name, impairment);
        break;
      }
      case "clearWire":
        for (const direction of request.directions) this.wire.clear(direction);
        break;
      case "seed":
        this.wire.seed(request.seed);
        break;
      case "fault":
        this.faults.arm(request.name, request.count);
        this.#parts.trace?.emit({ event: "fault", what: `${request.name} armed` });
        break;
      case "clearFault":
        this.faults.clear(request.name);
        this.#parts.trace?.emit({ event: "fault", what: `${request.name ?? "all"} cleared` });
        break;
      case "send":
        return { taken: this.#arrive(frameOf(request.frame)) };
      case "magic":
        return { taken: this.#arrive(magicPacket(this.nic.mac)) };
      case "reset":
        this.target.reset();
        break;
      case "power":
        this.target.powerCycle();
        break;
      default:
        request satisfies never;
    }
    return {};
  }

  state(): ServeState {
    const { nic, wire } = this;
    const { up, speed, fullDuplex, receivePause, transmitPause } = this.#effectiveLink;
    const line = (direction: "out" | "in") => ({
      armed: wire.armed(direction),
      struck: wire.counts(direction),
      ...wire.totals(direction),
    });
    return {
      chip: nic.chip.key,
      mac: this.#parts.mac,
      client: this.#client,
      clients: this.#clients,
      answers: nic.answers,
      clientFaults: this.#clientFaults,
      clientsTurnedAway: this.#clientsTurnedAway,
      cable: this.#cable,
      plugged: this.#parts.wire.plugged,
      link: { up, speed, fullDuplex, receivePause, transmitPause },
      powerState: nic.powerState,
      counters: nic.counters,
      traffic: this.traffic(),
      offences: Object.fromEntries(Object.entries(nic.offences).filter(([, times]) => times > 0)),
      wire: { out: line(DIRECTIONS[0]), in: line(DIRECTIONS[1]) },
      faults: this.faults.armed,
    };
  }

  /** Counts of frames that the NIC sent and received, and of those that it refused or that were lost. */
  traffic(): ServeTraffic {
    const [out, into] = [this.wire.totals("out"), this.wire.totals("in")];
    return {
      sentFrames: out.entered,
      sentBytes: out.enteredBytes,
      receivedFrames: into.delivered,
      receivedBytes: into.deliveredBytes,
      refused: into.refused,
      drops: out.lost + into.lost + this.#parts.wire.traffic().drops,
    };
  }

  /** Delivers a frame. Returns whether the NIC received it or was woken by it. */
  #arrive(frame: Uint8Array): boolean {
    const before = this.#wakes;
    return this.wire.inject(frame) || this.#wakes !== before;
  }

  #woken(): void {
    this.#wakes++;
    this.#parts.trace?.emit({ event: "wake" });
    this.#parts.report({ kind: "wake", client: this.#client });
  }

  #offence({ name, because, hardware, where, accesses }: Offence): void {
    this.#parts.trace?.offence({ name, because, where });
    const trace = accesses.map((access) => this.#names.sentence(access));
    this.#parts.report({ kind: "offence", client: this.#client, offence: { name, because, hardware, where, trace } });
  }
}

/** Converts hexadecimal digits to a frame. @throws {OutOfRange} if they are not a whole frame */
const frameOf = (digits: string): Uint8Array => {
  if (!isFrame(digits)) throw new OutOfRange("the text is not a valid frame", FRAME_HINT);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
};

/** A magic packet: a header, six bytes of ones, then the address sixteen times. */
const magicPacket = (mac: Readonly<Uint8Array>): Uint8Array => {
  const frame = new Uint8Array(MIN_FRAME + 6 + 16 * mac.length);
  frame.set(BROADCAST, 0);
  frame.set([0x02, 0, 0, 0, 0, 1], 6);
  frame[12] = WAKE_ON_LAN >> 8;
  frame[13] = WAKE_ON_LAN & 255;
  frame.fill(0xff, MIN_FRAME, MIN_FRAME + 6);
  for (let i = 0; i < 16; i++) frame.set(mac, MIN_FRAME + 6 + i * mac.length);
  return frame;
};
