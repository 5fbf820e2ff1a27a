/**
 * A stream socket as the far end of the cable. Each frame is preceded by its length in four bytes, most significant
 * first, as in QEMU's `-netdev stream` and passt.
 *
 * The other side is not trusted. An invalid length ends the connection, since the start of the next frame is unknown.
 * Without a connection frames are dropped and counted, as on an unplugged cable.
 */
import { Misuse } from "#kit/errors.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import { Errno, errorName } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import { Iovecs, readv, writev } from "#sys/memory.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { newMemory } from "#wire/memory.ts";
import { withoutPadding } from "#wire/padding.ts";
import { Delivery } from "./wire-delivery.ts";
import type { FrameObserver } from "./frame-observer.ts";

const PREFIX = 4;
/** QEMU's NET_BUFSIZE: a super-frame of 64 KiB with room for headers. */
const MAX_FRAME = 4096 + 65_536;
/** Areas of memory, in this order: outgoing frames, a frame that will be dropped, incoming frames. */
const OUT_BYTES = 512 << 10;
const LOST_AT = OUT_BYTES;
const IN_AT = OUT_BYTES + ((PREFIX + MAX_FRAME + 63) & ~63);
const IN_BYTES = 256 << 10;
/** If the peer has not read for this time and the memory for outgoing frames is full, further frames are dropped. */
const STALL_MICROS = 1_000_000;

export interface StreamWireOptions {
  readonly clock: { now(): number };
  readonly capture?: FrameObserver | undefined;
  /** Called when the other side or an error has ended the connection. The descriptor is already closed. */
  readonly onEnd?: (why: string) => void;
}

export class StreamWire implements Port, Disposable {
  readonly bytes: Uint8Array;
  readonly memory: FrameMemory;
  readonly delivery: Delivery;
  readonly #options: StreamWireOptions;
  readonly #iovecs: Iovecs;
  #socket: Fd | undefined;
  /** The outgoing bytes from `#head` to `#tail` were not yet accepted by the socket. */
  #head = 0;
  #tail = 0;
  #reserved = -1;
  /** Time since which the peer has read nothing; -1 while it reads. */
  #stalledAt = -1;
  /** The incoming bytes from `#first` to `#last` were not yet delivered. */
  #first = IN_AT;
  #last = IN_AT;

  constructor(options: StreamWireOptions) {
    const memory = newMemory(IN_AT + IN_BYTES);
    this.bytes = memory.bytes;
    this.memory = memory;
    this.delivery = new Delivery(options.capture);
    this.#options = options;
    this.#iovecs = new Iovecs(1, memory.bytes.buffer);
  }

