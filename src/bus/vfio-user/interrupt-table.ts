/**
 * Eventfd and mask of each interrupt, as set by a client with SET_IRQS; and signalling of the interrupts that a device
 * raises.
 */
import type { EventSignaller } from "#sys/aio.ts";
import { PeerEvent } from "#sys/peer-event.ts";
import type { Fd } from "#sys/fd.ts";
import { Irq, IrqFlag, IRQS, Refused, SET_ACTION, SET_DATA, SetFlag } from "./protocol.ts";

/** Number of a device's interrupts of each kind, by the index of the kind. */
export type IrqCounts = readonly number[];

interface Vector {
  event: PeerEvent | undefined;
  masked: boolean;
  /** Whether the interrupt was raised while it was masked or had no eventfd. */
  held: boolean;
}

export interface IrqRequest {
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
}

const isEmpty = (vectors: readonly Vector[]): boolean => vectors.every(({ event }) => event === undefined);

/**
 * A client selects INTx, MSI or MSI-X by setting eventfds for it; if several kinds have eventfds, MSI-X is preferred to
 * MSI, and MSI to INTx. INTx is a level and is masked when it is signalled, as in VFIO; if the line is still high after
 * unmasking, it is signalled again. MSI and MSI-X are messages: a message that is raised while its vector is masked or
 * has no eventfd is signalled later.
 */
export class InterruptTable {
  readonly counts: IrqCounts;
  readonly #asserted: () => boolean;
  readonly #signaller: EventSignaller;
  readonly #vectors: readonly (readonly Vector[])[];
  /** The kind that the client selected. */
  #active: number = Irq.intx;

  /** @param asserted whether INTx is high */
  constructor(counts: IrqCounts, asserted: () => boolean, signaller: EventSignaller) {
    this.counts = counts;
    this.#asserted = asserted;
    this.#signaller = signaller;
    this.#vectors = counts.map((count) =>
      Array.from({ length: count }, () => ({ event: undefined, masked: false, held: false })),
    );
  }

  flags(index: number): number {
    if (index === Irq.intx) return IrqFlag.eventfd | IrqFlag.maskable | IrqFlag.autoMasked;
    return index === Irq.msi || index === Irq.msix ? IrqFlag.eventfd | IrqFlag.maskable : IrqFlag.eventfd;
  }

  /** Executes a SET_IRQS request. Returns 0 or an error number. Takes ownership of the descriptors. */
  set(request: IrqRequest, data: Uint8Array, fds: readonly Fd[]): number {
    using scope = new DisposableStack();
    for (const fd of fds) scope.use(fd);
    const refused = this.#refuse(request, data.length, fds.length);
    if (refused !== 0) return refused;
    const { flags, index, start, count } = request;
    const vectors = this.#vectors[index]!;
    if (count === 0) {
      this.#disable(index);
      return 0;
    }
    if ((flags & SetFlag.eventfd) !== 0) {
      const events = fds.map((fd) => PeerEvent.adopt(fd, this.#signaller));
      if (!events.every((event) => event !== undefined)) return Refused.EINVAL;
      scope.move();
      this.#assign(index, start, count, events);
      return 0;
    }
    for (let i = 0; i < count; i++)
      if ((flags & SetFlag.none) !== 0 || data[i] !== 0) this.#apply(index, vectors[start + i]!, flags & SET_ACTION);
    return 0;
  }

  /**
   * Signals the device's vector `vector`. If the active kind has fewer vectors, several of the device's vectors share
   * one.
   */
  raise(vector: number): void {
    const vectors = this.#vectors[this.#active]!;
    if (vectors.length === 0) return;
    this.#trigger(this.#active, vectors[vector % vectors.length]!);
  }

  /**
   * Asks the client to release the device. @returns false if the client has set no eventfd for that; the request is
   * then dropped
   */
  requestUnplug(): boolean {
    const [vector] = this.#vectors[Irq.request]!;
    if (vector?.event === undefined) return false;
    this.#trigger(Irq.request, vector);
    return true;
  }

  /** Removes all eventfds, after the client has disconnected. */
  clear(): void {
    for (let index = 0; index < IRQS; index++) this.#disable(index);
  }

  #refuse({ flags, index, start, count }: IrqRequest, dataBytes: number, fds: number): number {
    const action = flags & SET_ACTION;
    const data = flags & SET_DATA;
    const vectors = this.#vectors[index];
    if (vectors === undefined || !isOneBit(action) || !isOneBit(data) || (flags & ~(SET_ACTION | SET_DATA)) !== 0)
      return Refused.EINVAL;
    if (start > vectors.length || count > vectors.length - start) return Refused.EINVAL;
    if (count === 0 && (data !== SetFlag.none || action !== SetFlag.trigger || start !== 0)) return Refused.EINVAL;
    if (data !== SetFlag.eventfd && fds > 0) return Refused.EINVAL;
    if (data === SetFlag.bool && dataBytes < count) return Refused.EINVAL;
    if (data === SetFlag.eventfd) {
      // Masking or unmasking by an eventfd of the client is not supported.
      if (action !== SetFlag.trigger) return Refused.EOPNOTSUPP;
      // A request without descriptors removes the eventfds.
      if (fds !== 0 && fds !== count) return Refused.EINVAL;
    }
    const maskable = (this.flags(index) & IrqFlag.maskable) !== 0;
    return action !== SetFlag.trigger && !maskable ? Refused.EINVAL : 0;
  }

  #assign(index: number, start: number, count: number, events: readonly PeerEvent[]): void {
    const vectors = this.#vectors[index]!;
    for (let i = 0; i < count; i++) {
      const vector = vectors[start + i]!;
      vector.event?.[Symbol.dispose]();
      vector.event = events[i];
    }
    this.#choose();
    for (let i = 0; i < count; i++) this.#catchUp(index, vectors[start + i]!);
  }

  #apply(index: number, vector: Vector, action: number): void {
    if (action === SetFlag.trigger) this.#trigger(index, vector);
    else {
      vector.masked = action === SetFlag.mask;
      this.#catchUp(index, vector);
    }
  }

  /** Signals an interrupt that was raised while it was masked or had no eventfd. */
  #catchUp(index: number, vector: Vector): void {
    if (vector.event === undefined || vector.masked) return;
    const due = index === Irq.intx ? this.#asserted() : vector.held;
    vector.held = false;
    if (due) this.#trigger(index, vector);
  }

  #trigger(index: number, vector: Vector): void {
    if (vector.masked || vector.event === undefined) {
      vector.held = true;
      return;
    }
    if (index === Irq.intx) vector.masked = true;
    vector.event.signal();
  }

  #disable(index: number): void {
    for (const vector of this.#vectors[index]!) {
      vector.event?.[Symbol.dispose]();
      vector.event = undefined;
      vector.masked = false;
      vector.held = false;
    }
    this.#choose();
  }

  #choose(): void {
    const has = (index: number): boolean => !isEmpty(this.#vectors[index]!);
    this.#active = has(Irq.msix) ? Irq.msix : has(Irq.msi) ? Irq.msi : Irq.intx;
  }
}

const isOneBit = (bits: number): boolean => bits !== 0 && (bits & (bits - 1)) === 0;
