/** Wraps a device and alters some of its reads and writes. */
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";

type Width = 1 | 2 | 4;

export interface Alterations {
  /** Returns the value that the driver reads. `value` is what the device returned. */
  readonly read?: (region: RegionName, offset: number, width: Width, value: number) => number;
  /** Whether the write reaches the device. */
  readonly write?: (region: RegionName, offset: number, width: Width, value: number) => boolean;
}

export class Altered implements Target {
  readonly #inner: Target;
  readonly #alterations: Alterations;
  constructor(inner: Target, alterations: Alterations) {
    this.#inner = inner;
    this.#alterations = alterations;
  }
  size(region: RegionName): number {
    return this.#inner.size(region);
  }
  read(region: RegionName, offset: number, width: Width): number {
    const value = this.#inner.read(region, offset, width);
    return this.#alterations.read?.(region, offset, width, value) ?? value;
  }
  write(region: RegionName, offset: number, width: Width, value: number): void {
    if (this.#alterations.write?.(region, offset, width, value) ?? true)
      this.#inner.write(region, offset, width, value);
  }
  reset(): void {
    this.#inner.reset();
  }
  powerCycle(): void {
    this.#inner.powerCycle();
  }
  detach(): void {
    this.#inner.detach();
  }
  memoryChanged(): void {
    this.#inner.memoryChanged();
  }
  asserted(): boolean {
    return this.#inner.asserted();
  }
  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.#inner.attach(memory, raise);
  }
}
