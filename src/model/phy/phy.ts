/** The built-in PHY: clause 22 registers, autonegotiation with a link partner, power. IEEE 802.3: clauses 22 and 28. */
import {
  ANAR,
  ANER,
  ANLPAR,
  Advertise,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  ESTATUS,
  Estatus,
  GBCR,
  GBSR,
  Gbcr,
  Gbsr,
  PHYID1,
  PHYID2,
  PhyState,
} from "#chip/phy.ts";
import { PhyStatus } from "#chip/registers.ts";
import { PhyStatus16 } from "#chip/registers-8125.ts";
import { Clause45 } from "./clause-45.ts";
import type { Crossing } from "./crossing.ts";
import {
  clockRole,
  LINK_DOWN,
  type LinkSpeed,
  type Partner,
  type PhyLink,
  resolveClock,
  settle,
  settleOnFibre,
} from "./link-partner.ts";
import type { PhyKind } from "#chip/phy-kinds.ts";
import type { Schedule } from "../registers/schedule.ts";
import type { SerdesSpeed } from "./serdes.ts";

export interface PhyTimes {
  /** Duration of negotiation and training in microseconds. Real PHYs take one to three seconds, too long for tests. */
  readonly negotiateMicros: number;
  /** Duration of a reset or wake-up in microseconds. */
  readonly resetMicros: number;
}

const RATES: Readonly<Record<0 | LinkSpeed, number>> = {
  0: 0,
  10: PhyStatus.speed10,
  100: PhyStatus.speed100,
  1000: PhyStatus.speed1000,
  2500: PhyStatus16.speed2500,
  5000: PhyStatus16.speed5000,
  10000: PhyStatus16.speed10000,
};

/** Bits of BMSR that do not change and are the same in all PHYs. */
const BMSR_FIXED =
  Bmsr.full100 | Bmsr.half100 | Bmsr.full10 | Bmsr.half10 | Bmsr.noPreamble | Bmsr.autonegotiable | Bmsr.extended;
const ANAR_RESET = Advertise.selector | Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
/** Bits of BMCR whose change restarts the link; without autonegotiation, a change of the `FORCED` bits does so too. */
const ALWAYS = Bmcr.autonegotiate | Bmcr.powerDown | Bmcr.isolate;
const FORCED = Bmcr.speedHigh | Bmcr.speedLow | Bmcr.fullDuplex;
const GIGABIT = Gbcr.full1000 | Gbcr.half1000;
// A local copy, because this is read for each frame and V8 looks up an imported name at every use.
const LOOPBACK = Bmcr.loopback;

/** Other registers of the PHY are in the register space around this class (`phy-ocp.ts`, `phy-paged.ts`). */
export class Phy {
  readonly kind: PhyKind;
  readonly clause45: Clause45;
  readonly #schedule: Schedule;
  readonly #times: PhyTimes;
  readonly #changed: () => void;
  readonly #registers = new Uint16Array(16);
  #partner: Partner | undefined;
  #pairs: 2 | 4 = 4;
  #link = LINK_DOWN;
  /** Set if the link went down since BMSR was last read. */
  #lost = false;
  #resetting = false;
  #waking = false;
  #disturbed = false;
  #cancel: (() => void) | undefined;
  /** Set if both ends are manually set to the same clock role, so there is no link. */
  #clockFault = false;
  #idleErrors = 0;
  /** Whether a lower speed is tried on a bad cable. Like `crossover`, this is set by the register space. */
  speedDown: () => boolean = () => true;
  /** The manual crossover setting. The register space sets this function, because PHYs use different registers. */
  crossover: () => Crossing = () => undefined;
  /** On fibre: returns the speed of the SerDes, which is neither negotiated nor set by these registers. */
  serdes: (() => SerdesSpeed) | undefined;

  /** @param changed called when the link went up or down */
  constructor(kind: PhyKind, schedule: Schedule, times: PhyTimes, changed: () => void) {
    this.kind = kind;
    this.clause45 = new Clause45(kind, () => ({
      partner: this.#negotiated ? this.#partner : undefined,
      master: this.master,
      clockFault: this.#clockFault,
    }));
    this.#schedule = schedule;
    this.#times = times;
    this.#changed = changed;
    this.#defaults();
  }

  get link(): PhyLink {
    return this.#link;
  }

  /** Clause 22 registers 0 to 15 as last written, without link status. */
  get held(): Readonly<Uint16Array> {
    return this.#registers;
  }

