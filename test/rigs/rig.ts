/**
 * The interface of the rigs that conformance tests run on. It is the same for every kind of device. A rig consists of
 * our driver, a NIC, and the far end of the NIC's cable.
 */
import type { Chip } from "#chip/chips.ts";
import type { Nic } from "#driver/rtl8169.ts";
import type { DmaArena, DmaDomain } from "#kit/dma.ts";
import { FRAME_WORDS, Received, Send } from "#kit/link.ts";
import type { Mmio } from "#kit/mmio.ts";

export interface RigOptions {
  readonly mtu?: number;
  readonly slots?: number;
  /** Whether the cable is plugged in when the NIC comes up. */
  readonly carrier?: boolean;
}

export interface Rig extends Disposable {
  readonly nic: Nic;
  readonly dma: DmaArena;
  /** The chip's registers, for accesses as another driver would make them. */
  readonly registers: Mmio;
  /** Sent frames, oldest first; the array may be emptied. */
  readonly sent: Uint8Array[];
  /** Flags and tags of the frames that the last `poll` returned. */
  readonly flags: readonly number[];
  readonly tags: readonly number[];
  /** Brings the NIC up and waits for the link, if there is a cable. */
  up(): void;
  /** Handles an interrupt, polls and unmasks, as a data plane does. Returns copies of the frames received. */
  poll(): Uint8Array[];
  /**
   * Copies `frame` into DMA memory and sends it, in fragments of the given lengths, or in one piece if none are given.
   */
  send(frame: Uint8Array, flags?: number, tag?: number, fragments?: readonly number[]): void;
  /** Delivers a frame from the cable. */
  deliver(frame: Uint8Array): void;
  setCarrier(plugged: boolean): void;
  /** Advances the device's time. */
  pass(micros: number): void;
}

/** @throws {Error} if the NIC is not the expected one */
export const checkChip = ({ chip }: Nic, wanted: Chip): void => {
  if (chip.key !== wanted.key) throw new Error(`the NIC is an ${chip.name} (${chip.key}), not ${wanted.key}`);
};

/** Number of burst entries for received frames. Those after them are for frames to be sent. */
const RECEIVED = 64;

/** The host: sends and receives through the driver, as a data plane does. */
export class Host {
  readonly flags: number[] = [];
  readonly tags: number[] = [];
  readonly #nic: Nic;
  readonly #scratch;
  readonly #pieces: Uint8Array[] = [];
  #next = 0;

  constructor(nic: Nic, dma: DmaDomain) {
    this.#nic = nic;
    this.#scratch = dma.allocate({ what: "test frames", bytes: 1 << 18, align: 64, direction: "toDevice" });
  }

  poll(): Uint8Array[] {
    const nic = this.#nic;
    this.flags.length = 0;
    this.tags.length = 0;
    const frames: Uint8Array[] = [];
    if (nic.line.take()) nic.interrupt();
    const [{ link }] = nic.queues;
    for (let n = link.receive(0, RECEIVED); n > 0; n = link.receive(0, RECEIVED))
      for (let i = 0; i < n; i++) {
        const [offset = 0, length = 0, flag = 0, tag = 0] = link.burst.subarray(i * FRAME_WORDS);
        this.#pieces.push(nic.memory.bytes.slice(offset, offset + length));
        if ((flag & Received.more) !== 0) continue;
        frames.push(Uint8Array.from(Buffer.concat(this.#pieces.splice(0))));
        this.flags.push(flag);
        this.tags.push((flag & Received.tagged) === 0 ? 0 : tag);
      }
    link.sent();
    nic.unmask();
    return frames;
  }

  send(frame: Uint8Array, flag = 0, tag = 0, fragments: readonly number[] = [frame.length]): void {
    if (this.#next + frame.length > this.#scratch.length) this.#next = 0;
    this.#scratch.bytes.set(frame, this.#next);
    const [{ link }] = this.#nic.queues;
    let at = this.#next;
    fragments.forEach((length, i) => {
      const more = i < fragments.length - 1 ? Send.more : 0;
      link.burst.set([this.#scratch.offset + at, length, flag | more, tag], (RECEIVED + i) * FRAME_WORDS);
      at += length;
    });
    this.#next += Math.ceil(frame.length / 64) * 64;
    link.transmit(RECEIVED, fragments.length);
  }
}
