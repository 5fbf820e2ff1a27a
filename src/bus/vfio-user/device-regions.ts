/** A device's regions by vfio-user's numbers. Accesses are divided into widths that a device supports. */
import type { RegionName, Target } from "#kit/target.ts";
import { put16, put32, u16, u32 } from "./codec.ts";
import { REGIONS, Region } from "./protocol.ts";

const nameOf = (region: number): RegionName | undefined => {
  if (region === Region.config) return "config";
  return region <= 5 ? (region as RegionName) : undefined;
};

type Width = 1 | 2 | 4;

/** The widest access that is naturally aligned and at most `count` bytes, as a CPU or bridge would choose it. */
const widthAt = (offset: number, count: number): Width => {
  if (count >= 4 && (offset & 3) === 0) return 4;
  return count >= 2 && (offset & 1) === 0 ? 2 : 1;
};

export class DeviceRegions {
  readonly #target: Target;
  readonly #names: readonly (RegionName | undefined)[];
  readonly #sizes: readonly number[];

  constructor(target: Target) {
    this.#target = target;
    this.#names = Array.from({ length: REGIONS }, (_, region) => nameOf(region));
    this.#sizes = this.#names.map((name) => (name === undefined ? 0 : target.size(name)));
  }

  /** Number of bytes in a region; 0 if the device does not have the region. */
  size(region: number): number {
    return this.#sizes[region] ?? 0;
  }

  holds(region: number, offset: number, count: number): boolean {
    return count > 0 && offset + count <= this.size(region);
  }

  /** Reads from a region into `bytes`. */
  read(region: number, offset: number, count: number, bytes: Uint8Array, at: number): void {
    const name = this.#names[region]!;
    for (let done = 0; done < count;) {
      const width = widthAt(offset + done, count - done);
      const value = this.#target.read(name, offset + done, width);
      if (width === 4) put32(bytes, at + done, value);
      else if (width === 2) put16(bytes, at + done, value);
      else bytes[at + done] = value;
      done += width;
    }
  }

  write(region: number, offset: number, count: number, bytes: Uint8Array, at: number): void {
    const name = this.#names[region]!;
    for (let done = 0; done < count;) {
      const width = widthAt(offset + done, count - done);
      let value = bytes[at + done]!;
      if (width === 4) value = u32(bytes, at + done);
      else if (width === 2) value = u16(bytes, at + done);
      this.#target.write(name, offset + done, width, value);
      done += width;
    }
  }
}
