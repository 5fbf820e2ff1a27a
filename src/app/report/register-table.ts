/** Registers that a report reads, by name. Reading them changes nothing but the latched link status in BMSR_8139. */
import type { Chip } from "#chip/chips.ts";
import * as plus from "#chip/registers-8139cp.ts";
import * as common from "#chip/registers.ts";
import type { NamedRegister } from "#model/observation/register-names.ts";
import { registersOf } from "#model/registers/register-set.ts";

/**
 * Registers that are not read: doorbells, which are write-only, and the page-received latch, which reading clears
 * (802.3, 22.2.4.1.7). Status registers that are cleared by writing ones are read, but not written.
 */
const LEFT_OUT = /^(TxPoll.*|TPPOLL|ANER_8139)$/;

type Row = readonly [width: 8 | 16 | 32, names: readonly (keyof typeof common | keyof typeof plus)[]];

/** Registers of the RTL8139C+. The list is written here because this chip has no model. */
const RTL8139CP: readonly Row[] = [
  [8, ["ERSR", "ChipCmd", "Cfg9346", "Config0", "Config1", "MSR", "Config3_8139", "Config4_8139", "Config5_8139"]],
  [8, ["EarlyTxThreshold"]],
  [16, ["IntrMask", "IntrStatus", "MULINT_8139", "BMCR_8139", "BMSR_8139", "ANAR_8139", "ANLPAR_8139", "CPlusCmd"]],
  [32, ["IDR0", "IDR4", "MAR0", "MAR4", "DTCCR", "DTCCRHigh", "TNPDS", "TNPDSHigh", "THPDS", "THPDSHigh"]],
  [32, ["TxConfig", "RxConfig", "TimerCount", "MissedPackets", "TimerInt8139", "RDSAR", "RDSARHigh"]],
];

const ancestor = (): readonly NamedRegister[] =>
  RTL8139CP.flatMap(([width, names]) =>
    names.map((name) => ({ name, width, offset: ({ ...common, ...plus } as Record<string, unknown>)[name] as number })),
  ).sort((a, b) => a.offset - b.offset);

/** Every register of the chip that has a name, for reading a trace. */
export const namedRegisters = (chip: Chip): readonly NamedRegister[] =>
  chip.profile.phyAccess === "registers"
    ? [...ancestor(), { name: "TxPoll8139", width: 8, offset: plus.TxPoll8139 }]
    : registersOf(chip).filter((row) => row.alias !== true);

/** The registers that a report reads. */
export const readRegisters = (chip: Chip): readonly NamedRegister[] =>
  namedRegisters(chip).filter(({ name }) => !LEFT_OUT.test(name));
