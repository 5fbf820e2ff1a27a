/**
 * Power states D0 and D3hot of a PCI function, and its wake-up signal (PME), through configuration space. The section
 * numbers below are those of PCI Power Management 1.2.
 */
import type { Clock } from "#kit/clock.ts";
import type { PciPower } from "#kit/device.ts";
import { DeviceGone } from "#kit/errors.ts";
import { type Mmio, ro16, rw16, rw32, rw8 } from "#kit/mmio.ts";
import { CONTROL, findCapability, PME_STATUS, POWER_MANAGEMENT, STATE, wake } from "./power.ts";

/** Offset in the capability of the word that lists the states in which the function can signal PME (3.2.3). */
const CAPABILITIES = 2;
const PME_FROM_D3HOT = 1 << 14;
const PME_FROM_D3COLD = 1 << 15;
const PME_ENABLE = 1 << 8;
const NO_SOFT_RESET = 1 << 3;
const D3HOT = 3;
/** Time after a change to D3hot during which the function must not be accessed (5.6.1). */
const ENTER_MICROS = 10_000;
const VENDOR = ro16(0);

/**
 * Fields of configuration space that the change from D3hot to D0 resets: command, cache line, BARs, ROM, interrupt
 * line.
 */
const HEADER = [
  [0x0c, 1],
  [0x10, 4],
  [0x14, 4],
  [0x18, 4],
  [0x1c, 4],
  [0x20, 4],
  [0x24, 4],
  [0x30, 4],
  [0x3c, 1],
  [0x04, 2],
] as const;
/**
 * Control words in capabilities, each by the capability's identifier and an offset in it: MSI, MSI-X, and the device
 * and link control of PCI Express.
 */
const CONTROLS = [
  [0x05, 2],
  [0x11, 2],
  [0x10, 8],
  [0x10, 16],
] as const;

type Saved = readonly (readonly [at: number, width: 1 | 2 | 4, value: number])[];

/** The permission to wake the system, on buses where the system and not the function's driver controls it. */
export type WakePermission = Pick<PciPower, "wakesFrom" | "allowWake">;

export class FunctionPower implements PciPower {
  readonly wakesFrom: PciPower["wakesFrom"];
  readonly #config: Mmio;
  readonly #registers: Mmio;
  readonly #name: string;
  readonly #permission: WakePermission | undefined;
  /**
   * Offset of the power management capability; undefined if the function does not have it and therefore always stays in
   * D0.
   */
  readonly #at: number | undefined;

  constructor(parts: { config: Mmio; registers: Mmio; name: string; permission?: WakePermission }) {
    this.#config = parts.config;
    this.#registers = parts.registers;
    this.#name = parts.name;
    this.#permission = parts.permission;
    this.#at = findCapability(this.#config, POWER_MANAGEMENT);
    const from = this.#at === undefined ? 0 : this.#config.read16(ro16(this.#at + CAPABILITIES));
    this.wakesFrom = parts.permission?.wakesFrom ?? {
      d3hot: (from & PME_FROM_D3HOT) !== 0,
      d3cold: (from & PME_FROM_D3COLD) !== 0,
    };
  }

  allowWake(on: boolean): void {
    this.#permission?.allowWake(on);
  }

  sleep(clock: Clock, signal: boolean): void {
    this.#registers.suspend(this.#name);
    if (this.#at === undefined) return;
    const control = rw16(this.#at + CONTROL);
    this.#config.update16(control, STATE | PME_ENABLE, (signal ? PME_ENABLE : 0) | PME_STATUS | D3HOT);
    clock.delay(ENTER_MICROS);
  }

  wake(clock: Clock): boolean {
    if (this.#config.read16(VENDOR) === 0xffff) throw new DeviceGone(`${this.#name}'s configuration space`);
    let woken = false;
    if (this.#at !== undefined) {
      const control = rw16(this.#at + CONTROL);
      woken = (this.#config.read16(control) & PME_STATUS) !== 0;
      const keeps = (this.#config.read16(control) & NO_SOFT_RESET) !== 0;
      const saved = keeps ? [] : this.#save();
      wake(this.#config, clock, this.#name);
      this.#config.update16(control, PME_ENABLE, PME_STATUS);
      this.#restore(saved);
    }
    this.#registers.resume();
    return woken;
  }

  #save(): Saved {
    const places: (readonly [at: number, width: 1 | 2 | 4])[] = [...HEADER];
    for (const [id, offset] of CONTROLS) {
      const at = findCapability(this.#config, id);
      if (at !== undefined) places.push([at + offset, 2]);
    }
    return places.map(([at, width]) => [at, width, this.#read(at, width)] as const);
  }

  #read(at: number, width: 1 | 2 | 4): number {
    if (width === 1) return this.#config.read8(rw8(at));
    return width === 2 ? this.#config.read16(rw16(at)) : this.#config.read32(rw32(at));
  }

  /** Writes only the fields that differ from `saved`: with VFIO the kernel may have restored them already. */
  #restore(saved: Saved): void {
    for (const [at, width, value] of saved) {
      if (this.#read(at, width) === value) continue;
      if (width === 1) this.#config.write8(rw8(at), value);
      else if (width === 2) this.#config.write16(rw16(at), value);
      else this.#config.write32(rw32(at), value);
    }
  }
}
