/**
 * JSON in ethtool's format: lists of words are on one line, and each level of objects is indented by four more columns.
 */
import type { Json } from "./flag.ts";

const FIRST = 8;
const STEP = 4;

const text = (value: Json, indent: number): string => {
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((each) => text(each, indent + STEP));
    return items.length === 0 ? "[ ]" : `[ ${items.join(",")} ]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value as { readonly [key: string]: Json });
  if (fields.length === 0) return "{}";
  const space = " ".repeat(indent);
  const lines = fields.map(([name, each]) => `${space}${JSON.stringify(name)}: ${text(each, indent + STEP)}`);
  return `{\n${lines.join(",\n")}\n${" ".repeat(indent - STEP)}}`;
};

/** The lines of the JSON list with one object that ethtool prints for an interface. */
export const jsonLines = (value: { readonly [key: string]: Json }): readonly string[] =>
  `[ ${text(value, FIRST)} ]`.split("\n");
