/** A device's interrupts through eventfds: MSI-X if the device has it, else MSI, else INTx. */
import { OutOfRange } from "#kit/errors.ts";
import { INTERRUPT_KINDS, type InterruptKind, type InterruptLine, type Interrupts } from "#kit/interrupts.ts";
import { SystemError } from "#sys/errno.ts";
import { type IrqInfo, IrqAction } from "#sys/vfio-structs.ts";
import { eventLine } from "../event-line.ts";
import { InterruptsRefused } from "./errors.ts";
import type { DeviceFile, Event, VfioKernel } from "./kernel.ts";
import { undo } from "./undo.ts";

/** The kernel's numbers for the kinds of interrupts. */
export const Irq = { intx: 0, msi: 1, msix: 2, error: 3, request: 4 } as const;
const NONE = -1;

/** Names of the kinds, for error messages. */
const NAMES = { msix: "MSI-X", msi: "MSI", intx: "INTx" } as const;

/**
 * One kind of interrupts of one device. INTx is a level: the kernel masks it when it occurs. If it is unmasked before
 * the chip's events are acknowledged, it occurs again.
 */
export class VfioInterrupts implements Interrupts, Disposable {
  readonly #kernel: VfioKernel;
  readonly #file: DeviceFile;
  readonly #address: string;
  readonly #wanted: readonly InterruptKind[];
  #used: { readonly kind: InterruptKind; readonly info: IrqInfo };
  readonly #events = new Map<number, Event>();
  /** Number of vectors enabled in the kernel. */
  #enabled = 0;

  /**
   * @param kind the kind to use; default: the best that the device has @throws {OutOfRange} if the device does not have
   * it
   */
  constructor(kernel: VfioKernel, file: DeviceFile, address: string, kind?: InterruptKind) {
    this.#kernel = kernel;
    this.#file = file;
    this.#address = address;
    this.#wanted = kind === undefined ? INTERRUPT_KINDS : [kind];
    this.#used = this.#best(this.#wanted);
  }

  get kind(): InterruptKind {
    return this.#used.kind;
  }

  get vectors(): number {
    return this.#used.info.count;
  }

  limit(best: InterruptKind): void {
    if (this.#events.size > 0) throw new OutOfRange(`interrupt vectors of ${this.#address} are already requested`);
    this[Symbol.dispose]();
    const allowed = INTERRUPT_KINDS.slice(INTERRUPT_KINDS.indexOf(best));
    this.#used = this.#best(this.#wanted.filter((kind) => allowed.includes(kind)));
  }

  request(vectors: number | readonly number[]): InterruptLine {
    // The highest vector first: some kernels can enable a vector only together with all lower ones.
    const all = [vectors].flat().toSorted((a, b) => b - a);
    for (const vector of all) this.#check(vector);
    using scope = new DisposableStack();
    const event = scope.use(this.#kernel.event());
    for (const vector of all) this.#events.set(vector, event);
    scope.defer(() => all.forEach((vector) => this.#events.delete(vector)));
    for (const vector of all) {
      this.#enable(vector);
      scope.defer(() => undo(() => this.#signal(vector, [NONE])));
    }
    const owned = scope.move();
    return eventLine({
      event,
      level: this.kind === "intx",
      unmasked: () => {
        // If the device was removed, this has no effect, and no error is reported here; `VfioDevice.whyLost` reports
        // the removal.
        if (this.#used.info.automasked) this.#file.unmask();
      },
      dispose: () => owned.dispose(),
    });
  }

  #check(vector: number): void {
    if (!(Number.isInteger(vector) && vector >= 0 && vector < this.vectors))
      throw new OutOfRange(`interrupt vector ${vector} does not exist: the device has ${this.vectors}`);
    if (this.#events.has(vector)) throw new OutOfRange(`interrupt vector ${vector} is already requested`);
  }

  /**
   * Enables the requested vectors again after a reset of the bus has cleared the card's settings.
   * @throws {SystemError}
   */
  restore(): void {
    if (this.#enabled > 0) this.#enableTogether(this.#enabled);
  }

  /** Disables all vectors. */
  [Symbol.dispose](): void {
    if (this.#enabled === 0) return;
    this.#enabled = 0;
    undo(() => this.#set(0, 0, IrqAction.off, []));
  }

  #best(kinds: readonly InterruptKind[]): { readonly kind: InterruptKind; readonly info: IrqInfo } {
    for (const kind of kinds) {
      const info = this.#file.irq(Irq[kind]);
      if (info.count > 0 && info.eventfd) return { kind, info };
    }
    throw new OutOfRange(
      `${this.#address} has no usable interrupts of these kinds: ${kinds.map((kind) => NAMES[kind]).join(", ")}`,
    );
  }

  #enable(vector: number): void {
    try {
      if (this.#enabled > 0 && vector >= this.#enabled && this.#used.info.fixed) this.#enableTogether(vector + 1);
      else if (this.#enabled === 0) this.#signal(0, this.#descriptors(vector + 1));
      else this.#signal(vector, [this.#events.get(vector)!.number]);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new InterruptsRefused(this.#address, NAMES[this.kind], error);
    }
    this.#enabled = Math.max(this.#enabled, vector + 1);
  }

  /** Disables all vectors, then enables the first `count`. Some kernels cannot enable one more vector otherwise. */
  #enableTogether(count: number): void {
    this.#set(0, 0, IrqAction.off, []);
    this.#signal(0, this.#descriptors(count));
    // An event that occurs between disabling and enabling is lost, so all lines are signalled once.
    for (const event of this.#events.values()) event.signal();
  }

  #descriptors(count: number): readonly number[] {
    return Array.from({ length: count }, (_, vector) => this.#events.get(vector)?.number ?? NONE);
  }

  #signal(start: number, fds: readonly number[]): void {
    this.#set(start, fds.length, IrqAction.signal, fds);
  }

  #set(start: number, count: number, action: number, fds: readonly number[]): void {
    this.#file.setIrqs({ index: Irq[this.kind], start, count, action, fds });
  }
}
