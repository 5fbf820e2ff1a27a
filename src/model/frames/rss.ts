/** Receive side scaling (RSS): a Toeplitz hash of addresses and ports selects the receive queue of a frame. */
import { RSS_ENTRIES, QueueCount, RssControl } from "#chip/rss.ts";
import {
  dissect,
  DISSECTION_WORDS,
  ETHER_TYPE,
  Layer,
  NETWORK,
  NETWORK_LENGTH,
  PROTOCOL,
  TRANSPORT,
} from "#wire/dissect.ts";
import { EtherType } from "#wire/ethernet.ts";
import { Protocol } from "#wire/ipv4.ts";
import { IPV6_BYTES } from "#wire/ipv6.ts";
import type { SteeringRegisters } from "./steering-registers.ts";

/** Inputs of a hash: the addresses and, for TCP or UDP, also the ports. */
export const Hashed = { ipv4: 1 << 0, ipv6: 1 << 1, tcp: 1 << 2, udp: 1 << 3 } as const;

/** Length in bytes of the longest input: two IPv6 addresses and two ports. */
const INPUT_BYTES = 36;
const PORTS_BYTES = 4;
const IPV4_ADDRESSES = { offset: 12, bytes: 8 } as const;
const IPV6_ADDRESSES = { offset: 8, bytes: 32 } as const;

/**
 * The Toeplitz hash: for each set bit of the input, the 32 bits of the key that start at that position, combined by
 * XOR. When the key changes, a table is computed with the contribution of each value of each input byte.
 */
export class Toeplitz {
  readonly #contributions = new Int32Array(INPUT_BYTES * 256);

  /** @param key returns byte `i` of the 40 bytes of the key */
  set(key: (i: number) => number): void {
    const table = this.#contributions;
    for (let at = 0; at < INPUT_BYTES; at++) {
      const high = (key(at) << 24) | (key(at + 1) << 16) | (key(at + 2) << 8) | key(at + 3);
      const next = key(at + 4);
      for (let value = 0; value < 256; value++) {
        let sum = 0;
        for (let bit = 0; bit < 8; bit++)
          if ((value & (0x80 >> bit)) !== 0) sum ^= bit === 0 ? high : (high << bit) | (next >>> (8 - bit));
        table[256 * at + value] = sum;
      }
    }
  }

  /** What `count` bytes at `from` contribute to the hash; `place` is their position in the hash input. */
  part(bytes: Uint8Array, from: number, count: number, place: number): number {
    const table = this.#contributions;
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= table[256 * (place + i) + bytes[from + i]!]!;
    return sum;
  }
}

/**
 * Steers frames to queues. Sources: DPDK `drivers/net/r8169` (registers, bits, sizes); Microsoft's specification of RSS
 * (input of the hash and its order). For IPv6 extension headers, the sources give only the names of the control bits,
 * which are Microsoft's. The model does not hash home addresses of mobile IPv6.
 */
export class ReceiveSideScaling {
  /** Hash of the last frame. */
  hash = 0;
  /** Input of that hash: bits of `Hashed`; 0 if the frame was not hashed. */
  hashed = 0;
  readonly #registers: SteeringRegisters;
  readonly #queues: number;
  readonly #toeplitz = new Toeplitz();
  readonly #table = new Uint8Array(RSS_ENTRIES);
  readonly #found = new Int32Array(DISSECTION_WORDS);
  /** Whether the key or the table may have changed since both were last read. */
  #stale = true;
  #control = 0;
  /** Bits of the hash that index the indirection table. */
  #hashMask = 0;
  #queueMask = 0;

  /** @param queues number of queues of the chip, a power of 2 */
  constructor(registers: SteeringRegisters, queues: number) {
    this.#registers = registers;
    this.#queues = queues;
  }

