/** A datagram socket as the far end of the cable: one frame per datagram, as in QEMU's `-netdev dgram`. */
import { Misuse } from "#kit/errors.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import { Errno, errorName } from "#sys/errno.ts";
import { Iovecs, readv, writev } from "#sys/memory.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { newMemory } from "#wire/memory.ts";
import { withoutPadding } from "#wire/padding.ts";
import { Delivery } from "./wire-delivery.ts";
import type { FrameObserver } from "./frame-observer.ts";

const MAX_FRAME = 4096 + 65_536;
const IN_AT = (MAX_FRAME + 63) & ~63;

/** A bound datagram socket. */
export interface DatagramSocket {
  readonly number: number;
  /** Returns 0, or a negative error number. */
  connect(path: string): number;
}

export interface DatagramWireOptions {
  readonly socket: DatagramSocket;
  /** Path of the socket to which frames are sent. */
  readonly peer: string;
  readonly capture?: FrameObserver | undefined;
  /** Called when the other side appears or disappears, with the reason. */
  readonly onChange?: (connected: boolean, why: string) => void;
}

export class DatagramWire implements Port {
  readonly bytes: Uint8Array;
  readonly memory: FrameMemory;
  readonly delivery: Delivery;
  readonly #options: DatagramWireOptions;
  readonly #iovecs: Iovecs;
  #connected = false;
  #reserved = false;
  /** Length of the frame that waits for the NIC; 0 if there is none. */
  #waiting = 0;

  constructor(options: DatagramWireOptions) {
    const memory = newMemory(IN_AT + MAX_FRAME + 1);
    this.bytes = memory.bytes;
    this.memory = memory;
    this.delivery = new Delivery(options.capture);
    this.#options = options;
    this.#iovecs = new Iovecs(1, memory.bytes.buffer);
  }

  get connected(): boolean {
    return this.#connected;
  }

  get fd(): number {
    return this.#options.socket.number;
  }

  get pending(): boolean {
    return this.#waiting > 0;
  }

  /** Connects to the other side. Returns false if that failed, usually because the other side does not exist. */
  connect(): boolean {
    if (this.#connected) return true;
    this.#connected = this.#options.socket.connect(this.#options.peer) === 0;
    if (this.#connected) this.#options.onChange?.(true, "");
    return this.#connected;
  }

  plug(nic: Plug): void {
    this.delivery.plug(nic);
  }

  reserve(length: number): number {
    this.#reserved = length > 0 && length <= MAX_FRAME;
    return this.#reserved ? 0 : -1;
  }

  commit(length: number): void {
    if (!this.#reserved || length <= 0 || length > MAX_FRAME)
      throw new Misuse(`a commit of ${length} bytes is not possible`);
    this.#reserved = false;
    this.delivery.sent(this.bytes, 0, length);
    if (!this.#connected || !this.#write(withoutPadding(this.bytes, 0, length))) this.delivery.counts.unsent++;
  }

  flush(): void {}

  /**
   * Reads datagrams, and delivers up to `budget` frames to the NIC. Returns the number of valid frames delivered or
   * dropped.
   */
  pump(budget: number): number {
    let frames = 0;
    // Invalid frames also count as steps; otherwise a stream of them would keep this loop running.
    for (let steps = 0; steps < budget && (this.#waiting > 0 || this.#read()); steps++) {
      if (this.#waiting === 0) continue;
      if (!this.delivery.offer(this.bytes, IN_AT, this.#waiting)) break;
      this.#waiting = 0;
      frames++;
    }
    return frames;
  }

  #write(length: number): boolean {
    this.#iovecs.point(0, 0, length);
    const taken = writev(this.fd, this.#iovecs, 1);
    if (taken === length) return true;
    // If the queue is full or the frame too long for the kernel, only this frame is lost. Any other error means that
    // the other side is gone.
    if (taken < 0 && taken !== -Errno.EAGAIN && taken !== -Errno.ENOBUFS && taken !== -Errno.EMSGSIZE)
      this.#gone(-taken);
    return false;
  }

  /** Reads a datagram, and keeps it if it is a valid frame. Returns false if no datagram was read. */
  #read(): boolean {
    this.#iovecs.point(0, IN_AT, MAX_FRAME + 1);
    const length = readv(this.fd, this.#iovecs, 1);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return false;
    if (length < 0) {
      this.#gone(-length);
      return false;
    }
    if (length >= ETHERNET_BYTES && length <= MAX_FRAME) this.#waiting = length;
    else this.delivery.counts.malformed++;
    return true;
  }

  #gone(errno: number): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#options.onChange?.(false, errorName(errno));
  }
}
