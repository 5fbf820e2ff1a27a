/** Passes frames of a TAP through our driver on the model of any chip, and returns the frames on the wire. */
import assert from "node:assert/strict";
import { FakeTap, type HostFrame } from "#host/frame-sockets.test-kit.ts";
import { UplinkOut } from "#host/uplink-out.ts";
import { type DirectRig, openDirectRig } from "./direct.ts";

const ARENA_BYTES = 400 << 10;

export interface Transmitter extends Disposable {
  readonly rig: DirectRig;
  readonly out: UplinkOut;
  /** Byte offset of the send arena, which a test may use while the TAP sends nothing. */
  readonly arena: number;
  /** Sends frames; returns those on the wire. Asserts that the chip reports no error. */
  send(frames: readonly HostFrame[]): Uint8Array[];
}

export const openTransmitter = (chip: string, mtu = 1500): Transmitter => {
  using scope = new DisposableStack();
  const rig = scope.use(openDirectRig({ chip, mtu }));
  rig.up();
  const { nic, dma, bench, clock, model } = rig;
  const arena = dma.allocate({ what: "send arena", bytes: ARENA_BYTES, align: 64, direction: "toDevice" });
  // Bytes that a chip may wrongly send as padding are made other than zero.
  dma.window.bytes.fill(0xee, arena.offset, arena.offset + ARENA_BYTES);
  bench.bytes.fill(0xdd);
  const host = scope.use(new FakeTap());
  const { offloads } = nic;
  const out = new UplinkOut({ taps: [host.tap], link: nic.up(), sendArena: arena, offloads, capture: undefined });
  const owned = scope.move();
  return {
    rig,
    out,
    arena: arena.offset,
    send(frames) {
      bench.sent.length = 0;
      for (const frame of frames) {
        host.send(frame);
        while (out.pump(64) > 0) clock.delay(10);
      }
      assert.deepEqual([model.counters.txErrors, out.drops], [0, 0]);
      return bench.sent;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
};
