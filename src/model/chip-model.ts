/** A chip: its parts, their connections, and events that concern several parts (power, reset, sleep, link changes). */
import type { Chip } from "#chip/chips.ts";
import { identityOf } from "#chip/pci-identity.ts";
import { ChipCmd, Cmd, Intr, PHYstatus } from "#chip/registers.ts";
import { ConfigSpace, type PowerState } from "./pci/config-space.ts";
import { ExtendedRss } from "#chip/rss.ts";
import { Count, TallyCounters } from "./frames/counters.ts";
import { DataPath } from "./frames/data-path.ts";
import { Dma } from "./frames/dma.ts";
import type { Effects } from "./registers/effects.ts";
import type { Faults } from "./faults.ts";
import { InterruptBlock } from "./interrupts/interrupts.ts";
import type { ModelOptions } from "./model-options.ts";
import { isFibre } from "./phy/medium.ts";
import { MsixTable } from "./pci/msix-table.ts";
import { CONFIG_BYTES, Page, registerBytes } from "./registers/page.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import type { CableFault } from "./phy/cable.ts";
import type { PhyFront } from "./phy/phy-front.ts";
import { registersOfPhy } from "./phy/phy-registers.ts";
import { Phy } from "./phy/phy.ts";
import { PtpMac } from "./frames/ptp-mac.ts";
import { RegisterFile } from "./registers/register-file.ts";
import { registersOf } from "./registers/register-set.ts";
import type { Schedule } from "./registers/schedule.ts";
import { SerDes } from "./phy/serdes.ts";
import { SideRegisters } from "./side-buses/side-registers.ts";
import { loadStation } from "./registers/station.ts";
import type { ModelState } from "./observation/state.ts";
import { Offences } from "./observation/strict.ts";
import { TimerBlock } from "./interrupts/timer.ts";
import { WakeFilter } from "./pci/wake.ts";

const NEGOTIATE_MICROS = 2000;
const PHY_RESET_MICROS = 1000;

const hasExtendedRss = ({ profile }: Chip): boolean => profile.queues.rings === "alternating";

export interface ChipModelParts {
  readonly options: ModelOptions;
  readonly mac: Uint8Array;
  /** Memory of `pageBytes(chip)` bytes. */
  readonly memory: ArrayBufferLike;
  readonly schedule: Schedule;
  readonly faults: Faults;
  /** Called at a rising edge of a vector's line. */
  readonly fire: (vector: number) => void;
  /** Called when the chip signals PME. */
  readonly wake: () => void;
}

export class ChipModel {
  readonly chip: Chip;
  readonly page: Page;
  readonly offences: Offences;
  readonly config: ConfigSpace;
  readonly msix: MsixTable;
  readonly dma: Dma;
  readonly phy: Phy;
  readonly side: SideRegisters;
  readonly interrupts: InterruptBlock;
  readonly tally: TallyCounters;
  readonly frames: DataPath;
  readonly wakeFilter: WakeFilter;
  readonly registers: RegisterFile;
  readonly #serdes: SerDes;
  readonly #phyFront: PhyFront;
  readonly #ptp: PtpMac;
  readonly #timers: TimerBlock;
  readonly #parts: ChipModelParts;

  /** The chip is created without power: its state is undefined before the first `powerCycle`. */
  constructor(parts: ChipModelParts) {
    const { options, memory, schedule } = parts;
    const { chip, accessMicros = 0 } = options;
    const page = new Page(memory, 0, registerBytes(chip), options.weaklyOrdered ?? true);
    const macOcp = (address: number): number => this.side.macOcp(address);
    const exgmac = (address: number): number => this.side.exgmac(address);
    this.#parts = parts;
    this.chip = chip;
    this.page = page;
    this.offences = new Offences(options.strict ?? "warn", options.report);
    this.config = this.#configSpace();
    this.msix = new MsixTable(chip.profile.function.msixVectors);
    this.dma = new Dma(this.config, this.offences, () => this.#aborted());
    const shared = { chip, page, schedule, offences: this.offences, dma: this.dma };
    const times = {
      negotiateMicros: options.negotiateMicros ?? NEGOTIATE_MICROS,
      resetMicros: options.phyResetMicros ?? PHY_RESET_MICROS,
    };
    this.phy = new Phy(phyKind(chip), schedule, times, () => this.#linkChanged());
    const fibre = isFibre(options);
    this.#serdes = new SerDes(page, () => {
      if (fibre) this.phy.restart();
    });
    if (fibre) this.phy.serdes = () => this.#serdes.speed;
    this.#phyFront = registersOfPhy(this.phy, { ...chip.profile, schedule });
    const managed = options.managed ?? false;
    this.side = new SideRegisters({
      ...shared,
      config: this.config,
      mac: this.#copy,
      phy: this.#phyFront,
      accessMicros,
      managed,
      fibre,
      extendedWritten: (address) => {
        if (address >= ExtendedRss.key && address <= ExtendedRss.queues && hasExtendedRss(chip))
          this.frames.effects.steer(0, 0, 0);
      },
    });
    this.interrupts = new InterruptBlock({
      ...shared,
      speed: () => this.phy.link.speed,
      fire: parts.fire,
      exhausted: (direction) => this.tally.count(direction === "receive" ? Count.rxUnavailable : Count.txUnavailable),
    });
    this.#timers = new TimerBlock({ ...shared, interrupts: this.interrupts });
    this.tally = new TallyCounters(accessMicros, { ...shared, macOcp });
    this.#ptp = new PtpMac({ ...shared, macOcp, putMacOcp: (address, value) => this.side.putMacOcp(address, value) });
    this.frames = new DataPath({
      ...shared,
      stamps: chip.profile.ptp === "mac" ? this.#ptp : this.#phyFront.ptp,
      stampsReceived: chip.profile.ptp === "mac" ? this.#ptp : undefined,
      interrupts: this.interrupts,
      counters: this.tally,
      phy: this.phy,
      frameCheck: options.frameCheck ?? false,
      macOcp,
      exgmac,
      softReset: () => this.#softReset(),
    });
    this.wakeFilter = new WakeFilter({
      ...shared,
      macOcp,
      extended: exgmac,
      wake: () => this.#wake(),
    });
    this.registers = new RegisterFile(
      page,
      this.offences,
      this.#effects(),
      registersOf(chip),
      chip.profile.function.windowBytes,
    );
  }