  /** Takes ownership of a connected non-blocking socket. @throws {Misuse} while another one is connected */
  connect(socket: Fd): void {
    if (this.#socket !== undefined) throw new Misuse("a stream wire has one connection at a time");
    this.#socket = socket;
    this.#head = this.#tail = 0;
    this.#stalledAt = -1;
    this.#first = this.#last = IN_AT;
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  /** For poll(2); -1 without a connection. */
  get fd(): number {
    return this.#socket?.number ?? -1;
  }

  /** True if the socket did not accept all bytes. The caller must then also wait until the socket is writable. */
  get blocked(): boolean {
    return this.#head < this.#tail;
  }

  /** True if a complete frame waits for the NIC. */
  get pending(): boolean {
    return this.#frameLength() > 0;
  }

  plug(nic: Plug): void {
    this.delivery.plug(nic);
  }

  reserve(length: number): number {
    if (length <= 0 || length > MAX_FRAME) return -1;
    let at = this.#tail;
    if (this.#socket === undefined) at = LOST_AT;
    else if (at + PREFIX + length > OUT_BYTES) {
      this.#makeRoom();
      at = this.#tail;
      if (at + PREFIX + length > OUT_BYTES) {
        // The peer has not been stalled for long. The result -1 makes the NIC keep the frame.
        if (!this.#stalled()) return -1;
        at = LOST_AT;
      }
    }
    this.#reserved = at + PREFIX;
    return this.#reserved;
  }

  commit(length: number): void {
    const at = this.#reserved;
    this.#reserved = -1;
    if (at < 0 || length <= 0 || at + length > IN_AT)
      throw new Misuse(`a commit of ${length} bytes at ${at} is not possible`);
    this.delivery.sent(this.bytes, at, length);
    if (at >= LOST_AT) {
      this.delivery.counts.unsent++;
      return;
    }
    const { bytes } = this;
    // Padding is removed: QEMU's NICs send none, and passt before 2024 would treat it as payload.
    const kept = withoutPadding(bytes, at, length);
    bytes[at - 4] = 0;
    bytes[at - 3] = kept >>> 16;
    bytes[at - 2] = kept >>> 8;
    bytes[at - 1] = kept;
    this.#tail = at + kept;
  }

  flush(): void {
    while (this.#socket !== undefined && this.#head < this.#tail) {
      this.#iovecs.point(0, this.#head, this.#tail - this.#head);
      const taken = writev(this.#socket.number, this.#iovecs, 1);
      if (taken === -Errno.EAGAIN) {
        if (this.#stalledAt < 0) this.#stalledAt = this.#options.clock.now();
        return;
      }
      if (taken < 0 && taken !== -Errno.EINTR) {
        this.#end(errorName(-taken));
        return;
      }
      if (taken > 0) {
        this.#head += taken;
        this.#stalledAt = -1;
      }
    }
    this.#head = this.#tail = 0;
  }

  /**
   * Reads frames, and delivers up to `budget` of them to the NIC. Returns the number of frames delivered or dropped.
   */
  pump(budget: number): number {
    if (this.blocked) this.flush();
    let frames = 0;
    // Invalid frames also count as steps; otherwise a stream of them would keep this loop running.
    for (let steps = 0; frames < budget && steps <= 2 * budget; steps++) {
      const length = this.#frameLength();
      if (length < 0) {
        this.#end("a frame with an invalid length arrived");
        break;
      }
      if (length === 0) {
        if (!this.#read()) break;
        continue;
      }
      if (!this.#deliver(length)) break;
      frames++;
    }
    return frames;
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
    this.#socket = undefined;
  }

  /** Delivers the first frame to the NIC, or drops it if it is invalid. Returns false if the frame must wait. */
  #deliver(length: number): boolean {
    const at = this.#first + PREFIX;
    if (length < ETHERNET_BYTES) this.delivery.counts.malformed++;
    else if (!this.delivery.offer(this.bytes, at, length)) return false;
    this.#first = at + length;
    return true;
  }

  /** Length of the first frame if it is complete, 0 if not, -1 if its length is invalid. */
  #frameLength(): number {
    const { bytes } = this;
    for (;;) {
      const at = this.#first;
      if (this.#last - at < PREFIX) return 0;
      const length = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < 0 || length > MAX_FRAME) return -1;
      if (length > 0) return this.#last - at - PREFIX >= length ? length : 0;
      // The length is 0: there is no frame, so this is only counted.
      this.delivery.counts.malformed++;
      this.#first += PREFIX;
    }
  }

  /** Reads once. Returns false if nothing was read. */
  #read(): boolean {
    if (this.#socket === undefined) return false;
    if (this.#first === this.#last) this.#first = this.#last = IN_AT;
    else if (this.#first > IN_AT) {
      this.bytes.copyWithin(IN_AT, this.#first, this.#last);
      this.#last -= this.#first - IN_AT;
      this.#first = IN_AT;
    }
    this.#iovecs.point(0, this.#last, IN_AT + IN_BYTES - this.#last);
    const read = readv(this.#socket.number, this.#iovecs, 1);
    if (read === -Errno.EAGAIN || read === -Errno.EINTR) return false;
    if (read <= 0) this.#end(read === 0 ? "closed by the other side" : errorName(-read));
    else this.#last += read;
    return read > 0;
  }

  /** Sends as many bytes as possible, and moves the rest to the front. */
  #makeRoom(): void {
    this.flush();
    if (this.#head === 0) return;
    this.bytes.copyWithin(0, this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
  }

  #stalled(): boolean {
    return this.#stalledAt >= 0 && this.#options.clock.now() - this.#stalledAt >= STALL_MICROS;
  }

  #end(why: string): void {
    this[Symbol.dispose]();
    this.#head = this.#tail = 0;
    this.#first = this.#last = IN_AT;
    this.#options.onEnd?.(why);
  }
}
