/** A PCI device as its driver sees it, and its states: unbound, bound, gone. */
import type { DmaDomain } from "./dma.ts";
import { DeviceGone, FerruleError, Revoked, withRootCause } from "./errors.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Mmio } from "./mmio.ts";

export interface PciId {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
  readonly revision: number;
}

/** All that a driver may touch. Its parts stop working when the device is unbound or gone. */
export interface PciDevice {
  /** How people name it: a PCI address, or `model:rtl8168h`. */
  readonly name: string;
  readonly id: PciId;
  /** PCI configuration space. */
  readonly config: Mmio;
  /** The first memory BAR. */
  readonly registers: Mmio;
  readonly dma: DmaDomain;
  readonly interrupts: Interrupts;
  /** Lets the device read and write memory on its own, or stops it. */
  setBusMaster(on: boolean): void;
}

/** A device that can leave while its driver works with it, or has to be let go. */
export interface RemovableDevice extends PciDevice {
  /** For poll(2): ready when the device has gone or is asked for. */
  readonly lostFd: number;
  /** For poll(2): ready when something went wrong with it, where its bus tells of that. */
  readonly troubleFd?: number;
  /** Why it must be let go; undefined while it need not. Registers that read all ones do not tell. */
  whyLost(): FerruleError | undefined;
}

/** A row of a driver's id table; missing fields match anything. */
export interface PciMatch {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor?: number;
  readonly subsystemDevice?: number;
  /** This revision, or a later one. */
  readonly oldestRevision?: number;
}

/**
 * A driver: which devices it takes, and how it takes one. Everything acquired in `probe` goes onto `scope`, which is
 * unwound in reverse order when the device is unbound, and also when `probe` throws half-way.
 */
export interface Driver<T, Options> {
  readonly name: string;
  readonly ids: readonly PciMatch[];
  probe(device: PciDevice, scope: DisposableStack, options: Options): T;
}

/** The driver's table has no row for this device. */
export class NotMine extends FerruleError {
  readonly code = "NOT_MINE";
  readonly hint = "See `ferrule list` for the cards this driver takes.";
  constructor(driver: string, id: PciId) {
    super(
      `${driver} has no row for ${id.vendor.toString(16).padStart(4, "0")}:${id.device.toString(16).padStart(4, "0")}`,
    );
  }
}

export const matches = (row: PciMatch, id: PciId): boolean =>
  row.vendor === id.vendor &&
  row.device === id.device &&
  (row.subsystemVendor ?? id.subsystemVendor) === id.subsystemVendor &&
  (row.subsystemDevice ?? id.subsystemDevice) === id.subsystemDevice &&
  id.revision >= (row.oldestRevision ?? 0);

/** A device with its driver. Disposing it unbinds: removal runs everything acquired in probe backwards. */
export class Bound<T> implements Disposable {
  readonly device: PciDevice;
  readonly #scope: DisposableStack;
  #driver: T | undefined;
  #state: "bound" | "unbound" | "gone" = "bound";

  /** @internal use `bind` */
  constructor(device: PciDevice, driver: T, scope: DisposableStack) {
    this.device = device;
    this.#driver = driver;
    this.#scope = scope;
  }

  get state(): "bound" | "unbound" | "gone" {
    return this.#state;
  }

  /** What probe returned. @throws {Revoked} once unbound or gone. */
  get driver(): T {
    if (this.#state !== "bound") throw new Revoked(this.device.name);
    return this.#driver as T;
  }

  /** The device disappeared: the same unwinding, and the state says why. */
  lost(): void {
    this.#end("gone");
  }

  [Symbol.dispose](): void {
    this.#end("unbound");
  }

  #end(state: "unbound" | "gone"): void {
    if (this.#state !== "bound") return;
    this.#state = state;
    this.#driver = undefined;
    withRootCause(() => this.#scope.dispose());
  }
}

/**
 * Binds a driver to a device.
 * @throws {DeviceGone} when nothing answers in configuration space; @throws {NotMine} when no row of the driver's id table
 * matches; and whatever probe throws.
 */
export const bind = <T, O>(driver: Driver<T, O>, device: PciDevice, options: O): Bound<T> => {
  if (device.id.vendor === 0xffff) throw new DeviceGone("the vendor id");
  if (!driver.ids.some((row) => matches(row, device.id))) throw new NotMine(driver.name, device.id);
  return withRootCause(() => {
    using scope = new DisposableStack();
    const bound = driver.probe(device, scope, options);
    return new Bound(device, bound, scope.move());
  });
};
