/** The direct rig: our driver on our model, in one thread, on a virtual clock. */
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { type Nic, rtl8169 } from "#driver/rtl8169.ts";
import { VirtualClock } from "#kit/clock.ts";
import { type Bound, bind } from "#kit/device.ts";
import { FRAME_WORDS } from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

/** A cable whose other end is the test: remembers what was sent. */
export class Bench implements Port {
  readonly bytes = new Uint8Array(1 << 20);
  readonly sent: Uint8Array[] = [];
  nic: Plug | undefined;
  reserve(length: number): number {
    return length <= this.bytes.length ? 0 : -1;
  }
  commit(length: number): void {
    this.sent.push(this.bytes.slice(0, length));
  }
  flush(): void {}
  plug(nic: Plug): void {
    this.nic = nic;
  }
}

export interface DirectRig extends Disposable {
  readonly clock: VirtualClock;
  readonly model: Rtl8169;
  readonly device: DirectDevice;
  readonly bound: Bound<Nic>;
  readonly nic: Nic;
  readonly bench: Bench;
  /** Interrupt, poll, unmask: what a data plane does. Returns the frames received, copied. */
  poll(): Uint8Array[];
  /** Brings the NIC up and waits for the link. */
  up(): void;
  /** Copies `frame` into DMA memory and sends it, in fragments of the given lengths (all of it when none are given). */
  send(frame: Uint8Array, flags?: number, tag?: number, fragments?: readonly number[]): void;
  /** A frame arrives from the cable. */
  deliver(frame: Uint8Array): boolean;
  /** Flags and tags of the frames `poll` returned last. */
  readonly flags: number[];
  readonly tags: number[];
}

export const openDirectRig = (
  options: { mtu?: number; mac?: string; slots?: number; carrier?: boolean } = {},
): DirectRig => {
  const { mtu = 1500, mac = "02:00:00:00:00:01", carrier = true } = options;
  const clock = new VirtualClock();
  const chip = chipNamed("rtl8168h")!;
  const model = new Rtl8169({ chip, mac, clock, timers: clock.timers, strict: "error" });
  const bench = new Bench();
  model.connect(bench);
  model.setCarrier(carrier);
  const device = new DirectDevice(model, { name: "model:rtl8168h", registers: 2, dmaBytes: 32 << 20, vectors: 4 });
  const bound = bind(rtl8169, device, {
    clock,
    mtu,
    weaklyOrdered: false,
    ...(options.slots === undefined ? {} : { slots: options.slots }),
  });
  const nic = bound.driver;
  const scratch = device.dma.allocate({ what: "test frames", bytes: 1 << 18, align: 64, direction: "toDevice" });
  const burst = new Int32Array(512 * FRAME_WORDS);
  const offsets = new Int32Array(512);
  const flags: number[] = [];
  const tags: number[] = [];
  let next = 0;

  return {
    clock,
    model,
    device,
    bound,
    nic,
    bench,
    flags,
    tags,
    up() {
      nic.up();
      for (let i = 0; i < 100 && !nic.link.up; i++) {
        clock.delay(1000);
        if (nic.line.take()) nic.interrupt();
        nic.unmask();
      }
    },
    poll() {
      flags.length = 0;
      tags.length = 0;
      const frames: Uint8Array[] = [];
      if (nic.line.take()) nic.interrupt();
      for (let n = nic.receive(burst, 64); n > 0; n = nic.receive(burst, 64)) {
        for (let i = 0; i < n; i++) {
          const [offset = 0, length = 0, flag = 0, tag = 0] = burst.subarray(i * FRAME_WORDS, (i + 1) * FRAME_WORDS);
          frames.push(nic.memory.bytes.slice(offset, offset + length));
          flags.push(flag);
          tags.push(tag);
          offsets[i] = offset;
        }
        nic.release(offsets, n);
      }
      nic.reclaim(offsets, 512);
      nic.unmask();
      return frames;
    },
    send(frame, flag = 0, tag = 0, fragments = [frame.length]) {
      if (next + frame.length > scratch.length) next = 0;
      scratch.bytes.set(frame, next);
      let at = next;
      fragments.forEach((length, i) => {
        const more = i < fragments.length - 1 ? 1 << 25 : 0;
        burst.set([scratch.offset + at, length, flag | more, tag], i * FRAME_WORDS);
        at += length;
      });
      next += Math.ceil(frame.length / 64) * 64;
      nic.transmit(burst, fragments.length);
    },
    deliver: (frame) => bench.nic!.receive(frame, 0, frame.length),
    [Symbol.dispose]() {
      bound[Symbol.dispose]();
      device[Symbol.dispose]();
    },
  };
};
