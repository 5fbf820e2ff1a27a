/**
 * Link modes as ethtool lists them: in the order of the kernel's bits, with half and full duplex of a speed on one
 * line.
 */
import type { LinkModeName } from "#chip/link-modes.ts";
import { OutOfRange } from "#kit/errors.ts";

/** The kernel's bit of each link mode (ETHTOOL_LINK_MODE_* of linux/ethtool.h). */
const BITS: readonly (readonly [name: LinkModeName, bit: number])[] = [
  ["10baseT/Half", 0],
  ["10baseT/Full", 1],
  ["100baseT/Half", 2],
  ["100baseT/Full", 3],
  ["1000baseT/Half", 4],
  ["1000baseT/Full", 5],
  ["10000baseT/Full", 12],
  ["1000baseX/Full", 41],
  ["10000baseSR/Full", 43],
  ["2500baseT/Full", 47],
  ["5000baseT/Full", 48],
];

export const ordered = (modes: readonly LinkModeName[]): readonly LinkModeName[] =>
  BITS.flatMap(([name]) => (modes.includes(name) ? [name] : []));

/** Whether the text is a mask of link modes: up to 16 hexadecimal digits. */
export const isMask = (text: string): boolean => /^(?:0x)?[0-9a-f]{1,16}$/i.test(text);
/** The modes in a mask, which is written in hexadecimal, as in ethtool. @throws {OutOfRange} for an invalid mask */
export const modesIn = (mask: string): readonly LinkModeName[] => {
  if (!isMask(mask))
    throw new OutOfRange(`"${mask.slice(0, 32)}" is not a mask of link modes`, "Write up to 16 hexadecimal digits.");
  const bits = BigInt(`0x${mask.replace(/^0x/i, "")}`);
  return BITS.flatMap(([name, bit]) => ((bits >> BigInt(bit)) & 1n ? [name] : []));
};

/** @param label the text before the first mode, including the separator */
export const modeLines = (label: string, modes: readonly LinkModeName[]): readonly string[] => {
  const rows: string[] = [];
  for (const name of ordered(modes)) {
    const last = rows.at(-1);
    if (name.endsWith("/Full") && last === name.replace("/Full", "/Half")) rows[rows.length - 1] = `${last} ${name}`;
    else rows.push(name);
  }
  if (rows.length === 0) return [`\t${label}Not reported`];
  return rows.map((row, i) => `\t${i === 0 ? label : " ".repeat(label.length)}${row}`);
};
