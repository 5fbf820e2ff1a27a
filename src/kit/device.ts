/** A PCI device as its driver sees it, and its states: unbound, bound, gone. */
import type { Clock } from "./clock.ts";
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

/** Power states of a PCI function, and the signal by which it asks to be woken (PME). */
export interface PciPower {
  /** The states in which the function can signal PME. */
  readonly wakesFrom: { readonly d3hot: boolean; readonly d3cold: boolean };
  /**
   * Enables or disables PME in the system, on buses where the system controls it.
   * @throws if the process has no permission
   */
  allowWake(on: boolean): void;
  /**
   * Enters D3hot, where registers do not respond: each access throws `Sleeping`.
   * @param signal whether wake-up events signal PME
   */
  sleep(clock: Clock, signal: boolean): void;
  /**
   * Returns the function to D0, restores the configuration space that the change from D3hot resets, and disables PME.
   * Returns whether a wake-up event was recorded, and clears the record.
   * @throws {DeviceGone} if configuration space reads all ones
   * @throws {Asleep} if the function does not reach D0
   */
  wake(clock: Clock): boolean;
}

/** All parts of a device that a driver may use. The parts stop working when the device is unbound or gone. */
export interface PciDevice {
  /** Name for display: a PCI address, or `model:rtl8168h`. */
  readonly name: string;
  readonly id: PciId;
  /** PCI configuration space. */
  readonly config: Mmio;
  /** The first memory BAR. */
  readonly registers: Mmio;
  readonly dma: DmaDomain;
  readonly interrupts: Interrupts;
  readonly power: PciPower;
  setBusMaster(on: boolean): void;
}

/** A device that may disappear while its driver runs, or must be released on request. */
export interface RemovableDevice extends PciDevice {
  /** For poll(2): becomes ready when the device is gone or its release is requested. */
  readonly lostFd: number;
  /** For poll(2): becomes ready after an error of the device, on buses that report such errors. */
  readonly busErrorFd?: number;
  /**
   * Why the device must be released; undefined if the device can stay bound. (Registers that read all ones show that a
   * device is gone, but not why.)
   */
  whyLost(): FerruleError | undefined;
}

/** A row of a driver's id table; a field that is missing matches any value. */
export interface PciMatch {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor?: number;
  readonly subsystemDevice?: number;
  /** Matches this revision and later ones. */
  readonly oldestRevision?: number;
}

/**
 * A driver: the devices that it supports, and how to start one. `probe` adds everything that it acquires to `scope`,
 * which is released in reverse order when the device is unbound, or when `probe` throws.
 */
export interface Driver<T, Options> {
  readonly name: string;
  readonly ids: readonly PciMatch[];
  probe(device: PciDevice, scope: DisposableStack, options: Options): T;
}

/** The driver's table has no row for this device. */
export class UnsupportedDevice extends FerruleError {
  readonly code = "NOT_MINE";
  readonly hint = "`ferrule list` shows the cards of this machine that Ferrule's driver supports.";
  constructor(driver: string, id: PciId) {
    super(
      `${driver} does not support device ${id.vendor.toString(16).padStart(4, "0")}:${id.device.toString(16).padStart(4, "0")}`,
    );
  }
}

export const matches = (row: PciMatch, id: PciId): boolean =>
  row.vendor === id.vendor &&
  row.device === id.device &&
  (row.subsystemVendor ?? id.subsystemVendor) === id.subsystemVendor &&
  (row.subsystemDevice ?? id.subsystemDevice) === id.subsystemDevice &&
  id.revision >= (row.oldestRevision ?? 0);

/**
 * A device with its driver. Disposing it unbinds the driver: everything that `probe` acquired is released in reverse
 * order.
 */
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

  /** What `probe` returned. @throws {Revoked} once the device is unbound or gone */
  get driver(): T {
    if (this.#state !== "bound") throw new Revoked(this.device.name);
    return this.#driver as T;
  }

  /** Call this when the device has disappeared: resources are released as on disposal, but the state becomes `gone`. */
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
 * @throws {DeviceGone} if the vendor id reads all ones
 * @throws {UnsupportedDevice} if no row of the driver's id table matches
 * @throws whatever `probe` throws
 */
export const bind = <T, O>(driver: Driver<T, O>, device: PciDevice, options: O): Bound<T> => {
  if (device.id.vendor === 0xffff) throw new DeviceGone("the vendor id");
  if (!driver.ids.some((row) => matches(row, device.id))) throw new UnsupportedDevice(driver.name, device.id);
  return withRootCause(() => {
    using scope = new DisposableStack();
    const bound = driver.probe(device, scope, options);
    return new Bound(device, bound, scope.move());
  });
};
