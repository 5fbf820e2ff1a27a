/** Type tests: a register without a row, or with another width than the map's, does not compile. */
import type * as chip from "#chip/registers.ts";
import type { Behaviour, RegisterName, Rows } from "./layer.ts";

declare const every: Rows<typeof chip>;
const { ChipCmd: _missing, ...rest } = every;
// @ts-expect-error ChipCmd has no row
export const incomplete: Rows<typeof chip> = rest;

// @ts-expect-error ChipCmd is 8 bits wide
export const wide: Rows<typeof chip>["ChipCmd"] = { width: 16, reset: 0, writable: 0 };

// @ts-expect-error there is no such effect
export const effect: Behaviour = { width: 8, reset: 0, writable: 0, onWrite: "explode" };

// @ts-expect-error FLAG is a bit, not a register
export const flag: RegisterName<typeof chip> = "FLAG";
