/** What a NIC without a cable sends into. */
import type { Port } from "#kit/port.ts";

/** Longer than any frame. */
const BYTES = 1 << 14;

export class Unplugged implements Port {
  readonly bytes = new Uint8Array(BYTES);
  reserve(length: number): number {
    return length <= BYTES ? 0 : -1;
  }
  commit(): void {}
  flush(): void {}
  plug(): void {}
}