  get loopback(): boolean {
    return (this.#registers[BMCR]! & LOOPBACK) !== 0;
  }

  /** PHYstatus as the MAC reports it; bits above 7 exist from the 8125 on. */
  get status(): number {
    const { up, speed, fullDuplex, receivePause, transmitPause } = this.#link;
    if (!up) return 0;
    return (
      PhyStatus.linkUp |
      RATES[speed] |
      (fullDuplex ? PhyStatus.fullDuplex : 0) |
      (transmitPause ? PhyStatus.transmitFlow : 0) |
      (receivePause ? PhyStatus.receiveFlow : 0)
    );
  }

  /** Whether this end is the clock master of a link at 1000 Mbit/s (40.5.2) or faster (bits 15:13 of register 7.32). */
  get master(): boolean {
    return this.#link.speed >= 1000 && this.#clock(this.#link.speed) === "master";
  }

  /**
   * Whether this end is MDI, not MDI-X. With automatic crossover, this end takes the opposite of the link partner's
   * setting.
   */
  get mdi(): boolean {
    const ours = this.crossover();
    return ours === undefined ? this.#partner?.socket !== "mdi" : ours === "mdi";
  }

  #clock(speed: number): ReturnType<typeof resolveClock> {
    const role = clockRole(speed === 1000 ? this.#registers[GBCR]! : this.clause45.clock);
    return resolveClock(role, this.#partner?.clock ?? "preferred-master");
  }

  /** The state of the PHY, a value of `PhyState`. */
  get state(): number {
    if ((this.#registers[BMCR]! & Bmcr.powerDown) !== 0) return PhyState.poweredDown;
    return this.#waking ? PhyState.waking : PhyState.on;
  }

  /** Plugs the cable into `partner`, or unplugs it. */
  plug(partner: Partner | undefined): void {
    this.#partner = partner;
    this.#start();
  }

  get plugged(): boolean {
    return this.#partner !== undefined;
  }

  /** Number of pairs that carry a signal: gigabit and faster need all four. */
  set pairs(pairs: 2 | 4) {
    this.#pairs = pairs;
    this.#start();
  }

  /** Adds errors between frames. At 1000 Mbit/s the PHY counts them, up to 255, until GBSR is read (40.5.1.1). */
  disturbIdle(errors: number): void {
    if (this.#link.speed === 1000) this.#idleErrors = Math.min(255, this.#idleErrors + errors);
  }

  /** Restarts the link; called when the medium has changed. */
  restart(): void {
    this.#start();
  }

  /** Simulates an electrostatic discharge: the settings are lost, and from then on only a reset has an effect. */
  disturb(): void {
    this.powerOn();
    this.#disturbed = true;
    this.#stop();
  }

  powerOn(): void {
    this.#disturbed = false;
    this.#resetting = false;
    this.#waking = false;
    this.#defaults();
    this.#start();
  }

  /** @param register 0 to 15 */
  read(register: number): number {
    if (this.#disturbed) return 0xffff;
    switch (register) {
      case BMCR:
        return this.#registers[BMCR]! | (this.#resetting ? Bmcr.reset : 0);
      case BMSR:
        return this.#readStatus();
      case PHYID1:
        return this.kind.id >>> 16;
      case PHYID2:
        return this.kind.id & 0xffff;
      case ANLPAR:
        return this.#partnerShown();
      case ANER:
        return this.#negotiated ? 1 : 0;
      case GBCR:
        // A speed that failed is no longer advertised. Drivers of the RTL8211F recognise a lowered speed by this.
        return this.#registers[GBCR]! & (this.#link.lowered ? ~GIGABIT : ~0);
      case GBSR:
        return this.#gigabitStatus();
      case ESTATUS:
        return this.kind.estatus;
      default:
        return this.#registers[register]!;
    }
  }

  /** @param register 0 to 15 */
  write(register: number, value: number): void {
    if (this.#disturbed && (register !== BMCR || (value & Bmcr.reset) === 0)) return;
    this.#disturbed = false;
    switch (register) {
      case BMCR:
        this.#control(value);
        break;
      case BMSR:
      case PHYID1:
      case PHYID2:
      case ANLPAR:
      case ANER:
      case GBSR:
      case ESTATUS:
        break;
      case GBCR:
        if (this.kind.estatus !== 0) this.#registers[GBCR] = value;
        break;
      default:
        this.#registers[register] = value;
    }
  }

  /** Whether both ends have negotiated this link. */
  get #negotiated(): boolean {
    return this.#complete && this.#partner!.fixed === undefined;
  }

  /** Whether negotiation is complete, possibly by parallel detection (28.2.3.1). */
  get #complete(): boolean {
    return this.#link.up && this.serdes === undefined && (this.#registers[BMCR]! & Bmcr.autonegotiate) !== 0;
  }

  get #gigabitAble(): number {
    const { estatus } = this.kind;
    return (estatus & Estatus.full1000 ? Gbcr.full1000 : 0) | (estatus & Estatus.half1000 ? Gbcr.half1000 : 0);
  }

  #defaults(): void {
    this.#registers.fill(0);
    this.#registers[BMCR] = this.#controlReset();
    this.#registers[ANAR] = ANAR_RESET;
    this.#registers[GBCR] = this.#gigabitAble;
    this.clause45.powerOn();
  }

  #controlReset(): number {
    return Bmcr.autonegotiate | Bmcr.fullDuplex | (this.kind.estatus === 0 ? Bmcr.speedLow : Bmcr.speedHigh);
  }

  /** The link bit latches low (22.2.4.2.13): the first read after a loss reports down, even if the link is up again. */
  #readStatus(): number {
    const up = this.#link.up && !this.#lost;
    this.#lost = false;
    const fixed = BMSR_FIXED | (this.kind.estatus === 0 ? 0 : Bmsr.extendedStatus);
    if (this.kind.hidesLink) return fixed;
    return fixed | (up ? Bmsr.linkUp : 0) | (this.#complete ? Bmsr.negotiated : 0);
  }

  /** Value of ANLPAR: the abilities that the partner advertises, or the one that parallel detection has found. */
  #partnerShown(): number {
    if (!this.#complete) return 0;
    const { anlpar, fixed } = this.#partner!;
    if (fixed === undefined) return anlpar;
    return fixed.speed === 100 ? Advertise.half100 : Advertise.half10;
  }

  #gigabitStatus(): number {
    if (this.kind.estatus === 0) return 0;
    if (this.#clockFault) return Gbsr.masterFault;
    if (!this.#negotiated || this.#partner!.gbsr === 0) return 0;
    const errors = this.#idleErrors;
    this.#idleErrors = 0;
    return this.#partner!.gbsr | Gbsr.localOk | Gbsr.remoteOk | (this.master ? Gbsr.master : 0) | errors;
  }

  #control(value: number): void {
    if (this.#resetting) return;
    if ((value & Bmcr.reset) !== 0) {
      this.#reset();
      return;
    }
    const before = this.#registers[BMCR]!;
    this.#registers[BMCR] = value & ~Bmcr.restart;
    const changed = before ^ value;
    const autonegotiates = (value & Bmcr.autonegotiate) !== 0;
    if (changed & ~value & Bmcr.powerDown) this.#waking = true;
    if (
      (autonegotiates && (value & Bmcr.restart) !== 0) ||
      (changed & (autonegotiates ? ALWAYS : ALWAYS | FORCED)) !== 0
    )
      this.#start();
  }

  /**
   * Resets the PHY; the reset bit clears itself on completion. The advertisement is preserved, contrary to 802.3,
   * because Realtek's own driver writes it before a reset with `restart` (DPDK `r8169_phy.c`, rtl_phy_restart_nway).
   * Tuning is preserved too.
   */
  #reset(): void {
    this.#stop();
    this.#registers[BMCR] = this.#controlReset();
    this.#resetting = true;
    this.#after(this.#times.resetMicros, () => {
      this.#resetting = false;
      this.#start();
    });
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#setLink(LINK_DOWN);
  }

