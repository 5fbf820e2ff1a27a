/** Faults of real hardware that can be injected at run time, by name. */
import { OutOfRange } from "#kit/errors.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";

/** Each fault, with its effect. */
export const FAULTS = {
  "lost-interrupt": "an interrupt is not signalled although its event is pending; the line still has the correct level",
  "repeated-interrupt": "an interrupt is signalled again shortly after, with no new event pending",
  "stuck-reset": "a software reset never completes: ChipCmd keeps the bit, and nothing is reset",
  "stuck-counters": "a command to dump or reset the counters never completes: DTCCR keeps the bit",
  "dma-error": "the bus rejects the chip's accesses to memory",
  "silent-phy": "the PHY does not respond: the flag of PHYOCP, or PHYAR on older chips, never changes",
  "upset-phy": "an electrostatic discharge: the PHY loses its settings, and reads all ones until it is reset",
  "forgetful-phy": "the PHY loses its settings, and continues with its power-on defaults",
  "lost-doorbell": "a doorbell has no effect: its descriptors are not sent before the next doorbell",
  "stuck-transmitter":
    "the transmitter ignores every doorbell until a software reset; with a count, until that many software resets",
  "stuck-receiver": "the receive FIFO stays full until a software reset; with a count, until that many software resets",
  "receive-overflow": "the receive FIFO is full when a frame arrives: the frame is counted as missed",
  "link-loss":
    "the PCI Express link is lost for 100 ms, as if the card were removed; then the card is as after a bus reset",
  removal: "the card is removed: all registers read all ones, nothing is sent, received or signalled",
} as const;
export type FaultName = keyof typeof FAULTS;
/** Faults that are a state, not single events: they last until disarmed. */
export const PERSISTENT_FAULTS: readonly FaultName[] = ["silent-phy", "removal"];
/** Faults that occur once, when they are armed, and end at once or soon after. */
export const MOMENTARY: readonly FaultName[] = ["upset-phy", "forgetful-phy", "link-loss"];
export const LINK_LOSS_MICROS = 100_000;

export interface FaultOptions {
  /** Number of times that the fault occurs before it is disarmed; unlimited if absent. */
  readonly count?: number;
}

/** A fault that is armed. */
export interface ArmedFault {
  readonly name: FaultName;
  /** Number of remaining occurrences; `Infinity` if the fault occurs until it is disarmed. */
  readonly left: number;
  /** Number of occurrences since the fault was armed. */
  readonly struck: number;
}

interface State {
  left: number;
  struck: number;
}

/** Largest count that is accepted. A larger one is probably a typing error. */
const MAX_COUNT = 1_000_000_000;

const isFault = (name: string): name is FaultName => Object.hasOwn(FAULTS, name);

/**
 * Armed faults. The model checks for them at defined points; while none is armed, a check only reads one field.
 *
 * `changed` is called with the name of each fault that was armed or disarmed.
 */
export class Faults {
  /** Whether any fault is armed. */
  any = false;
  /** Whether the card is removed. */
  removed = false;
  readonly #states = new Map<FaultName, State>();
  readonly #changed: (name: FaultName) => void;

  constructor(changed: (name: FaultName) => void) {
    this.#changed = changed;
  }

  /** @throws {OutOfRange} for an unknown fault, or a count that is not an integer from 1 to `MAX_COUNT` */
  arm(name: string, options: FaultOptions = {}): void {
    const fault = this.#named(name);
    const { count = Infinity } = options;
    if (!(count === Infinity || (Number.isInteger(count) && count > 0 && count <= MAX_COUNT)))
      throw new OutOfRange(`a fault cannot occur ${count} times`, "Use an integer from 1 to 1000000000, or omit it.");
    this.#states.set(fault, { left: count, struck: 0 });
    this.#update(fault);
  }

  /** Disarms a fault; no effect if it is not armed. @throws {OutOfRange} for an unknown fault */
  disarm(name: string): void {
    const fault = this.#named(name);
    if (this.#states.delete(fault)) this.#update(fault);
  }

  get armed(): readonly ArmedFault[] {
    return [...this.#states].map(([name, { left, struck }]) => ({ name, left, struck }));
  }

  isArmed(name: FaultName): boolean {
    return this.any && this.#states.has(name);
  }

  /** Whether the fault occurs now; if so, counts it. */
  strikes(name: FaultName): boolean {
    if (!this.any) return false;
    const state = this.#states.get(name);
    if (state === undefined) return false;
    state.struck++;
    if (--state.left <= 0) this.disarm(name);
    return true;
  }

  #named(name: string): FaultName {
    if (isFault(name)) return name;
    throw new OutOfRange(`unknown fault "${name}"`, `Faults are ${Object.keys(FAULTS).join(", ")}.`);
  }

  #update(name: FaultName): void {
    this.any = this.#states.size > 0;
    this.removed = this.#states.has("removal") || this.#states.has("link-loss");
    this.#changed(name);
  }
}

/**
 * Guest memory that rejects accesses while the card is removed or the fault "dma-error" is armed. When such a fault is
 * armed, the chip must discard the regions that it has cached.
 */
export class RefusedMemory implements GuestMemory {
  /** Set if the last access was rejected because of a fault and not because of a driver error. */
  refused = false;
  readonly #faults: Faults;
  readonly #memory: GuestMemory;

  constructor(faults: Faults, memory: GuestMemory) {
    this.#faults = faults;
    this.#memory = memory;
  }

  region(address: number, length: number): MemoryRegion | undefined {
    this.refused = this.#faults.removed || this.#faults.strikes("dma-error");
    return this.refused ? undefined : this.#memory.region(address, length);
  }
}