  /** Call when one of the registers was written or all were reset. */
  configure(): void {
    const control = this.#registers.control();
    const rings = 1 << ((this.#registers.count() >>> QueueCount.shift) & QueueCount.mask);
    this.#control = control;
    this.#hashMask = (1 << ((control >>> RssControl.maskShift) & RssControl.maskMask)) - 1;
    this.#queueMask = Math.min(rings, this.#queues) - 1;
    this.#stale = true;
  }

  /** Whether any type of packet is hashed. */
  get active(): boolean {
    return (this.#control & RssControl.any) !== 0;
  }

  /** Number of queues that frames may be steered to. */
  get queues(): number {
    return this.active ? this.enabled : 1;
  }

  /** Number of queues that are enabled. */
  get enabled(): number {
    return this.#queueMask + 1;
  }

  /** Selects the queue of the frame of `length` bytes at `frame`; 0 if it is not hashed. */
  steer(bytes: Uint8Array, frame: number, length: number): number {
    this.hash = 0;
    this.hashed = 0;
    if (!this.active) return 0;
    const layer = dissect(bytes, frame, length, this.#found);
    if (layer < Layer.network) return 0;
    const type = this.#found[ETHER_TYPE];
    if (type === EtherType.ipv4) this.#hashIpv4(bytes, frame, layer);
    else if (type === EtherType.ipv6) this.#hashIpv6(bytes, frame, layer);
    if (this.hashed === 0) return 0;
    return this.#table[this.hash & this.#hashMask]! & this.#queueMask;
  }

  #hashIpv4(bytes: Uint8Array, frame: number, layer: number): void {
    const ports = this.#ports(layer, RssControl.tcpIpv4, RssControl.udpIpv4);
    if (ports === 0 && (this.#control & RssControl.ipv4) === 0) return;
    this.#sum(bytes, frame, IPV4_ADDRESSES.offset, IPV4_ADDRESSES.bytes, Hashed.ipv4 | ports);
  }

  #hashIpv6(bytes: Uint8Array, frame: number, layer: number): void {
    const extended = this.#found[NETWORK_LENGTH]! > IPV6_BYTES;
    const ports = extended
      ? this.#ports(layer, RssControl.tcpIpv6Extended, RssControl.udpIpv6Extended)
      : this.#ports(layer, RssControl.tcpIpv6, RssControl.udpIpv6);
    const addresses = extended ? RssControl.ipv6 | RssControl.ipv6Extended : RssControl.ipv6;
    if (ports === 0 && (this.#control & addresses) === 0) return;
    this.#sum(bytes, frame, IPV6_ADDRESSES.offset, IPV6_ADDRESSES.bytes, Hashed.ipv6 | ports);
  }

  /**
   * The `Hashed` bit of the ports, or 0. Ports of fragments are not hashed, because only the first fragment has them.
   */
  #ports(layer: number, tcp: number, udp: number): number {
    if (layer < Layer.transport) return 0;
    const protocol = this.#found[PROTOCOL];
    if (protocol === Protocol.tcp) return (this.#control & tcp) === 0 ? 0 : Hashed.tcp;
    return protocol === Protocol.udp && (this.#control & udp) !== 0 ? Hashed.udp : 0;
  }

  #sum(bytes: Uint8Array, frame: number, offset: number, count: number, hashed: number): void {
    if (this.#stale) this.#load();
    const found = this.#found;
    const addresses = this.#toeplitz.part(bytes, frame + found[NETWORK]! + offset, count, 0);
    this.hashed = hashed;
    this.hash =
      (hashed & (Hashed.tcp | Hashed.udp)) === 0
        ? addresses
        : addresses ^ this.#toeplitz.part(bytes, frame + found[TRANSPORT]!, PORTS_BYTES, count);
  }

  #load(): void {
    this.#stale = false;
    this.#toeplitz.set((i) => this.#registers.key(i));
    for (let i = 0; i < RSS_ENTRIES; i++) this.#table[i] = this.#registers.entry(i);
  }
}
