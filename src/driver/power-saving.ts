/**
 * Power saving while the interface is up: energy-efficient Ethernet (EEE), sleep of the PHY while no cable is connected
 * (ALDPS), and giga-lite, a link over two pairs.
 */
import { ALDPS, ALDPS_ENDED, EEE_MODES, EEE_REGISTERS, type EeeFacts, type EeeMode, type PhyBits } from "#chip/eee.ts";
import type { LinkModeName } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { MMD_CONTROL, MMD_DATA, MmdControl } from "#chip/phy.ts";
import type { Step } from "#chip/steps.ts";
import { BadLinkSetting } from "./errors.ts";
import { awaitState, type Hardware } from "./hardware.ts";
import type { LinkState, Phy } from "./phy.ts";
import { run } from "./steps.ts";

/** The driver keeps these settings across reset, MTU change, down and up. */
export interface EeeSettings {
  readonly enabled: boolean;
  /** The modes for which EEE is advertised. */
  readonly advertise: readonly LinkModeName[];
  /** True if the MAC enters low-power idle between frames, once both ends have agreed on EEE. */
  readonly txLpi: boolean;
  /**
   * Microseconds without a frame before low-power idle begins: 0 to 5242, limited to the time that 65,535 bytes take at
   * the link's speed. Undefined means the time that one frame of the present MTU and 32 bytes more take, as in Linux.
   */
  readonly txLpiTimer: number | undefined;
}

/** What `ethtool --show-eee` shows. */
export interface EeeReport extends EeeSettings {
  /** True if both ends advertise EEE for the speed of the link. */
  readonly active: boolean;
  /** The modes with EEE that the chip supports; empty if it has no EEE. */
  readonly supported: readonly LinkModeName[];
  /** The supported modes for which the partner advertises EEE; empty without a link. */
  readonly partner: readonly LinkModeName[];
  /** The effective time at the link's speed, in microseconds; undefined without a link, or if no register sets it. */
  readonly actualTimer: number | undefined;
}

/** Largest value of the timer's register, in bytes. */
const MAX_TIMER = 0xffff;
/** The largest time in microseconds that the register can express at 100 Mbit/s, the slowest speed with EEE. */
const MAX_TIMER_MICROS = Math.floor((MAX_TIMER * 8) / 100);
const HEADER_BYTES = 14;
const MARGIN_BYTES = 0x20;
/** Limit of the wait for the end of ALDPS. DPDK polls 200 times at intervals of 100 µs. */
const ALDPS_LIMIT_MICROS = 20_000;

type Shown = "able" | "offered" | "partner";
type EeeRegister = keyof typeof EEE_REGISTERS;

export class PowerSaving {
  readonly #hw: Hardware;
  readonly #nic: { readonly mtu: number; readonly running: boolean; readonly link: LinkState; readonly phy: Phy };
  readonly #facts: EeeFacts | undefined;
  readonly #modes: readonly EeeMode[];
  #eee: EeeSettings;
  #aldps = false;
  #gigaLite: boolean | undefined;

