/**
 * Wake-up: the events that may wake a sleeping NIC, the settings with which the chip signals them, and its preparation
 * for sleep.
 */
import { BMCR, Bmcr } from "#chip/phy.ts";
import {
  Cfg9346,
  ChipCmd,
  Cmd,
  Conf1,
  Conf2,
  Conf3,
  Conf5,
  Config1,
  Config2,
  Config3,
  Config5,
  Lock,
  MISC,
  Misc,
  PMCH,
  Pmch,
  RxConf,
  RxConfig,
} from "#chip/registers.ts";
import { Config3_8139, Config5_8139 } from "#chip/registers-8139cp.ts";
import { ERI_MAGIC, OCP_LINK, OCP_MAGIC } from "#chip/wake.ts";
import type { PciPower } from "#kit/device.ts";
import type { Register } from "#kit/mmio.ts";
import { NoWakeUp, SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { slowDown } from "./speed-down.ts";

/**
 * The wake-up events: the link comes up; a frame arrives for the station, a group or broadcast; a magic packet arrives.
 * Every chip of the family supports these. No public source describes wake-up by patterns for any of them.
 */
export const WAKE_FORMS = ["link", "unicast", "multicast", "broadcast", "magic"] as const;
export type WakeForm = (typeof WAKE_FORMS)[number];

const CONFIG = {
  8169: { config3: Config3, config5: Config5 },
  8139: { config3: Config3_8139, config5: Config5_8139 },
} as const;
const CONFIG5 = { unicast: Conf5.unicastWake, multicast: Conf5.multicastWake, broadcast: Conf5.broadcastWake } as const;

/**
 * Keeps the wake-up events. `apply` writes them to the chip at each start, so they survive resets, MTU changes and
 * sleep.
 */
export class Wake {
  readonly #hw: Hardware;
  readonly #power: PciPower;
  #armed: readonly WakeForm[] = [];
  /** True after a user has set the events. Until then, `apply` does not write them to the chip. */
  #asked = false;

  constructor(hw: Hardware, power: PciPower) {
    this.#hw = hw;
    this.#power = power;
  }

  /** The supported events; empty if the function cannot signal a wake-up event (PME). */
  get supported(): readonly WakeForm[] {
    const { d3hot, d3cold } = this.#power.wakesFrom;
    return d3hot || d3cold ? WAKE_FORMS : [];
  }

  /** True if the function can also signal an event while the machine is powered off. */
  get fromPowerOff(): boolean {
    return this.#power.wakesFrom.d3cold;
  }

  get armed(): readonly WakeForm[] {
    return this.#armed;
  }

  /** @throws {NoWakeUp} for unsupported events; {Sleeping} while asleep; errors of the bus. The old setting is kept. */
  set armed(forms: readonly WakeForm[]) {
    const refused = forms.find((form) => !this.supported.includes(form));
    if (refused !== undefined) throw new NoWakeUp(refused, this.supported);
    this.#power.allowWake(forms.length > 0);
    const before = { armed: this.#armed, asked: this.#asked };
    this.#armed = WAKE_FORMS.filter((form) => forms.includes(form));
    this.#asked = true;
    try {
      this.apply();
    } catch (error) {
      this.#armed = before.armed;
      this.#asked = before.asked;
      this.#power.allowWake(before.armed.length > 0);
      throw error;
    }
  }

  /** Writes the setting to the chip. @throws {SideBusTimeout} */
  apply(): void {
    if (this.#asked) this.#arm();
    const { pll } = this.#hw.chip.profile.wake;
    if (pll === "unknown") return;
    const cold = this.#armed.length > 0 || pll === "always" ? Pmch.d3coldKeepPll : 0;
    this.#change(PMCH, Pmch.d3hotKeepPll | Pmch.d3coldKeepPll, Pmch.d3hotKeepPll | cold);
  }

  #arm(): void {
    const { io, side, chip } = this.#hw;
    const { signal, magic, configAt } = chip.profile.wake;
    const { config3, config5 } = CONFIG[configAt];
    const on = (form: WakeForm): boolean => this.#armed.includes(form);
    const any = this.#armed.length > 0;
    const frames = (Object.keys(CONFIG5) as (keyof typeof CONFIG5)[]).filter(on);
    io.write8(Cfg9346, Lock.unlock);
    this.#change(
      config3,
      Conf3.linkUp | (magic === "config3" ? Conf3.magicPacket : 0),
      (on("link") ? Conf3.linkUp : 0) | (on("magic") ? Conf3.magicPacket : 0),
    );
    this.#change(
      config5,
      Conf5.unicastWake | Conf5.multicastWake | Conf5.broadcastWake | Conf5.lanWake,
      frames.reduce((bits, form) => bits | CONFIG5[form], any ? Conf5.lanWake : 0),
    );
    if (signal === "config1") this.#change(Config1, Conf1.powerManagement, any ? Conf1.powerManagement : 0);
    if (signal === "config2") this.#change(Config2, Conf2.pmeSignal, any ? Conf2.pmeSignal : 0);
    io.write8(Cfg9346, Lock.lock);
    if (magic === "eri") side.eriUpdate(ERI_MAGIC.address, ERI_MAGIC.bit, on("magic") ? ERI_MAGIC.bit : 0);
    if (magic === "ocp") {
      side.macUpdate(OCP_MAGIC.address, OCP_MAGIC.bit, on("magic") ? OCP_MAGIC.bit : 0);
      side.macUpdate(OCP_LINK.address, OCP_LINK.mask, on("link") ? OCP_LINK.on : 0);
    }
  }

  /**
   * Prepares a stopped NIC for wake-up: lets received frames pass to the wake-up filter, and, unless wake-up by link is
   * enabled, makes the link as slow as both ends allow. Bus mastering is off, so no frame is written to memory. The
   * multicast hash is kept. If the PHY does not respond, the link keeps its speed, and frames can still wake the NIC.
   */
  listen(): void {
    const { io, chip, expiredWaits } = this.#hw;
    const { passes, receives } = chip.profile.wake;
    if (passes !== "address")
      io.update32(RxConfig, RxConf.acceptMask, RxConf.acceptPhysical | RxConf.acceptMulticast | RxConf.acceptBroadcast);
    else if (receives) io.write8(ChipCmd, Cmd.receiveEnable);
    if (passes === "gate") io.update32(MISC, Misc.receiveGate, 0);
    try {
      this.#slowLink();
    } catch (error) {
      if (!(error instanceof SideBusTimeout)) throw error;
      expiredWaits.note("the PHY to slow down");
    }
  }

  #slowLink(): void {
    const { phy } = this.#hw;
    const control = phy.read(BMCR);
    if ((control & Bmcr.powerDown) !== 0) phy.write(BMCR, (control & ~Bmcr.powerDown) | Bmcr.restart);
    // The speed is not changed if wake-up by link is enabled, because the new link would wake the NIC at once.
    else if (!this.#armed.includes("link")) slowDown(this.#hw);
  }

  /** Sets the bits of a register under `mask`. The register is written only if these bits change. */
  #change(register: Register<8, "rw">, mask: number, bits: number): void {
    const { io } = this.#hw;
    const before = io.read8(register);
    const after = (before & ~mask) | (bits & mask);
    if (after !== before) io.write8(register, after);
  }
}
