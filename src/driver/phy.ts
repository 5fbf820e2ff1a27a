/**
 * The built-in PHY: reset, autonegotiation or a forced mode, and the resulting link. IEEE 802.3 clauses 22, 28, 40 and
 * 45. Chips differ in their start-up values, and in the facts of `chip/phy-kinds.ts`.
 */
import { LINK_MODES, offerOf } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import {
  ALIVE,
  ANAR,
  Advertise,
  ANLPAR,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  GBCR,
  Gbcr,
  GBSR,
  IDLE_ERRORS,
  MASTER_SHIFT_10G,
  NEGOTIATION_10G,
  Ocp,
  PHYID1,
  PHYID2,
  type PhyPlace,
} from "#chip/phy.ts";
import { STANDARD_MTU } from "#chip/frames.ts";
import { MISC_1, Misc1 } from "#chip/registers.ts";
import { until } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { type PairReport, testCable } from "./cable-test.ts";
import { BadLinkSetting, PhyDisabled, SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import {
  type LinkSettings,
  type PauseSettings,
  MASTER_SLAVE,
  checkLinkSettings,
  defaultLinkSettings,
  pauseOffer,
  supportedModes,
} from "./link-settings.ts";
import { type LinkReport, linkReport } from "./link-report.ts";
import { macLink } from "./mac-link.ts";
import type { Operation } from "./operation.ts";
import { resetPhy } from "./phy-bus.ts";
import { hasCage, startSerdes } from "./serdes.ts";

/** The present link. The speed is in Mbit/s, and 0 while the link is down. */
export interface LinkState {
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
  readonly pause: { readonly receive: boolean; readonly transmit: boolean };
}

const NO_PAUSE: LinkState["pause"] = { receive: false, transmit: false };
export const LINK_DOWN: LinkState = { up: false, speed: 0, fullDuplex: false, pause: NO_PAUSE };

/** Limit of the wait for the PHY after power-up, as in Realtek's driver (DPDK, rtl_wait_phy_ups_resume). */
const ALIVE_LIMIT_MICROS = 100_000;

const FASTER = LINK_MODES.filter(({ register }) => register === "faster");
const ALL_FASTER = offerOf(FASTER, "faster") | (MASTER_SLAVE["forced-master"] << MASTER_SHIFT_10G);
const ALL_MASTER = MASTER_SLAVE["forced-master"] | MASTER_SLAVE["preferred-master"];
const retrainOf = (modes: typeof LINK_MODES): number => modes.reduce((bits, mode) => bits | mode.fastRetrain, 0);

/** MAC-OCP register with the state of the pins (DPDK, rtl_is_phy_disable_mode_enabled and rtl_is_gpio_low). */
const GPIO = 0xdc04;
const isSwitchedOff = ({ io, side, chip: { profile } }: Hardware): boolean =>
  profile.phySwitch !== undefined &&
  (io.read8(MISC_1) & Misc1.phySwitch) !== 0 &&
  (side.macRead(GPIO) & profile.phySwitch) === 0;

export class Phy {
  readonly #hw: Hardware;
  readonly #nic: { readonly mtu: number; readonly running: boolean };
  /** True if the chip has a SerDes with an SFP cage instead of a copper PHY. */
  readonly cage: boolean;
  /**
   * True if the last call of `link` that found the link up also found that the link had been down since the call
   * before.
   */
  flapped = false;
  #settings: LinkSettings;
  #idleErrors = 0;
  #linkLosses = 0;
  #wasUp = false;
  /** The register values that were written last. */
  #written = { control: 0, ability: 0, gigabit: 0 };

  /** @param nic the NIC with this PHY */
  constructor(hw: Hardware, nic: { readonly mtu: number; readonly running: boolean }) {
    this.#hw = hw;
    this.#nic = nic;
    this.cage = hasCage(hw);
    this.#settings = defaultLinkSettings(hw.chip, this.cage);
  }

  /** Reads a clause 22 register. */
  read(register: number): number {
    return this.#hw.phy.read(register);
  }
  write(register: number, value: number): void {
    this.#hw.phy.write(register, value);
  }

  /** PHYID1 and PHYID2 as one word. */
  get id(): number {
    return ((this.read(PHYID1) << 16) | this.read(PHYID2)) >>> 0;
  }

  get settings(): LinkSettings {
    return this.#settings;
  }

  /**
   * Changes the given settings, and restarts the link: at once if the NIC is up, otherwise at the next `up`. @throws
   * {BadLinkSetting} before anything is written; the old settings are kept
   */
  set(change: Partial<LinkSettings>): void {
    const { chip } = this.#hw;
    const jumbo = this.#nic.mtu > STANDARD_MTU;
    if (change.pause !== undefined && jumbo)
      throw new BadLinkSetting(chip.name, "pause with jumbo frames", `Set an MTU of at most ${STANDARD_MTU} first.`);
    this.#settings = checkLinkSettings(chip, this.cage, { ...this.#settings, ...change });
    if (this.#nic.running) this.apply();
  }

  /** Sets pause, in ethtool's terms; fields that are not given do not change. @throws {BadLinkSetting} */
  setPause(change: Partial<PauseSettings>): void {
    const before = this.#settings.pause ?? { autonegotiate: true, receive: true, transmit: true };
    this.set({ pause: { ...before, ...change } });
  }

  /** Restarts negotiation. @throws {BadLinkSetting} while autonegotiation is off or the NIC is down */
  restart(): void {
    const { autonegotiate } = this.#settings;
    if (!autonegotiate || !this.#nic.running)
      throw new BadLinkSetting(
        this.#hw.chip.name,
        "a restart of negotiation in this state",
        autonegotiate ? "Bring the NIC up first." : "Turn autonegotiation on first.",
      );
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.restart);
  }

  /** The supported modes, the advertised modes, and the partner's modes. */
  report(): LinkReport {
    return linkReport(this.#hw, this.#settings, this.cage, this.#pause, () => this.#gigabitStatus());
  }

  /**
   * Counters since the NIC was bound: idle errors at 1000 Mbit/s (GBSR 7:0, 802.3 40.5.1.1; undefined on slower PHYs
   * and with an SFP cage), and losses of the link, including those that began and ended between two polls.
   */
  statistics(): { readonly idleErrors: number | undefined; readonly linkLosses: number } {
    const counts = !this.cage && phyKind(this.#hw.chip).estatus !== 0;
    if (counts) this.#gigabitStatus();
    return { idleErrors: counts ? this.#idleErrors : undefined, linkLosses: this.#linkLosses };
  }

  /** Reads GBSR. The read clears the register's error count, which is added to `#idleErrors`. */
  #gigabitStatus(): number {
    const status = this.read(GBSR);
    this.#idleErrors += status & IDLE_ERRORS;
    return status;
  }

  /**
   * Wakes the PHY up and resets it. If the PHY's controller then does not seem to run, resets the PHY once more.
   * @throws {Timeout} if the reset does not end; {PhyDisabled} before the PHY is accessed
   */
  reset(): void {
    const { chip, expiredWaits } = this.#hw;
    if (isSwitchedOff(this.#hw)) throw new PhyDisabled(chip.name);
    resetPhy(this.#hw);
    if (this.#alive()) return;
    resetPhy(this.#hw);
    if (!this.#alive()) expiredWaits.note("the PHY's controller to start");
  }

  /**
   * Sets a bit that the PHY's controller clears if it runs, and returns whether it was cleared. PHYs for at most 1000
   * Mbit/s do not have that bit; for them the result is true.
   */
  #alive(): boolean {
    const { chip, side, clock } = this.#hw;
    if (chip.profile.phy.multigigabit === 0) return true;
    side.phyUpdate(Ocp.alive, 0, ALIVE);
    return until(clock, ALIVE_LIMIT_MICROS, 1000, () => (side.phyRead(Ocp.alive) & ALIVE) === 0);
  }

  /**
   * The pause bits of ANAR. Pause is not advertised with jumbo frames, because the chip does not support both together.
   */
  get #pause(): number {
    return this.#nic.mtu > STANDARD_MTU ? 0 : pauseOffer(this.#settings.pause);
  }

  /**
   * Tests the cable in short steps. A link of 10 or 100 Mbit/s may go down during the test.
   * @throws {OutOfRange} at the first step if the NIC is down or its chip has no cable test
   */
  *testCable(): Operation<readonly PairReport[]> {
    if (!this.#nic.running) throw new OutOfRange("the NIC is down", "Bring it up first.");
    return yield* testCable(this.#hw, macLink(this.#hw).speed);
  }

  /** Writes the settings and restarts the link. */
  apply(): void {
    const { autonegotiate, speed, fullDuplex } = this.#settings;
    if (this.cage) {
      startSerdes(this.#hw, speed, this.#pause !== 0);
      return;
    }
    const forced = (speed === 100 ? Bmcr.speedLow : 0) | (fullDuplex ? Bmcr.fullDuplex : 0);
    this.#offer(autonegotiate ? Bmcr.autonegotiate | Bmcr.restart : forced);
    this.#cross();
    this.write(BMCR, this.#written.control);
  }

  #offer(control: number): void {
    const { chip } = this.#hw;
    const { advertise, masterSlave, fastRetrain } = this.#settings;
    const modes = supportedModes(chip, false).filter(({ name }) => advertise.includes(name));
    const master = MASTER_SLAVE[masterSlave];
    this.#written = {
      control,
      ability: Advertise.selector | offerOf(modes, "ability") | this.#pause,
      gigabit: offerOf(modes, "gigabit") | master,
    };
    this.write(ANAR, this.#written.ability);
    if (phyKind(chip).estatus !== 0) this.write(GBCR, this.#written.gigabit);
    // The profile shows what the PHY supports. `chip.speed` does not, because a chip may be slower than its PHY.
    if (chip.profile.phy.multigigabit === 0) return;
    const retrain = fastRetrain === undefined ? 0 : retrainOf(FASTER);
    this.#update(
      NEGOTIATION_10G,
      ALL_FASTER | (ALL_MASTER << MASTER_SHIFT_10G) | retrain,
      offerOf(modes, "faster") | (master << MASTER_SHIFT_10G) | (fastRetrain === true ? retrainOf(modes) : 0),
    );
  }

  /** Writes the registers of crossover and downshift if they differ from the settings. */
  #cross(): void {
    const { crossover, downshift } = phyKind(this.#hw.chip);
    const settings = this.#settings;
    if (crossover !== undefined)
      this.#update(crossover.control, crossover.control.mask, crossover.control[settings.crossover]);
    if (downshift !== undefined)
      this.#update(downshift, downshift.bits, settings.downshift === false ? 0 : downshift.bits);
  }

  #update({ register, page }: PhyPlace, clear: number, set: number): void {
    const { phy } = this.#hw;
    const before = phy.read(register, page);
    const after = (before & ~clear) | set;
    if (after !== before) phy.write(register, after, page);
  }

  /**
   * True if the PHY has lost its settings, if its registers read all zeros or all ones, or if it does not respond. An
   * electrostatic discharge can cause this (Realtek's drivers check for this once a second). The RTL8139C+ has no bit
   * for asymmetric pause, so that bit is not compared.
   */
  get lost(): boolean {
    // With an SFP cage there are no negotiation registers to check.
    if (this.cage) return false;
    const { control, ability, gigabit } = this.#written;
    try {
      if (((this.read(BMCR) ^ control) & (Bmcr.autonegotiate | Bmcr.powerDown | Bmcr.isolate)) !== 0) return true;
      if (((this.read(ANAR) ^ ability) & ~Advertise.asymmetricPause) !== 0) return true;
      // GBCR's power-on value advertises half duplex at 1000 Mbit/s. If that mode is advertised although it was not
      // written, the PHY has lost its settings.
      return phyKind(this.#hw.chip).estatus !== 0 && (this.read(GBCR) & ~gigabit & Gbcr.half1000) !== 0;
    } catch (error) {
      if (error instanceof SideBusTimeout) return true;
      throw error;
    }
  }

  /** Powers the PHY down. `reset` wakes it up. */
  powerDown(): void {
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.powerDown);
  }

  /**
   * The link as the MAC reports it. While the link is up, also reads the PHY's latched link bit, which the read clears,
   * and keeps the result in `flapped`.
   */
  link(): LinkState {
    const { up, speed, fullDuplex } = macLink(this.#hw);
    const lost = this.#wasUp;
    this.#wasUp = up;
    if (!up) {
      if (lost) this.#linkLosses++;
      return LINK_DOWN;
    }
    return { up, speed, fullDuplex, pause: this.#readPause(lost, fullDuplex) };
  }

  /** Reads the PHY's part of a link that the MAC reports as up. @param wasUp whether it was up at the last reading */
  #readPause(wasUp: boolean, fullDuplex: boolean): LinkState["pause"] {
    try {
      this.flapped = (this.read(BMSR) & Bmsr.linkUp) === 0;
      // A PHY that does not report the link has no latched bit either.
      if (wasUp && this.flapped && phyKind(this.#hw.chip).hidesLink !== true) this.#linkLosses++;
      const negotiated = (this.read(BMSR) & Bmsr.negotiated) !== 0;
      const ours = this.read(ANAR);
      const theirs = negotiated ? this.read(ANLPAR) : 0;
      return resolvePause(ours, theirs, fullDuplex);
    } catch (error) {
      // The next health check finds that the PHY does not respond. The link is read again once the PHY is restarted.
      if (!(error instanceof SideBusTimeout)) throw error;
      return NO_PAUSE;
    }
  }
}

/** The pause modes that result from both advertisements (802.3, table 28B-3). */
const resolvePause = (ours: number, theirs: number, fullDuplex: boolean): LinkState["pause"] => {
  const both = ours & theirs;
  if (!fullDuplex) return NO_PAUSE;
  if ((both & Advertise.pause) !== 0) return { receive: true, transmit: true };
  if ((both & Advertise.asymmetricPause) === 0) return NO_PAUSE;
  return { receive: (ours & Advertise.pause) !== 0, transmit: (theirs & Advertise.pause) !== 0 };
};
