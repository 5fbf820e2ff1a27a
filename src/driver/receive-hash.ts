/** The hash that a chip with descriptors for it computes of each frame: receive side scaling with a single queue. */
import { Q_NUM_CTRL, RSS_CTRL, RSS_INDIRECTION_TBL, RSS_KEY } from "#chip/registers-8125.ts";
import { RssControl } from "#chip/rss.ts";
import type { Mmio } from "#kit/mmio.ts";

/** The key of Microsoft's specification of RSS, which has hashes to compare with. */
// prettier-ignore
// oxfmt-ignore
const KEY = Uint8Array.of(
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
  0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
);

/** Addresses and ports of TCP and UDP, addresses of everything else that is IP; every frame still goes to queue 0. */
export const hashReceived = (io: Mmio): void => {
  const key = new DataView(KEY.buffer);
  for (const [i, register] of RSS_KEY.entries()) io.write32(register, key.getUint32(4 * i, true));
  for (const register of RSS_INDIRECTION_TBL) io.write32(register, 0);
  io.write16(Q_NUM_CTRL, 0);
  io.write32(RSS_CTRL, RssControl.any);
};
