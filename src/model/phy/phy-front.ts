/** The two ways to access a PHY's registers: MDIO and PHY-OCP. */
import type { Space, Words } from "../observation/state.ts";
import type { Profile } from "#chip/profile.ts";
import type { CableTester } from "./cable.ts";
import type { Schedule } from "../registers/schedule.ts";
import type { Access } from "../registers/handshake.ts";
import type { MessageStamps } from "./ptp-phy.ts";

/** Functions that only some PHYs have, and the schedule that they use. */
export interface PhyParts extends Pick<Profile, "ptp" | "cableTest"> {
  readonly schedule: Schedule;
}

/** A register space with a PHY in it. */
export interface PhyFront {
  /** Executes a command of PHYAR: register in bits 20:16, data in 15:0. */
  readonly mdio: Access;
  /** Executes a command of PHYOCP: address in bits 30:15, data in 15:0. */
  readonly ocp: Access;
  powerOn(): void;
  /** The PHY's clock for the Precision Time Protocol, if it has one. */
  readonly ptp?: MessageStamps | undefined;
  /** The PHY's cable test, if it has one. */
  readonly cable?: CableTester | undefined;
  /** The contents, including the PHY's clause 22 registers. */
  readonly state: Readonly<Record<Extract<Space, "phy" | "phyExtension" | "phyMemory">, Words>>;
}
