/**
 * The PHY's clause 45 registers: speeds above 1000 Mbit/s, and energy-efficient Ethernet. IEEE 802.3: clauses 45.2 and
 * 78.
 */
import { Advertise10G, MASTER_SHIFT_10G, Mmd, Partner10G, PmaSpeed } from "#chip/phy.ts";
import { addressKey, type Words } from "../observation/state.ts";
import type { Partner } from "./link-partner.ts";
import type { PhyKind } from "#chip/phy-kinds.ts";

const at = (device: number, register: number): number => (device << 16) | register;
const PMA_SPEED = at(Mmd.pma, 4);
const EEE_ABLE = at(Mmd.pcs, 20);
const EEE2_ABLE = at(Mmd.pcs, 21);
const ADVERTISE_10G = at(Mmd.negotiation, 32);
const PARTNER_10G = at(Mmd.negotiation, 33);
const EEE_ADVERTISE = at(Mmd.negotiation, 60);
const EEE_PARTNER = at(Mmd.negotiation, 61);
const EEE2_ADVERTISE = at(Mmd.negotiation, 62);
const EEE2_PARTNER = at(Mmd.negotiation, 63);

/** The state of the link that these registers show. */
export interface Negotiated {
  /** The station with which this link was negotiated, if any. */
  readonly partner: Partner | undefined;
  readonly master: boolean;
  /** Whether both ends are manually set to the same clock role. */
  readonly clockFault: boolean;
}

export class Clause45 {
  readonly #kind: PhyKind;
  readonly #negotiated: () => Negotiated;
  #multigigabit = 0;
  #eee = 0;
  #eee2 = 0;

  constructor(kind: PhyKind, negotiated: () => Negotiated) {
    this.#kind = kind;
    this.#negotiated = negotiated;
    this.powerOn();
  }

  powerOn(): void {
    this.#multigigabit = this.#kind.multigigabit;
    this.#eee = this.#kind.eee;
    this.#eee2 = this.#kind.eee2;
  }

  /** The advertised abilities, limited to those that this PHY has. */
  get offered(): { readonly multigigabit: number; readonly eee: number; readonly eee2: number } {
    return { multigigabit: this.#multigigabit & this.#kind.multigigabit, eee: this.#eee, eee2: this.#eee2 };
  }

  /** Bits 15:13 of register 7.32, shifted to the position of the same settings in GBCR. */
  get clock(): number {
    return this.#multigigabit >> MASTER_SHIFT_10G;
  }

  get state(): Words {
    return {
      [addressKey(ADVERTISE_10G)]: this.#multigigabit,
      [addressKey(EEE_ADVERTISE)]: this.#eee,
      [addressKey(EEE2_ADVERTISE)]: this.#eee2,
    };
  }

  /** Reads a register; 0 if this PHY does not have it. */
  read(device: number, register: number): number {
    switch (at(device, register)) {
      case PMA_SPEED:
        return pmaSpeed(this.#kind.multigigabit);
      case EEE_ABLE:
        return this.#kind.eee;
      case EEE2_ABLE:
        return this.#kind.eee2;
      case ADVERTISE_10G:
        return this.#multigigabit;
      case PARTNER_10G:
        return this.#multigigabitStatus();
      case EEE_ADVERTISE:
        return this.#eee;
      case EEE_PARTNER:
        return this.#negotiated().partner?.eee ?? 0;
      case EEE2_ADVERTISE:
        return this.#eee2;
      case EEE2_PARTNER:
        return this.#negotiated().partner?.eee2 ?? 0;
      default:
        return 0;
    }
  }

  write(device: number, register: number, value: number): void {
    switch (at(device, register)) {
      case ADVERTISE_10G:
        this.#multigigabit = value;
        break;
      case EEE_ADVERTISE:
        this.#eee = value & this.#kind.eee;
        break;
      case EEE2_ADVERTISE:
        this.#eee2 = value & this.#kind.eee2;
        break;
      default:
    }
  }

  #multigigabitStatus(): number {
    const { partner, master, clockFault } = this.#negotiated();
    if (this.#kind.multigigabit !== 0 && clockFault) return Partner10G.masterFault;
    const shown = partner?.multigigabit ?? 0;
    if (this.#kind.multigigabit === 0 || shown === 0) return 0;
    return shown | Partner10G.localOk | Partner10G.remoteOk | (master ? Partner10G.master : 0);
  }
}

const pmaSpeed = (multigigabit: number): number =>
  (multigigabit & Advertise10G.full2500 ? PmaSpeed.speed2500 : 0) |
  (multigigabit & Advertise10G.full5000 ? PmaSpeed.speed5000 : 0) |
  (multigigabit & Advertise10G.full10000 ? PmaSpeed.speed10000 : 0);
