/** Type tests: a register without a behaviour, or with another width than the map's, does not compile. */
import { behaviour, type Behaviour, type RegisterName } from "./behaviour.ts";

const { ChipCmd: _missing, ...rest } = behaviour;
// @ts-expect-error ChipCmd has no row
export const incomplete: Record<RegisterName, Behaviour> = rest;

// @ts-expect-error ChipCmd is 8 bits wide
export const wide: Behaviour<8> = { width: 16, reset: 0, writable: 0 };

// @ts-expect-error there is no such effect
export const effect: Behaviour = { width: 8, reset: 0, writable: 0, onWrite: "explode" };

// @ts-expect-error FLAG is a bit, not a register
export const flag: RegisterName = "FLAG";
