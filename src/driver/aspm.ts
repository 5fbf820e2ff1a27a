/**
 * PCI Express link power management (ASPM). A policy decides whether the chip may put its end of the link into a
 * low-power state.
 */
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
 * `auto`: ASPM is on if it is known to work on the chip, the system has enabled it and the board's vendor has marked it
 * as tested. `off`: it is always off. `full`: it is on with any board. After a transmit time-out it is off with every
 * policy, until a policy is set again. While ASPM is on, L1 substates and latency reports are on too, on chips that
 * have them.
 */
export const ASPM_POLICIES = ["auto", "off", "full"] as const;
export type AspmPolicy = (typeof ASPM_POLICIES)[number];

/** Link Control of the Express capability (PCI Express 3.0, 7.8.7): the low-power states that the system allows. */
const LINK_CONTROL = 16;
const LINK_STATES = ["none", "L0s", "L1", "L0s and L1"] as const;
const STATES = 3;

export interface AspmState {
  readonly policy: AspmPolicy;
  /** True if the chip may put its end of the link into a low-power state. */
  readonly allowed: boolean;
  readonly because: string;
  /**
   * The low-power states that the system allows at this end; undefined on PCI. The link uses only those that the other
   * end allows too.
   */
  readonly link: (typeof LINK_STATES)[number] | undefined;
}

/** @throws {BadAspm} for a policy that the chip does not support */
export const checkAspm = (chip: Chip, policy: AspmPolicy): AspmPolicy => {
  if (policy !== "full") return policy;
  if (chip.aspm === undefined) throw new BadAspm(chip.name, "no driver has enabled it on this chip");
  if (QUIRKS.aspmStallsBus.on(chip)) throw new BadAspm(chip.name, "it makes other devices on the bus fail");
  return policy;
};

/** Keeps the policy. `apply` writes it to the chip at each start, so it survives resets, MTU changes and sleep. */
export class LinkPower {
  readonly #hw: Hardware;
  readonly #config: Mmio;
  #policy: AspmPolicy;
  /** True after a transmit time-out, which is usually caused by ASPM. ASPM is then disabled. */
  #transmitterTimedOut = false;
  #state: AspmState;

  /** Accesses no register. @throws {BadAspm} */
  constructor(hw: Hardware, config: Mmio, policy: AspmPolicy = "auto") {
    this.#hw = hw;
    this.#config = config;
    this.#policy = checkAspm(hw.chip, policy);
    this.#state = { policy, allowed: false, because: "the NIC has not been up", link: undefined };
  }

  get state(): AspmState {
    return this.#state;
  }

  /**
   * Sets the policy. If the NIC is up, the policy is applied at once. @throws {BadAspm} before anything is written;
   * {SideBusTimeout} if the chip does not respond
   */
  set(policy: AspmPolicy, running: boolean): void {
    this.#policy = checkAspm(this.#hw.chip, policy);
    this.#transmitterTimedOut = false;
    if (running) this.apply();
  }

  /**
   * Writes the policy to the chip. This is the last step of a start, because the PCI Express PHY must not be written
   * afterwards. @throws {SideBusTimeout}
   */
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

  /**
   * If `finding` is a transmit time-out, disables ASPM, whatever the policy, until a policy is set again. Returns
   * `finding`.
   */
  noteFinding(finding: Finding | undefined): Finding | undefined {
    this.#transmitterTimedOut ||= finding === "transmitTimeout";
    return finding;
  }

  #decide(link: AspmState["link"]): readonly [allowed: boolean, because: string] {
    const { chip, side } = this.#hw;
    if (chip.aspm === undefined) return [false, "no driver has enabled it on this chip"];
    if (this.#policy === "off") return [false, "the policy is off"];
    if (this.#transmitterTimedOut) return [false, "the transmitter has timed out"];
    if (this.#policy === "full") return [true, "the policy is full"];
    if (QUIRKS.aspmStallsBus.on(chip)) return [false, "it makes other devices on the bus fail"];
    if (link === "none") return [false, "the system has disabled it on this link"];
    if (!chip.aspm.marked) return [false, "it is not known to work on this chip"];
    if ((side.macRead(TESTED.address) & TESTED.bits) === 0)
      return [false, "the board's vendor has not marked it as tested"];
    return [true, "the system has enabled it, and the board's vendor has marked it as tested"];
  }

  #linkStates(): AspmState["link"] {
    const { expressAt } = this.#hw.chip.profile.function;
    if (expressAt === 0) return undefined;
    return LINK_STATES[this.#config.read16(rw16(expressAt + LINK_CONTROL)) & STATES];
  }

  /**
   * Disables ASPM at this end of the link. The system may disable ASPM at the other end only afterwards (PCI Express
   * 3.0, 5.4.1.3). This call has no effect if the system does not let drivers write Link Control, as with VFIO.
   */
  #forbidLink(): void {
    const control = rw16(this.#hw.chip.profile.function.expressAt + LINK_CONTROL);
    if ((this.#config.read16(control) & STATES) !== 0) this.#config.update16(control, STATES, 0);
    this.#state = { ...this.#state, link: this.#linkStates() };
  }
}
