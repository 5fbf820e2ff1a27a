/** A receive ring for tests. The device is simulated: the test writes the words that a device would write to memory. */
import { EndOfRing } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { FRAME_WORDS, NO_BUFFER, emptyBurst } from "#kit/link.ts";
import { checkedBuffers } from "./checked-buffers.ts";
import { RECEIVE_8169 } from "./descriptor-formats.ts";
import { type ReceiveRingOptions, createReceiveRing } from "./receive-ring.ts";

export const IOVA = 0x2_4000_0000;
export const BUFFER = 256;
export const FCS = 4;

export const rig = (options: Partial<ReceiveRingOptions> = {}) => {
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  const all = {
    slots: 8,
    bufferBytes: BUFFER,
    spare: 16,
    weaklyOrdered: false,
    pieces: 4,
    burst: emptyBurst(),
    ...options,
  };
  const ring = createReceiveRing(dma, new DisposableStack(), all);
  ring.arm();
  const { words } = dma.window;
  const format = options.format ?? RECEIVE_8169;
  const base = (ring.iova - IOVA) >> 2;
  const at = (slot: number): number => base + ((slot % all.slots) * format.bytes) / 4;
  const own = (slot: number): number => words[at(slot) + format.opts1]!;
  const write = (slot: number, opts1: number, opts2 = 0): void => {
    words[at(slot) + format.opts2] = opts2;
    words[at(slot) + format.opts1] = (own(slot) & EndOfRing) | opts1;
  };
  /** Writes a frame of `length` bytes without FCS as the device does. Returns the number of descriptors used. */
  const deliver = (slot: number, length: number, opts1 = 0, opts2 = 0): number => {
    const stored = length + FCS;
    const pieces = Math.ceil(stored / BUFFER);
    for (let i = 0; i < pieces; i++) {
      const ends = (i === 0 ? format.first : 0) | (i === pieces - 1 ? format.last : 0);
      const rest = all.countsLastPiece === true ? stored - i * BUFFER : stored;
      write(slot + i, ends | (i === pieces - 1 ? rest : BUFFER) | opts1, opts2);
    }
    return pieces;
  };
  const { burst } = all;
  const { receive: checked } = checkedBuffers({ ...ring, transmit: () => 0 }, ring.core);
  /** Receives frames and takes their buffers out of the entries; `give` puts the buffers back. */
  const receive = (budget = 64) => {
    const count = checked(0, budget);
    return Array.from({ length: count }, (_, i) => {
      const words = burst.slice(i * FRAME_WORDS, (i + 1) * FRAME_WORDS);
      burst[i * FRAME_WORDS] = NO_BUFFER;
      return words;
    });
  };
  const give = (entries: readonly Int32Array[]): void => {
    let at = 0;
    for (const [offset] of entries) {
      while (burst[at] !== NO_BUFFER) at += FRAME_WORDS;
      burst[at] = offset!;
    }
  };
  return { ring, burst, words, at, own, write, deliver, receive, give, slots: all.slots };
};
