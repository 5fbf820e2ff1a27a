/** A small guest for the model's tests, without a driver: memory, two rings, and a cable that keeps frames. */
import { CHIPS, type Chip } from "#chip/chips.ts";
import { EndOfRing, FirstSegment, LastSegment, Own, TAG } from "#chip/descriptors.ts";
import {
  ChipCmd,
  Cmd,
  FLAG,
  Poll,
  PHYOCP,
  RDSAR,
  RDSARHigh,
  RxConf,
  RxConfig,
  RxMaxSize,
  TNPDS,
  TNPDSHigh,
  TxPoll,
} from "#chip/registers.ts";
import { TPPOLL } from "#chip/registers-8125.ts";
import { VirtualClock } from "#kit/clock.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";
import type { ModelOptions } from "./model-options.ts";
import { Rtl8169 } from "./rtl8169.ts";
import type { Offence } from "./observation/strict.ts";
import { newMemory } from "#wire/memory.ts";

export const RTL8168H: Chip = CHIPS.find((row) => row.key === "rtl8168h")!;
export const MAC = Uint8Array.of(0x02, 0x11, 0x22, 0x33, 0x44, 0x55);
/** The guest's memory is above 4 GiB, so that the high halves of addresses matter. */
export const BASE = 0x3_1000_0000;
export const MEMORY_BYTES = 1 << 20;
export const TX_RING = BASE + 0x1000;
export const RX_RING = BASE + 0x6000;
/** Address of the receive buffers, one every 2 KiB; transmit data follows them. */
export const RX_BUFFERS = BASE + 0x10000;
export const TX_DATA = BASE + 0x80000;

const HIGH = Math.floor(BASE / 2 ** 32);
const low = (address: number): number => address % 2 ** 32;

/** A cable that keeps the frames that were sent. It has 256 KiB of memory, and can reject frames. */
export class Cable implements Port {
  readonly bytes = new Uint8Array(1 << 18);
  readonly frames: Uint8Array[] = [];
  flushes = 0;
  /** Number of frames that the cable accepts before it rejects all others. */
  room = Infinity;
  nic: Plug | undefined;
  #at = 0;