  /** Runs `run` later. There is at most one timer: callers cancel the previous one with `#stop`. */
  #after(micros: number, run: () => void): void {
    let done = false;
    const cancel = this.#schedule.after(micros, () => {
      done = true;
      this.#cancel = undefined;
      run();
    });
    if (!done) this.#cancel = cancel;
  }

  /** Takes the link down, and brings it up after a delay if both ends have a common mode. */
  #start(): void {
    if (this.#resetting || this.#disturbed) return;
    this.#stop();
    this.#clockFault = false;
    if (this.#waking) {
      this.#after(this.#times.resetMicros, () => {
        this.#waking = false;
        this.#start();
      });
      return;
    }
    // While the PHY is isolated from the MAC there is no link. It is assumed that the link partner then loses the link
    // too.
    const off = (this.#registers[BMCR]! & (Bmcr.powerDown | Bmcr.isolate)) !== 0;
    if (off || this.#partner === undefined) return;
    this.#after(this.#times.negotiateMicros, () => this.#setLink(this.#settle(this.#partner!)));
  }

  #settle(partner: Partner): PhyLink {
    if (this.serdes !== undefined) return settleOnFibre(this.serdes(), partner);
    const link = settle(
      {
        bmcr: this.#registers[BMCR]!,
        anar: this.#registers[ANAR]!,
        gbcr: this.#registers[GBCR]! & this.#gigabitAble,
        ...this.clause45.offered,
        crossover: this.crossover(),
        pairs: this.#pairs,
        speedDown: this.speedDown(),
      },
      partner,
    );
    this.#clockFault = link.speed >= 1000 && this.#clock(link.speed) === "fault";
    return this.#clockFault ? LINK_DOWN : link;
  }

  #setLink(link: PhyLink): void {
    const before = this.#link;
    this.#link = link;
    if (before.up && !link.up) this.#lost = true;
    if (before.up !== link.up) this.#changed();
  }
}
