/** Faults that real hardware has now and then, armed at run time by name. */
import { OutOfRange } from "#kit/errors.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";

/** Each, and what the chip does while it is armed. */
export const FAULTS = {
  "lost-interrupt": "an interrupt is due and not signalled; the line's level stays as it should be",
  "repeated-interrupt": "an interrupt is signalled again a little later though nothing new is pending",
  "stuck-reset": "a software reset is never over: ChipCmd keeps the bit, and nothing is reset",
  "stuck-counters": "a command to dump or reset the counters is never done: DTCCR keeps the bit",
  "dma-error": "the bus refuses what the chip wants to read or write in memory",
  "silent-phy": "the PHY answers no access: the flag of PHYOCP, or PHYAR on older chips, never changes",
  "receive-overflow": "a frame that comes finds the receive FIFO full: it is counted as missed",
  removal: "the card is out: every register reads all ones, nothing is sent, received or signalled",
} as const;
export type FaultName = keyof typeof FAULTS;
/** Those that are a state and do not strike: they last until they are disarmed. */
export const LASTING: readonly FaultName[] = ["silent-phy", "removal"];

export interface FaultOptions {
  /** How often it strikes before it is over; without, until it is disarmed. */
  readonly count?: number;
}

/** A fault that is armed. */
export interface ArmedFault {
  readonly name: FaultName;
  /** Times it will still strike; `Infinity` until disarmed. */
  readonly left: number;
  /** Times it has struck since it was armed. */
  readonly struck: number;
}

interface State {
  left: number;
  struck: number;
}

/** More than this is a slip of the pen. */
const MOST = 1_000_000_000;

const isFault = (name: string): name is FaultName => Object.hasOwn(FAULTS, name);

/**
 * What is armed. The model asks at its seams; nothing but a field is read there as long as nothing is armed.
 *
 * `changed` is told of every arming and disarming, after the fact.
 */
export class Faults {
  /** Whether anything is armed. */
  any = false;
  /** Whether the card is out. */
  removed = false;
  readonly #states = new Map<FaultName, State>();
  readonly #changed: (name: FaultName) => void;

  constructor(changed: (name: FaultName) => void) {
    this.#changed = changed;
  }

  /** @throws {OutOfRange} for a name that is no fault, or a count that is no positive whole number */
  arm(name: string, options: FaultOptions = {}): void {
    const fault = this.#named(name);
    const { count = Infinity } = options;
    if (!(count === Infinity || (Number.isInteger(count) && count > 0 && count <= MOST)))
      throw new OutOfRange(`a fault that strikes ${count} times`, "Give a whole number from 1 on, or none.");
    this.#states.set(fault, { left: count, struck: 0 });
    this.#update(fault);
  }

  /** The fault is over; nothing when it was not armed. @throws {OutOfRange} for a name that is no fault */
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

  /** Whether the fault strikes now; counts if it does. */
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
    throw new OutOfRange(`no fault is called "${name}"`, `Faults are ${Object.keys(FAULTS).join(", ")}.`);
  }

  #update(name: FaultName): void {
    this.any = this.#states.size > 0;
    this.removed = this.#states.has("removal");
    this.#changed(name);
  }
}

/** Guest memory that a fault keeps the chip from. Whoever remembers regions forgets them when the fault is armed. */
export class RefusedMemory implements GuestMemory {
  /** The last access was refused by a fault, so it is not the guest's error. */
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
