/** A device's regions as register windows: mapped where the kernel allows it, otherwise accessed through the file. */
import type { RegisterBus } from "#kit/mmio.ts";
import type { RegionInfo } from "#sys/vfio-structs.ts";
import { MappedRegisters } from "../mapped-registers.ts";
import type { DeviceFile } from "./kernel.ts";

type Width = 1 | 2 | 4;

/**
 * Registers accessed through the file: each access of the file is one access of the device. A failed read returns all
 * ones and a failed write has no effect, as on a bus.
 */
export class FileRegisters implements RegisterBus {
  readonly length: number;
  readonly #file: DeviceFile;
  readonly #base: number;
  /** File positions as BigInt, which the system call needs; each is created once. */
  readonly #positions = new Map<number, bigint>();

  constructor(file: DeviceFile, region: RegionInfo) {
    this.length = region.bytes;
    this.#file = file;
    this.#base = region.offset;
  }

  read(offset: number, width: Width): number {
    const value = this.#file.read(this.#position(offset), width);
    return value < 0 ? 2 ** (8 * width) - 1 : value;
  }

  write(offset: number, width: Width, value: number): void {
    this.#file.write(this.#position(offset), width, value);
  }

  #position(offset: number): bigint {
    const known = this.#positions.get(offset);
    if (known !== undefined) return known;
    const made = BigInt(this.#base + offset);
    this.#positions.set(offset, made);
    return made;
  }
}

/** Registers mapped in parts: the page with the MSI-X table is excluded. */
class PartlyMapped implements RegisterBus {
  readonly length: number;
  readonly #parts: readonly { readonly start: number; readonly end: number; readonly registers: RegisterBus }[];
  readonly #rest: RegisterBus;

  constructor(parts: readonly { start: number; end: number; registers: RegisterBus }[], rest: RegisterBus) {
    this.length = rest.length;
    this.#parts = parts;
    this.#rest = rest;
  }

  read(offset: number, width: Width): number {
    for (const { start, end, registers } of this.#parts)
      if (offset >= start && offset < end) return registers.read(offset - start, width);
    return this.#rest.read(offset, width);
  }

  write(offset: number, width: Width, value: number): void {
    for (const { start, end, registers } of this.#parts)
      if (offset >= start && offset < end) return registers.write(offset - start, width, value);
    this.#rest.write(offset, width, value);
  }
}

/**
 * Opens a region's registers; mappings are added to `scope`. Memory space must stay enabled while the mappings are
 * used, or an access faults.
 */
export const openRegisters = (
  file: DeviceFile,
  region: RegionInfo,
  what: string,
  scope: DisposableStack,
): RegisterBus => {
  const rest = new FileRegisters(file, region);
  const parts = region.mappable.map(({ offset, bytes }) => {
    const { buffer } = scope.use(file.map(region.offset + offset, bytes, what));
    return { start: offset, end: offset + bytes, registers: new MappedRegisters(buffer) };
  });
  const [first] = parts;
  if (first === undefined) return rest;
  return first.end - first.start === region.bytes ? first.registers : new PartlyMapped(parts, rest);
};
