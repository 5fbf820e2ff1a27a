/** One-time memory (EFUSE) of 8168D and later: 1024 bytes, read and burnt through EFUSEAR. */
import type { Access } from "./handshake.ts";

const BYTES = 0x400;

/**
 * Address 17:8, data 7:0 (DPDK `r8169_compat.h`, EFUSE_*). A blank memory: all ones. Burning turns bits from 1 to 0 and not
 * back, which is how such memories work and not known of this one. What is burnt outlives power-off.
 */
export class Efuse {
  readonly #bytes = new Uint8Array(BYTES).fill(0xff);

  readonly access: Access = (command, write) => {
    const i = (command >>> 8) & (BYTES - 1);
    if (write) this.#bytes[i]! &= command;
    return (command & ~0xff) | this.#bytes[i]!;
  };
}
