/** Converts the trace of a start to operations on registers, directly or behind windows. */
import { ESTATUS, GBSR, PAGE } from "#chip/phy.ts";
import * as registers from "#chip/registers.ts";
import { Lock } from "#chip/registers.ts";
import {
  type Access,
  inWindow,
  isChoice,
  isChosen,
  isOfMac,
  type Place,
  samePlace,
  SideBuses,
  type Space,
} from "./side-buses.ts";

/** A line of a JSON trace, as docs/trace.md describes it. */
interface Line {
  readonly event: string;
  readonly region: string;
  readonly offset: number;
  /** Width in bits. */
  readonly width: number;
  readonly value: number;
}

/** A register that is read, written, or read and then written. */
export interface Operation {
  readonly place: Place;
  readonly mask: number;
  readonly was: number | undefined;
  readonly now: number | undefined;
}

/** Operations on the PHY, and then on the MAC while its configuration registers are unlocked. */
export const PHASES = ["phy", "mac"] as const;
export type Phase = (typeof PHASES)[number];

/** Registers that every start writes, on any chip. They are part of bring-up, so no table of values has them. */
// prettier-ignore
// oxfmt-ignore
const OF_EVERY_START: readonly number[] = [
  registers.IDR0, registers.IDR4, registers.MAR0, registers.MAR4, registers.DTCCR, registers.DTCCRHigh, registers.TNPDS,
  registers.TNPDSHigh, registers.ChipCmd, registers.IntrMask, registers.IntrStatus, registers.TxConfig, registers.RxConfig,
  registers.Cfg9346, registers.RxMaxSize, registers.CPlusCmd, registers.IntrMitigate, registers.RDSAR, registers.RDSARHigh,
  registers.MaxTxPacketSize,
  // Copies of the station address.
  registers.SecMAC0, registers.SecMAC4,
];
const ADDRESS_COPIES: readonly number[] = [0xe0, 0xe4, 0xf0, 0xf4];
/** PCIe power management, which every start first disables and finally enables. */
const OF_THE_LINK: ReadonlyMap<number, number> = new Map<number, number>([
  [registers.Config2, registers.Conf2.clockRequest],
  [registers.Config5, registers.Conf5.aspm],
]);

const isNegotiation = ({ page, address }: Place): boolean => page === 0 && (address <= GBSR || address === ESTATUS);

/**
 * Spaces other than the PHY's that PHY tuning also writes. In the phase "phy", accesses to registers of the window with
 * 16 or 32 bits concern the management controller, and are ignored.
 */
const AROUND_TUNING: readonly Space[] = ["io8", "fuse", "mac"];

/** The bits of a register that can be in a table of values. */
const bitsOfTable = (place: Place, phase: Phase): number => {
  const { space, address } = place;
  if (space === "phy") return address === PAGE || isNegotiation(place) ? 0 : 0xffff;
  if (phase === "phy" && !AROUND_TUNING.includes(space)) return 0;
  if (space === "eri") return ADDRESS_COPIES.includes(address) || !isOfMac(address) ? 0 : 0xffff_ffff;
  if (space.startsWith("io")) return OF_EVERY_START.includes(address) ? 0 : ~(OF_THE_LINK.get(address) ?? 0);
  return 0xffff_ffff;
};

/** First offset of PCI Express's extended configuration space, in which the chip has registers of its own. */
const EXTENDED = 0x100;
/** An access to configuration space as it appears on the chip's side bus: a word of 32 bits with byte enables. */
const inConfiguration = (kind: Access["kind"], offset: number, width: number, value: number): Access => {
  const shift = 8 * (offset & 3);
  const place: Place = { space: "csi", address: offset & ~3, page: 0, chosen: 0 };
  return { kind, place, value: (value << shift) >>> 0, mask: ((0xffff_ffff >>> (32 - width)) << shift) >>> 0 };
};

/** @throws {SyntaxError} if a line does not belong to a trace */
const accessesIn = (lines: readonly string[], phyAccess: string): readonly Access[] => {
  const buses = new SideBuses(phyAccess);
  return lines.flatMap((text): readonly Access[] => {
    const { event, region, offset, width, value } = JSON.parse(text) as Line;
    if (event !== "read" && event !== "write") return [];
    if (region === "config") return offset < EXTENDED ? [] : [inConfiguration(event, offset, width, value)];
    if (!buses.has(offset) || width !== 32)
      return [{ kind: event, place: inWindow(offset, width / 8), value, mask: 0xffff_ffff >>> (32 - width) }];
    if (event === "write") return [buses.write(offset, value)].filter((access) => access !== undefined);
    const shown = buses.read(offset, value);
    if (shown === undefined || shown.again) return [];
    return [{ kind: event, place: shown.place, value: (value & shown.mask) >>> 0, mask: shown.mask }];
  });
};

/** Converts accesses to operations. A read and the next write of the same register are one operation. */
const operationsOf = (accesses: readonly Access[], phase: Phase): readonly Operation[] => {
  const operations: Operation[] = [];
  for (const access of accesses) {
    const { kind, place, value } = access;
    const mask = (access.mask & bitsOfTable(place, phase)) >>> 0;
    if (mask === 0) continue;
    const last = operations.at(-1);
    if (kind === "read") operations.push({ place, mask, was: value, now: undefined });
    else if (last !== undefined && last.now === undefined && samePlace(last.place, place))
      operations[operations.length - 1] = { ...last, mask, now: value };
    else operations.push({ place, mask, was: undefined, now: value });
  }
  return operations;
};

/** Removes operations that only select the register of the next operation. */
const withoutChoices = (operations: readonly Operation[]): readonly Operation[] =>
  operations.filter(({ place }, i) => {
    const next = operations[i + 1]?.place;
    return !(isChoice(place) && next !== undefined && next.page === place.page && isChosen(next));
  });

const turns = (accesses: readonly Access[], lock: number, from = 0): number =>
  accesses.findIndex(
    ({ kind, place, value }, i) =>
      i >= from && kind === "write" && place.space === "io8" && place.address === registers.Cfg9346 && value === lock,
  );

/** @throws {Error} if the trace contains no complete start */
export const phasesOf = (
  lines: readonly string[],
  phyAccess: string,
): Readonly<Record<Phase, readonly Operation[]>> => {
  const accesses = accessesIn(lines, phyAccess);
  const start = turns(accesses, Lock.unlock);
  const end = turns(accesses, Lock.lock, start);
  if (start < 0 || end < 0)
    throw new Error("the trace contains no start: the configuration registers are not unlocked and locked again");
  const between = (from: number, to: number, phase: Phase) =>
    withoutChoices(operationsOf(accesses.slice(from, to), phase));
  return { phy: between(0, start, "phy"), mac: between(start, end, "mac") };
};
