/** A flag of ethtool as data: its names, what it asks of the driver's thread, and how the answer is written. */
import { FerruleError } from "#kit/errors.ts";
import type { Argument } from "../argument.ts";
import type { Operation } from "../operations.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Flag {
  /** As ethtool has them; empty for the flag that is left out: `ethtool NAME`. */
  readonly names: readonly string[];
  /** Words after the interface's name. */
  readonly words: string;
  readonly summary: string;
  /** By name in the thread's table. */
  readonly operation: string;
  /** ethtool's lines for a failure, the reason in place of %; "netlink error: %" unless given. */
  readonly failure?: readonly string[];
  /** Its exit codes for a refusal by the kernel, and for an interface that is not there; the first unless given. */
  readonly exit: number;
  readonly missing?: number;
  /** @throws {BadLine}; whatever else the words are refused with */
  readonly argument: (words: readonly string[]) => Argument;
  /** The answer is a failure, of which ethtool says this. */
  readonly failed?: (value: object, argument: Argument) => string | undefined;
  readonly lines: (value: object, name: string, argument: Argument) => readonly string[];
  /** What `--json` prints of the interface beside its name; the value itself unless given. */
  readonly json?: (value: object, argument: Argument) => { readonly [key: string]: Json };
}

/** A flag whose answer has a type; both ends are of one version. */
export interface TypedFlag<Value extends object> extends Omit<Flag, "lines" | "json" | "argument" | "failed"> {
  readonly argument?: Flag["argument"];
  lines(value: Value, name: string, argument: Argument): readonly string[];
  json?(value: Value, argument: Argument): { readonly [key: string]: Json };
  failed?(value: Value, argument: Argument): string | undefined;
}

const noWords = (words: readonly string[]): Argument => {
  if (words.length > 0) throw new BadLine();
  return {};
};

export const flag = <Value extends object>(typed: TypedFlag<Value>): Flag =>
  ({ argument: noWords, ...typed }) as unknown as Flag;

/** Flags that belong together, and their operations. */
export interface Group {
  readonly flags: readonly Flag[];
  readonly operations: Readonly<Record<string, Operation>>;
}

/** The command line is not one of ethtool's. */
export class BadLine extends FerruleError {
  readonly code = "BAD_LINE";
  readonly hint = "For more information run ferrule ethtool -h";
  constructor(message = "ethtool: bad command line argument(s)") {
    super(message);
  }
}

/** The chip or the driver has nothing like it. */
export class NotSupported extends FerruleError {
  readonly code = "NOT_SUPPORTED";
  readonly hint: string;
  constructor(hint: string) {
    super("Operation not supported");
    this.hint = hint;
  }
}

/** An operation that no chip of the family can carry out. */
export const unsupported =
  (hint: string): Operation =>
  () => {
    throw new NotSupported(hint);
  };

/** What is printed of a switch. */
export const onOff = (on: boolean | undefined): string => (on === undefined ? "n/a" : on ? "on" : "off");
export const yesNo = (yes: boolean): string => (yes ? "yes" : "no");

/** Bytes as `-d` and `-e` print them. @param start offset of the first */
export const dumpLines = (bytes: readonly number[], start = 0): readonly string[] => {
  const rows = ["Offset\t\tValues", "------\t\t------"];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16).map((byte) => `${byte.toString(16).padStart(2, "0")} `);
    rows.push(`0x${(start + at).toString(16).padStart(4, "0")}:\t\t${row.join("")}`);
  }
  return rows;
};