  /** Leaves three bytes before each frame, so that frames have different alignments. */
  reserve(length: number): number {
    if (this.frames.length >= this.room) return -1;
    this.#at = this.#at + length + 7 > this.bytes.length ? 0 : this.#at + 3;
    return this.#at + length > this.bytes.length ? -1 : this.#at;
  }
  commit(length: number): void {
    this.frames.push(this.bytes.slice(this.#at, this.#at + length));
    this.#at += length;
  }
  flush(): void {
    this.flushes++;
  }
  plug(nic: Plug): void {
    this.nic = nic;
  }
}

/** Guest memory that consists of one region. Accesses outside it are rejected. */
export class OneRegion implements GuestMemory {
  readonly one: MemoryRegion;
  constructor(address: number, length: number, memory: FrameMemory = newMemory(length)) {
    this.one = { address, length, ...memory };
  }
  region(address: number, length: number): MemoryRegion | undefined {
    return address >= this.one.address && address + length <= this.one.address + this.one.length ? this.one : undefined;
  }
}

export interface Fragment {
  readonly bytes: Uint8Array;
  readonly opts1?: number;
  readonly opts2?: number;
}

export class Guest {
  readonly clock = new VirtualClock();
  readonly memory: OneRegion;
  readonly cable = new Cable();
  readonly offences: Offence[] = [];
  readonly nic: Rtl8169;
  interrupts = 0;
  readonly #bar: 1 | 2;
  #txIndex = 0;
  #txData = TX_DATA;

  constructor(options: Partial<ModelOptions> = {}, memory: OneRegion = new OneRegion(BASE, MEMORY_BYTES)) {
    this.memory = memory;
    this.nic = new Rtl8169({
      chip: RTL8168H,
      mac: MAC,
      clock: this.clock,
      timers: this.clock.timers,
      report: (offence) => this.offences.push(offence),
      ...options,
    });
    this.#bar = this.nic.chip.profile.function.registersBar;
    this.nic.attach(this.memory, () => this.interrupts++);
    this.nic.connect(this.cable);
    this.busMaster(false);
  }

  r8 = (at: number): number => this.nic.read(this.#bar, at, 1);
  r16 = (at: number): number => this.nic.read(this.#bar, at, 2);
  r32 = (at: number): number => this.nic.read(this.#bar, at, 4);
  w8 = (at: number, value: number): void => this.nic.write(this.#bar, at, 1, value);
  w16 = (at: number, value: number): void => this.nic.write(this.#bar, at, 2, value);
  w32 = (at: number, value: number): void => this.nic.write(this.#bar, at, 4, value >>> 0);

  phyRead(address: number): number {
    this.w32(PHYOCP, address << 15);
    return this.r32(PHYOCP) & 0xffff;
  }
  phyWrite(address: number, value: number): void {
    this.w32(PHYOCP, (FLAG | (address << 15) | value) >>> 0);
  }

  /** Enables decoding, as the system does before a driver starts, and bus mastering if `on`. */
  busMaster(on = true): void {
    this.nic.write("config", 4, 2, on ? 7 : 3);
  }

  /** Brings the NIC from power-on to a state in which it sends and receives, with the link up. */
  bringUp(accept: number = RxConf.acceptBroadcast | RxConf.acceptPhysical): void {
    this.busMaster();
    this.nic.setCarrier(true);
    this.clock.delay(10_000);
    this.w16(RxMaxSize, 0x4000);
    this.w32(TNPDSHigh, HIGH);
    this.w32(TNPDS, low(TX_RING));
    this.w32(RDSARHigh, HIGH);
    this.w32(RDSAR, low(RX_RING));
    this.w8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
    this.w32(RxConfig, RxConf.dmaBurst | accept);
  }

  /** Word index in `words` of an address. */
  word(address: number): number {
    return (address - BASE) / 4;
  }
  get words(): Int32Array {
    return this.memory.one.words;
  }
  descriptor(ring: number, index: number): { opts1: number; opts2: number } {
    const at = this.word(ring) + 4 * index;
    return { opts1: this.words[at]! >>> 0, opts2: this.words[at + 1]! >>> 0 };
  }
  setDescriptor(ring: number, index: number, opts1: number, opts2: number, address: number): void {
    const at = this.word(ring) + 4 * index;
    this.words[at + 2] = low(address) | 0;
    this.words[at + 3] = Math.floor(address / 2 ** 32);
    this.words[at + 1] = opts2;
    this.words[at] = opts1;
  }

  /** Gives the chip `count` receive buffers of `bytes` each; the last one ends the ring. */
  post(count: number, bytes = 2048): void {
    for (let i = 0; i < count; i++)
      this.setDescriptor(RX_RING, i, Own | bytes | (i === count - 1 ? EndOfRing : 0), 0, RX_BUFFERS + i * 2048);
  }

  /** Puts a frame of one or more fragments into the transmit ring, which has 256 descriptors. */
  put(...fragments: Fragment[]): void {
    const { opts1: same1 = 0, opts2: same2 = 0 } = fragments[0]!;
    fragments.forEach(({ bytes, opts1 = same1, opts2 = same2 }, i) => {
      const address = this.#txData + (this.#txIndex % 4);
      this.memory.one.bytes.set(bytes, address - BASE);
      this.#txData = TX_DATA + ((address - TX_DATA + bytes.length + 64) & ~3);
      const ends = (i === 0 ? FirstSegment : 0) | (i === fragments.length - 1 ? LastSegment : 0);
      const eor = this.#txIndex === 255 ? EndOfRing : 0;
      this.setDescriptor(TX_RING, this.#txIndex, Own | ends | eor | opts1 | bytes.length, opts2, address);
      this.#txIndex = (this.#txIndex + 1) % 256;
    });
  }
  /** Makes the next frame use the first descriptor of the transmit ring, as after a write to the ring's base. */
  rewind(): void {
    this.#txIndex = 0;
  }
  /** Rings the doorbell of queue 0. */
  ring(): void {
    if (this.nic.chip.profile.mac.doorbell === "TPPOLL") this.w16(TPPOLL, 1);
    else this.w8(TxPoll, Poll.normalPriority);
  }
  /** Like `put`, but also rings the doorbell. */
  send(...fragments: Fragment[]): void {
    this.put(...fragments);
    this.ring();
    this.#txData = TX_DATA;
  }

  /** The frame in receive buffer `index`, without FCS. */
  received(index: number): { bytes: Uint8Array; opts1: number; opts2: number } {
    const { opts1, opts2 } = this.descriptor(RX_RING, index);
    const at = RX_BUFFERS + index * 2048 - BASE;
    return { bytes: this.memory.one.bytes.slice(at, at + (opts1 & 0x3fff) - 4), opts1, opts2 };
  }
}

/** An Ethernet frame of `length` bytes with a recognisable payload. */
export const frame = (destination: Uint8Array, length: number, type = 0x88b5): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes.set(destination);
  bytes.set([0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee], 6);
  bytes[12] = type >>> 8;
  bytes[13] = type;
  for (let i = 14; i < length; i++) bytes[i] = i * 7;
  return bytes;
};
export const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);
export const tagOfDescriptor = (opts2: number): number => ((opts2 & 0xff) << 8) | ((opts2 & TAG) >>> 8);
