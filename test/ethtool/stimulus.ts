/** What a NIC receives before ethtool runs: frames of each kind, in different numbers. */
import type { Rtl8169 } from "#model/rtl8169.ts";
import { Bench } from "../rigs/direct.ts";

export const MAC = "02:00:00:00:00:01";

const FRAMES = [
  ["020000000001", 7],
  ["ffffffffffff", 3],
  ["01005e000001", 2],
] as const;

/** A frame of 60 bytes of an experimental protocol (IEEE 802.1, 0x88b5) that no system answers. */
const frameTo = (to: string): Uint8Array => {
  const frame = new Uint8Array(60);
  frame.set(Buffer.from(`${to}02000000000288b5`, "hex"));
  return frame;
};

/** Connects the model to a cable. The returned function sends the frames on it, all of which the NIC must accept. */
export const stimulusFor = (nic: Rtl8169): (() => void) => {
  const bench = new Bench();
  nic.connect(bench);
  return () => {
    for (const [to, count] of FRAMES)
      for (let i = 0; i < count; i++) {
        const frame = frameTo(to);
        bench.bytes.set(frame);
        if (!bench.nic!.receive(bench.bytes, 0, frame.length)) throw new Error(`a frame to ${to} was not accepted`);
      }
  };
};
