/** All faults that can be injected, by name: those of the model, and those of the buses behind its registers. */
import type { Chip } from "#chip/chips.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FAULTS, PERSISTENT_FAULTS, MOMENTARY } from "#model/faults.ts";
import { registersOf } from "#model/registers/register-set.ts";
import type { Rtl8169 } from "#model/rtl8169.ts";
import { NoSuchPart } from "./refusals.ts";

/** Faults of the buses behind registers: the flag for which a driver waits never changes. */
export const SILENT = {
  "silent-eri": "the extended registers never respond",
  "silent-ephy": "the PCIe PHY's registers never respond",
  "silent-csi": "configuration space never responds through CSI",
  "silent-efuse": "the one-time programmable memory never responds",
} as const;
type SilentName = keyof typeof SILENT;

/** All faults with their effects. */
export const DEVICE_FAULTS: Readonly<Record<string, string>> = { ...FAULTS, ...SILENT };

/**
 * The hint for a fault that takes no count, because it lasts until it is cleared, or occurs once; undefined for other
 * faults.
 */
const uncounted = (name: string): string | undefined => {
  if (MOMENTARY.some((each) => each === name))
    return `Write \`fault ${name}\`: this fault occurs once, at that moment.`;
  if (!Object.hasOwn(SILENT, name) && !PERSISTENT_FAULTS.some((each) => each === name)) return undefined;
  return `Write \`fault ${name}\`: this fault lasts until \`fault clear ${name}\`.`;
};

/** @throws {OutOfRange} for a count with a fault that takes none */
export const checkCount = (name: string, count: number | undefined): void => {
  const hint = uncounted(name);
  if (count !== undefined && hint !== undefined) throw new OutOfRange(`${name} takes no count`, hint);
};

const isSilent = (name: string): name is SilentName => Object.hasOwn(SILENT, name);
const busOf = (name: SilentName) => name.slice("silent-".length) as "eri" | "ephy" | "csi" | "efuse";

/** The faults that the chip can have, without those of buses that it does not have. */
export const faultsOf = (chip: Chip): readonly string[] =>
  Object.keys(DEVICE_FAULTS).filter(
    (name) => !isSilent(name) || registersOf(chip).some(({ onWrite }) => onWrite === busOf(name)),
  );

export class DeviceFaults {
  readonly #nic: Rtl8169;
  readonly #silent = new Set<SilentName>();

  constructor(nic: Rtl8169) {
    this.#nic = nic;
  }

  /**
   * @throws {OutOfRange} for an unknown fault, or an invalid count
   * @throws {NoSuchPart} for a bus that the chip does not have
   */
  arm(name: string, count: number | undefined): void {
    checkCount(name, count);
    if (!isSilent(name)) {
      this.#nic.faults.arm(name, count === undefined ? {} : { count });
      return;
    }
    const { chip } = this.#nic;
    const possible = faultsOf(chip);
    if (!possible.includes(name)) throw new NoSuchPart(name, chip.name, possible);
    this.#silent.add(name);
    this.#nic.setLatency(busOf(name), Infinity);
  }

  /** Disarms one fault, or all. @throws {OutOfRange} for an unknown fault */
  clear(name?: string): void {
    if (name === undefined) for (const { name: each } of this.armed) this.clear(each);
    else if (!isSilent(name)) this.#nic.faults.disarm(name);
    else if (this.#silent.delete(name)) this.#nic.setLatency(busOf(name), 0);
  }

  /** The armed faults. `left` is null for a fault that lasts until it is cleared. */
  get armed(): readonly { readonly name: string; readonly left: number | null; readonly struck: number }[] {
    const counted = this.#nic.faults.armed.map(({ name, left, struck }) => ({
      name,
      left: left === Infinity ? null : left,
      struck,
    }));
    return [...counted, ...[...this.#silent].map((name) => ({ name, left: null, struck: 0 }))];
  }
}
