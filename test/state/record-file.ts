/**
 * Recordings: a chip's state under a C driver, as text. For each moment there is one line for each space, with the
 * values that have changed since the previous moment, or for the first moment since power-on: `macOcp 0xd400=5
 * 0xe052=8009`, all hexadecimal.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Chip, ChipKey } from "#chip/chips.ts";
import { type Space, SPACES } from "#model/observation/state.ts";
import type { Source } from "./compare.ts";
import { changes, dependsOnRun, keyOf, MOMENTS, type Moment, powerOn, type Snapshot, spaceOf } from "./snapshot.ts";

export interface Recording {
  /** The driver: "Linux 6.12.107+deb13-amd64, r8169". */
  readonly driver: string;
  /** The command that recorded it. */
  readonly command: string;
  /** The MTU at the moment "mtu". */
  readonly mtu: number;
  /** Complete snapshots, in order. Some sources do not have all moments. */
  readonly moments: ReadonlyMap<Moment, Snapshot>;
}

/**
 * Chips on which Linux sees no link at any moment: it takes the RTL8116af for an RTL8168H, and reads the link status of
 * a PHY that has none.
 */
export const WITHOUT_LINK: readonly ChipKey[] = ["rtl8116af"];

const pathOf = (source: Source, key: string): string => join(import.meta.dirname, source, `${key}.txt`);

const byAddress = (a: string, b: string): number =>
  a.startsWith("0x") ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0;

const linesOf = (changed: Snapshot): readonly string[] =>
  SPACES.flatMap((space) => {
    const words = [...changed]
      .filter(([key]) => spaceOf(key) === space)
      .map(([key, value]) => [key.slice(space.length + 1), value] as const)
      .toSorted(([a], [b]) => byAddress(a, b))
      .map(([address, value]) => `${address}=${value.toString(16)}`);
    return words.length === 0 ? [] : [[space, ...words].join(" ")];
  });

export const writeRecording = (source: Source, chip: Chip, recording: Recording): void => {
  const { driver, command, mtu, moments } = recording;
  const lines = [`# ${driver}, on the model of ${chip.key}: ${command}`, `mtu ${mtu}`];
  let before = powerOn(chip);
  for (const [moment, after] of moments) {
    lines.push(`== ${moment}`, ...linesOf(changes(before, after)));
    before = after;
  }
  mkdirSync(join(import.meta.dirname, source), { recursive: true });
  writeFileSync(pathOf(source, chip.key), `${lines.join("\n")}\n`);
};

/** The keys and values of a line. @throws {Error} for a line that does not belong to a recording */
const wordsOf = (line: string): readonly (readonly [string, number])[] => {
  const [name, ...words] = line.split(" ");
  const space = SPACES.find((known: Space) => known === name);
  if (space === undefined) throw new Error(`"${line.slice(0, 40)}" is not a line of a recording`);
  return words.flatMap((word) => {
    const [, address, digits] = /^([^=]+)=([0-9a-f]+)$/.exec(word) ?? [];
    if (address === undefined || digits === undefined) throw new Error(`"${word}" is not a word of a recording`);
    return dependsOnRun(space, address) ? [] : [[keyOf(space, address), Number.parseInt(digits, 16)] as const];
  });
};

const momentsOf = (chip: Chip, lines: readonly string[]): ReadonlyMap<Moment, Snapshot> => {
  const moments = new Map<Moment, Map<string, number>>();
  let now: Snapshot = powerOn(chip);
  for (const line of lines) {
    const moment = MOMENTS.find((name) => line === `== ${name}`);
    if (moment !== undefined) {
      now = new Map(now);
      moments.set(moment, now as Map<string, number>);
    } else for (const [key, value] of wordsOf(line)) (now as Map<string, number>).set(key, value);
  }
  return moments;
};

export const hasRecording = (source: Source, chip: Chip): boolean => existsSync(pathOf(source, chip.key));

/** Reads the recording of a chip; undefined if that source has none. @throws {Error} for a malformed file */
export const readRecording = (source: Source, chip: Chip): Recording | undefined => {
  const path = pathOf(source, chip.key);
  if (!hasRecording(source, chip)) return undefined;
  const [head = "", mtu = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const [, driver, command] = /^# (.*), on the model of \S+: (.*)$/.exec(head) ?? [];
  if (driver === undefined || command === undefined || !/^mtu \d+$/.test(mtu))
    throw new Error(`${path} does not begin as a recording does`);
  return { driver, command, mtu: Number(mtu.slice(4)), moments: momentsOf(chip, lines) };
};