  /**
   * Bus reset. Affects neither the PHY, which is on auxiliary power, nor the counters, nor the PME bits of
   * configuration space.
   */
  busReset(): void {
    this.config.busReset();
    this.side.busReset();
    this.#reload();
  }

  /**
   * Makes the PHY lose its settings. The MAC sees only that the link goes down. @param silent whether the PHY then
   * reads all ones until it is reset
   */
  disturbPhy(silent: boolean): void {
    this.#phyFront.powerOn();
    if (silent) this.phy.disturb();
    else this.phy.powerOn();
  }

  set cable(faults: readonly CableFault[]) {
    if (this.#phyFront.cable !== undefined) this.#phyFront.cable.faults = faults;
    this.phy.pairs = faults.some(({ pair }) => pair >= 2) ? 2 : 4;
  }

  powerCycle(): void {
    this.config.powerOn();
    this.side.powerOn();
    this.phy.powerOn();
    this.tally.powerOn();
    this.#reload();
  }

  /** The contents of all registers, read without side effects. */
  get state(): ModelState {
    return {
      registers: this.registers.state,
      config: this.config.words,
      ...this.side.state,
      clause45: this.phy.clause45.state,
      serdes: this.#serdes.state,
    };
  }

  /** Software reset: both directions stop. Station address, multicast hash and wake-up settings are preserved. */
  resetRegisters(): void {
    this.registers.softReset();
    this.dma.reset();
    this.frames.reset();
    this.#ptp.reset();
    this.#timers.reset();
    this.interrupts.reset();
  }

  /** The factory's address in the EEPROM, the extended and the backup registers; undefined if these are blank. */
  get #copy(): Uint8Array | undefined {
    const { options, mac } = this.#parts;
    return (options.damagedAddress?.copies ?? true) ? mac : undefined;
  }

  #configSpace(): ConfigSpace {
    const { options, mac, memory } = this.#parts;
    const { chip } = options;
    return new ConfigSpace({
      page: new Page(memory, registerBytes(chip), CONFIG_BYTES),
      chip,
      identity: { ...identityOf(chip), ...options.identity },
      mac,
      interrupts: options.interrupts,
      powered: (state, before) => this.#powered(state, before),
      interrupting: () => this.interrupts.asserted,
      productData: (address) => this.side.productData(address),
    });
  }

  #effects(): Effects {
    const { faults } = this.#parts;
    const { poll, pollQueues } = this.frames.effects;
    const doorbellLost = (): boolean =>
      faults.any && (faults.isArmed("stuck-transmitter") || faults.strikes("lost-doorbell"));
    return {
      tally: () => {
        if (!faults.strikes("stuck-counters")) this.tally.command();
      },
      ...this.#ptp.effects,
      ...this.frames.effects,
      poll: (value, lanes, offset) => {
        if (!doorbellLost()) poll(value, lanes, offset);
      },
      pollQueues: (value, lanes, offset) => {
        if (!doorbellLost()) pollQueues(value, lanes, offset);
      },
      ...this.interrupts.effects,
      ...this.#timers.effects,
      ...this.side.effects,
      ...this.#serdes.effects,
    };
  }

  /** Loads the registers from the EEPROM. A link change that the reset causes raises no event. */
  #reload(): void {
    this.offences.reset();
    this.msix.powerOn();
    this.dma.forget();
    this.registers.powerOn();
    this.#serdes.powerOn();
    loadStation(this.page, this.chip, this.#parts.options.damagedAddress?.registers ?? this.#parts.mac, this.#copy);
    this.#timers.powerOn();
    this.resetRegisters();
    this.#showLink();
  }

  #softReset(): void {
    const { faults } = this.#parts;
    if (faults.strikes("stuck-reset")) {
      this.page.put(ChipCmd, 1, Cmd.reset);
      return;
    }
    this.resetRegisters();
    faults.strikes("stuck-transmitter");
    faults.strikes("stuck-receiver");
  }

  /**
   * Called when the guest changed the power state. On return to D0, signals pending events. A return from D3hot first
   * resets a chip that does not report No_Soft_Reset.
   */
  #powered(state: PowerState, before: PowerState): void {
    if (state !== 0) return;
    if (before === 3 && !this.config.keepsState) this.busReset();
    const { vectors } = this.chip.profile.queues;
    for (let vector = 0; vector < vectors; vector++) if (this.interrupts.pending(vector)) this.#parts.fire(vector);
  }

  #wake(): void {
    if (this.config.wake()) this.#parts.wake();
  }

  /** Called when the bus rejected an access. The guest may run during this call. */
  #aborted(): void {
    this.config.masterAborted();
    this.interrupts.raise(Intr.systemError);
  }

  #showLink(): void {
    this.page.put(PHYstatus, this.chip.profile.mac.link === "PHYstatus16" ? 2 : 1, this.phy.status);
  }

  #linkChanged(): void {
    this.#showLink();
    this.frames.linkChanged();
    if (this.config.state !== 0) this.wakeFilter.linkChanged(this.phy.link.up);
    this.interrupts.raise(Intr.linkChange);
  }
}
