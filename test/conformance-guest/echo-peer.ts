/**
 * The far end of a cable, in this process. It sends one echo request at a time and waits for the reply. With nothing
 * else on the wire, a lost interrupt shows as a missing reply.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { get16, put16 } from "#wire/bigendian.ts";
import { finish, sum } from "#wire/checksum.ts";
import { buildEthernet, ETHERNET_BYTES, EtherType } from "#wire/ethernet.ts";
import { fillIpv4Checksum } from "#wire/fill.ts";
import { buildEcho, CHECKSUM, ICMP_BYTES, IcmpType, parseEcho } from "#wire/icmp.ts";
import { buildIpv4, IPV4_BYTES, parseIpv4Address, PROTOCOL, Protocol } from "#wire/ipv4.ts";
import { memoryOf } from "#wire/memory.ts";
import { parseMac } from "#wire/mac.ts";
import { FAR, NEAR } from "../guest/rig.ts";

/**
 * Length in bytes of the prefix of each frame on the socket. The prefix is the frame's length, most significant byte
 * first.
 */
const PREFIX = 4;
const PAYLOAD = 56;
/** Offset of the IP header in a frame. */
const IP_AT = ETHERNET_BYTES;
/** Offset of the ICMP header in a frame. */
const ICMP_AT = IP_AT + IPV4_BYTES;
/** Length of a frame. */
const LENGTH = ICMP_AT + ICMP_BYTES + PAYLOAD;
const IDENTIFIER = 0xf0;
/** Time after which a reply counts as lost: long enough for an emulated guest on a busy machine. */
const LOST_MILLIS = 60_000;
const CHECK_MILLIS = 250;

export const PEER_MAC = "02:00:5e:10:00:02";

export interface Trips {
  readonly answered: number;
  readonly lost: number;
  readonly seconds: number;
  /** The longest round-trip time, in milliseconds. */
  readonly slowest: number;
}

export class EchoPeer implements AsyncDisposable {
  readonly #socket: Socket;
  /** The prefix, followed by the frame of the request. */
  readonly #request = memoryOf(new Uint8Array((PREFIX + LENGTH + 3) & ~3));
  #received: Buffer = Buffer.alloc(0);
  #sequence = 0;
  /** Called when the reply to the latest request has arrived. */
  #answered: () => void = () => {};

  private constructor(socket: Socket, guest: string) {
    this.#socket = socket;
    const { bytes } = this.#request;
    bytes[PREFIX - 1] = LENGTH;
    const addresses = { destination: parseMac(guest), source: parseMac(PEER_MAC) };
    buildEthernet(bytes, PREFIX, { ...addresses, type: EtherType.ipv4 });
    buildIpv4(bytes, PREFIX + IP_AT, {
      totalLength: LENGTH - IP_AT,
      identification: 0,
      fragment: 0,
      timeToLive: 64,
      protocol: Protocol.icmp,
      source: parseIpv4Address(FAR.ipv4)!,
      destination: parseIpv4Address(NEAR.ipv4)!,
    });
    fillIpv4Checksum(this.#request, PREFIX + IP_AT, PREFIX + LENGTH);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** @param path `Rig.cable` @param guest the guest's MAC address */
  static async open(path: string, guest: string): Promise<EchoPeer> {
    const socket = connect(path);
    await once(socket, "connect");
    socket.on("error", () => {});
    return new EchoPeer(socket, guest);
  }

  /**
   * Makes `count` round trips. A missing reply is counted, and the next request is sent. @param lostMillis time after
   * which a reply counts as lost
   */
  async trips(count: number, lostMillis = LOST_MILLIS): Promise<Trips> {
    let [answered, lost, slowest] = [0, 0, 0];
    const { promise, resolve } = Promise.withResolvers<void>();
    let sentAt = 0;
    const start = performance.now();
    const next = (): void => {
      if (answered + lost === count) {
        resolve();
        return;
      }
      sentAt = performance.now();
      this.#ask();
    };
    this.#answered = () => {
      answered++;
      slowest = Math.max(slowest, performance.now() - sentAt);
      next();
    };
    const watch = setInterval(() => {
      if (performance.now() - sentAt < lostMillis) return;
      lost++;
      next();
    }, CHECK_MILLIS);
    next();
    await promise;
    clearInterval(watch);
    this.#answered = () => {};
    return { answered, lost, seconds: (performance.now() - start) / 1000, slowest };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await sleep(0);
  }

  #ask(): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const { bytes } = this.#request;
    const echo = { type: IcmpType.echoRequest, identifier: IDENTIFIER, sequence: this.#sequence };
    buildEcho(bytes, PREFIX + ICMP_AT, echo);
    put16(bytes, PREFIX + ICMP_AT + CHECKSUM, finish(sum(this.#request, PREFIX + ICMP_AT, LENGTH - ICMP_AT)));
    // Writes a copy, because the socket may keep a reference to the bytes.
    this.#socket.write(bytes.slice(0, PREFIX + LENGTH));
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= PREFIX) {
      const end = PREFIX + this.#received.readUInt32BE(0);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(PREFIX, end);
      this.#received = this.#received.subarray(end);
      if (this.#isAnswer(frame)) this.#answered();
    }
  }

  /** Whether a frame is the reply to the latest request, not a late reply to an earlier one. */
  #isAnswer(frame: Uint8Array): boolean {
    if (frame.length < LENGTH || get16(frame, 12) !== EtherType.ipv4 || frame[IP_AT + PROTOCOL] !== Protocol.icmp)
      return false;
    const echo = parseEcho(frame, ICMP_AT, frame.length);
    return echo?.type === IcmpType.echoReply && echo.identifier === IDENTIFIER && echo.sequence === this.#sequence;
  }
}
