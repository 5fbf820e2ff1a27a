/** The power management of the PCI Express link (ASPM), by a policy: whether the chip may let its end sleep, and why. */
import { TESTED } from "#chip/aspm.ts";
import type { Chip } from "#chip/chips.ts";
import { QUIRKS } from "#chip/quirks.ts";
import { Cfg9346, Lock } from "#chip/registers.ts";
import { type Mmio, rw16 } from "#kit/mmio.ts";
import { BadAspm } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import type { Finding } from "./health.ts";
import { run } from "./steps.ts";

/**
 * `auto`: the chip lets the link sleep where the system has ASPM on and the board's vendor has marked it as tested.
 * `off`: it never does. `full`: it does whatever is known of the board, with substates and latency reports where it has
 * them.
 */
export const ASPM_POLICIES = ["auto", "off", "full"] as const;
export type AspmPolicy = (typeof ASPM_POLICIES)[number];

/** Link Control of the Express capability (PCI Express 3.0, 7.8.7): which states the system lets the link enter. */
const LINK_CONTROL = 16;
const LINK_STATES = ["none", "L0s", "L1", "L0s and L1"] as const;
const STATES = 3;

export interface AspmState {
  readonly policy: AspmPolicy;
  /** Whether the chip may let its end of the link sleep. */
  readonly allowed: boolean;
  readonly because: string;
  /** What the system lets the link enter; undefined on PCI. It also needs the port at the other end. */
  readonly link: (typeof LINK_STATES)[number] | undefined;
}

/** @throws {BadAspm} for a policy that the chip cannot have */
export const checkAspm = (chip: Chip, policy: AspmPolicy): AspmPolicy => {
  if (policy !== "full") return policy;
  if (chip.aspm === undefined) throw new BadAspm(chip.name, "no driver has enabled it on this chip");
  if (QUIRKS.aspmStallsBus.on(chip)) throw new BadAspm(chip.name, "other devices on the bus fail with it");
  return policy;
};

/** The policy outlives reset, MTU changes and sleep: `apply` puts it back at each start. */
export class LinkPower {
  readonly #hw: Hardware;
  readonly #config: Mmio;
  #policy: AspmPolicy;
  /** The transmitter has timed out, for which ASPM is the usual reason. */
  #distrusted = false;
  #state: AspmState;

  /** Nothing is read or written yet. @throws {BadAspm} */
  constructor(hw: Hardware, config: Mmio, policy: AspmPolicy = "auto") {
    this.#hw = hw;
    this.#config = config;
    this.#policy = checkAspm(hw.chip, policy);
    this.#state = { policy, allowed: false, because: "the NIC has not been up", link: undefined };
  }

  get state(): AspmState {
    return this.#state;
  }

  /** Applies at once, if the NIC is up. @throws {BadAspm} before anything is written; {SideBusTimeout} */
  set(policy: AspmPolicy, running: boolean): void {
    this.#policy = checkAspm(this.#hw.chip, policy);
    this.#distrusted = false;
    if (running) this.apply();
  }

  /** The last step of a start: the PCI Express PHY is not written any more. @throws {SideBusTimeout} */
  apply(): void {
    const { chip, io } = this.#hw;
    const link = this.#linkStates();
    const [allowed, because] = this.#decide(link);
    this.#state = { policy: this.#policy, allowed, because, link };
    if (this.#policy === "off" && link !== undefined) this.#forbidLink();
    if (chip.aspm === undefined) return;
    io.write8(Cfg9346, Lock.unlock);
    run(this.#hw, allowed ? chip.aspm.on : chip.aspm.off);
    io.write8(Cfg9346, Lock.lock);
  }

  /** After a transmit time-out the link does not sleep any more, whatever the policy, until one is set. Returns what was found. */
  heed(finding: Finding | undefined): Finding | undefined {
    this.#distrusted ||= finding === "transmitTimeout";
    return finding;
  }

  #decide(link: AspmState["link"]): readonly [allowed: boolean, because: string] {
    const { chip, side } = this.#hw;
    if (chip.aspm === undefined) return [false, "no driver has enabled it on this chip"];
    if (this.#policy === "off") return [false, "the policy is off"];
    if (this.#distrusted) return [false, "the transmitter has timed out"];
    if (this.#policy === "full") return [true, "the policy is full"];
    if (QUIRKS.aspmStallsBus.on(chip)) return [false, "other devices on the bus fail with it"];
    if (link === "none") return [false, "the system has disabled it on this link"];
    if (!chip.aspm.marked) return [false, "it is not known to work on this chip"];
    if ((side.macRead(TESTED.address) & TESTED.bits) === 0)
      return [false, "the board's vendor has not marked it as tested"];
    return [true, "the system has it on, and the board's vendor has marked it as tested"];
  }

  #linkStates(): AspmState["link"] {
    const { expressAt } = this.#hw.chip.profile.function;
    if (expressAt === 0) return undefined;
    return LINK_STATES[this.#config.read16(rw16(expressAt + LINK_CONTROL)) & STATES];
  }

  /** This end goes first (PCI Express 3.0, 5.4.1.3). Where the system keeps Link Control to itself, as VFIO does, nothing changes. */
  #forbidLink(): void {
    const control = rw16(this.#hw.chip.profile.function.expressAt + LINK_CONTROL);
    if ((this.#config.read16(control) & STATES) !== 0) this.#config.update16(control, STATES, 0);
    this.#state = { ...this.#state, link: this.#linkStates() };
  }
}