  constructor(
    hw: Hardware,
    nic: { readonly mtu: number; readonly running: boolean; readonly link: LinkState; readonly phy: Phy },
  ) {
    this.#hw = hw;
    this.#nic = nic;
    const { profile } = hw.chip;
    const kind = phyKind(hw.chip);
    const facts = nic.phy.cage ? undefined : profile.eee;
    this.#facts = facts;
    this.#modes = EEE_MODES.filter(
      ({ register, bit, name }) => facts !== undefined && (kind[register] & bit) !== 0 && name !== facts.broken,
    );
    this.#eee = {
      enabled: facts?.onByDefault === true,
      advertise: this.#modes.map(({ name }) => name),
      txLpi: true,
      txLpiTimer: undefined,
    };
  }

  /** The settings, the modes that the chip supports, the modes that the partner advertises, and the resulting state. */
  get eee(): EeeReport {
    const { link } = this.#nic;
    const partner = link.up && this.#facts !== undefined ? this.#shown("partner") : [];
    return {
      ...this.#eee,
      active: this.#active(link, partner),
      supported: this.#modes.map(({ name }) => name),
      partner: partner.map(({ name }) => name),
      actualTimer:
        link.up && this.#facts?.timer !== undefined ? (this.#timerBytes(link.speed) * 8) / link.speed : undefined,
    };
  }

  /**
   * Changes the given settings and renegotiates: at once if the NIC is up, otherwise at the next `up`. @throws
   * {BadLinkSetting} before anything is written; the old settings are kept
   */
  setEee(change: Partial<EeeSettings>): void {
    const wanted = { ...this.#eee, ...change };
    const { advertise, txLpiTimer, enabled } = wanted;
    const names = this.#modes.map(({ name }) => name);
    const unsupported = advertise.filter((name) => !names.includes(name));
    const refuse = (what: string, hint: string): never => {
      throw new BadLinkSetting(this.#hw.chip.name, what, hint);
    };
    const facts = this.#facts ?? refuse("energy-efficient Ethernet", "No driver supports it on this chip.");
    if (unsupported.length > 0) refuse(`EEE at ${unsupported.join(", ")}`, `Choose from ${names.join(", ")}.`);
    if (enabled && advertise.length === 0)
      refuse("EEE without an advertised speed", `Choose from ${names.join(", ")}.`);
    if (txLpiTimer !== undefined && facts.timer === undefined)
      refuse("an idle timer", "This chip has no register for it.");
    if (txLpiTimer !== undefined && !(txLpiTimer >= 0 && txLpiTimer <= MAX_TIMER_MICROS))
      refuse(`an idle timer of ${txLpiTimer} µs`, `Use 0 to ${MAX_TIMER_MICROS} µs.`);
    const renegotiates = "enabled" in change || "advertise" in change;
    this.#eee = wanted;
    if (!this.#nic.running) return;
    if (renegotiates) this.#renegotiate();
    else run(this.#hw, this.stepsAt(this.#nic.link));
  }

  /**
   * True if the PHY sleeps while no cable is connected. ALDPS is off by default, as in every driver, because a link
   * takes longer to come up with it.
   */
  get aldps(): boolean {
    return this.#aldps;
  }
  /** @throws {BadLinkSetting} if the chip does not support ALDPS */
  setAldps(on: boolean): void {
    this.#checkOcp(true, "ALDPS");
    this.#aldps = on;
    if (this.#nic.running) this.#applyAldps();
  }

  /**
   * True if a link over a cable with two pairs is possible. Undefined until a user sets it; until then the PHY keeps
   * its power-on value.
   */
  get gigaLite(): boolean | undefined {
    return this.#gigaLite;
  }
  /** @throws {BadLinkSetting} if the chip does not support giga-lite */
  setGigaLite(on: boolean): void {
    this.#checkOcp(this.#hw.chip.profile.gigaLite !== undefined && this.#hw.chip.speed >= 1000, "giga-lite");
    this.#gigaLite = on;
    if (this.#nic.running) this.#renegotiate();
  }

  #checkOcp(has: boolean, what: string): void {
    const { chip } = this.#hw;
    if (!has || this.#nic.phy.cage || phyKind(chip).registers !== "ocp")
      throw new BadLinkSetting(chip.name, what, "No register for it is known on this PHY.");
  }

  #renegotiate(): void {
    this.apply();
    this.#nic.phy.apply();
  }

  /** Writes the settings to the PHY after its start, before it negotiates. */
  apply(): void {
    const facts = this.#facts;
    if (facts !== undefined) {
      run(this.#hw, this.#eee.enabled ? facts.on : facts.off);
      for (const register of ["eee", "eee2"] as const)
        if (phyKind(this.#hw.chip)[register] !== 0) this.#write(register, this.#offer(register));
    }
    this.#applyAldps();
    if (this.#gigaLite !== undefined) this.#setBits(this.#hw.chip.profile.gigaLite ?? [], this.#gigaLite);
  }

  #applyAldps(): void {
    const { chip, side } = this.#hw;
    if (phyKind(chip).registers !== "ocp") return;
    const [[address, bit]] = ALDPS as readonly [PhyBits[number]];
    const before = (side.phyRead(address) & bit) !== 0;
    if (before === this.#aldps) return;
    this.#setBits(ALDPS, this.#aldps);
    if (before && chip.profile.macOcp === "paged")
      awaitState(
        this.#hw,
        "the PHY to leave ALDPS",
        ALDPS_LIMIT_MICROS,
        () => (side.macRead(ALDPS_ENDED.address) & ALDPS_ENDED.bit) !== 0,
      );
  }

  #setBits(bits: PhyBits, on: boolean): void {
    for (const [address, mask] of bits) this.#hw.side.phyUpdate(address, mask, on ? mask : 0);
  }

  /**
   * Steps that set the MAC for a link that has come up: low-power idle, if both ends have agreed on EEE, and the time
   * before low-power idle begins.
   */
  stepsAt(link: LinkState): readonly Step[] {
    const facts = this.#facts;
    if (facts === undefined || !link.up) return [];
    const idles = this.#eee.enabled && this.#eee.txLpi && this.#active(link, this.#shown("partner"));
    const { idle, timer } = facts;
    return [
      { on: idle.on, words: idle.words.map(([address, bits]) => [address, bits, idles ? bits : 0] as const) },
      ...(timer === undefined
        ? []
        : [{ on: timer.on, words: [[timer.address, this.#timerBytes(link.speed)]] } as const]),
    ];
  }

  #timerBytes(speed: number): number {
    const { txLpiTimer } = this.#eee;
    if (txLpiTimer === undefined) return this.#nic.mtu + HEADER_BYTES + MARGIN_BYTES;
    return Math.min(MAX_TIMER, Math.round((txLpiTimer * speed) / 8));
  }

  #offer(register: EeeRegister): number {
    const { enabled, advertise } = this.#eee;
    return this.#modes.reduce(
      (bits, mode) => (enabled && mode.register === register && advertise.includes(mode.name) ? bits | mode.bit : bits),
      0,
    );
  }

  #active({ up, speed, fullDuplex }: LinkState, partner: readonly EeeMode[]): boolean {
    const { enabled, advertise } = this.#eee;
    const mode = partner.find((one) => one.speed === speed);
    return up && fullDuplex && enabled && mode !== undefined && advertise.includes(mode.name);
  }

  #shown(what: Shown): readonly EeeMode[] {
    const words = { eee: this.#read("eee", what), eee2: this.#read("eee2", what) };
    return this.#modes.filter(({ register, bit }) => (words[register] & bit) !== 0);
  }

  #read(register: EeeRegister, what: Shown): number {
    if (phyKind(this.#hw.chip)[register] === 0) return 0;
    const { mmd, ocp } = EEE_REGISTERS[register][what];
    if (phyKind(this.#hw.chip).registers === "ocp") return this.#hw.side.phyRead(ocp);
    this.#select(mmd);
    return this.#hw.phy.read(MMD_DATA);
  }

  #write(register: EeeRegister, value: number): void {
    const { mmd, ocp } = EEE_REGISTERS[register].offered;
    if (phyKind(this.#hw.chip).registers === "ocp") this.#hw.side.phyWrite(ocp, value);
    else {
      this.#select(mmd);
      this.#hw.phy.write(MMD_DATA, value);
      this.#hw.phy.write(MMD_CONTROL, 0);
    }
  }

  /** Selects a clause 45 register (IEEE 802.3, annex 22D). */
  #select([device, register]: readonly [device: number, register: number]): void {
    const { phy } = this.#hw;
    phy.write(MMD_CONTROL, MmdControl.address | device);
    phy.write(MMD_DATA, register);
    phy.write(MMD_CONTROL, MmdControl.data | device);
  }
}
