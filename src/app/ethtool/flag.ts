/** A flag of ethtool as data: its names, its request to the driver's thread, and the format of the result. */
import { FerruleError } from "#kit/errors.ts";
import type { Argument } from "../argument.ts";
import type { Operation } from "../operations.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Flag {
  /** The flag's names in ethtool; empty for `ethtool NAME`, which has no flag. */
  readonly names: readonly string[];
  /** Words after the interface's name. */
  readonly words: string;
  readonly summary: string;
  /** The name of the flag's operation in the table of the driver's thread. */
  readonly operation: string;
  /** The lines that ethtool prints for a failure, in which % stands for the reason; default: "netlink error: %". */
  readonly failure?: readonly string[];
  /**
   * ethtool's exit codes: `exit` for an error of the kernel, `missing` for an interface that does not exist (default:
   * the same as `exit`).
   */
  readonly exit: number;
  readonly missing?: number;
  /** @throws {BadLine}, and other errors for invalid words */
  readonly argument: (words: readonly string[]) => Argument;
  /** The line that ethtool prints if the result means a failure; undefined if it does not. */
  readonly failed?: (value: object, argument: Argument) => string | undefined;
  readonly lines: (value: object, name: string, argument: Argument) => readonly string[];
  /** Output of `--json` in addition to the interface's name; default: the value itself. */
  readonly json?: (value: object, argument: Argument) => { readonly [key: string]: Json };
}

/** A flag with a typed result. The type can be relied on, because both ends have the same version. */
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

/** Related flags, and their operations. */
export interface Group {
  readonly flags: readonly Flag[];
  readonly operations: Readonly<Record<string, Operation>>;
}

/** The command line is not valid for ethtool. */
export class BadLine extends FerruleError {
  readonly code = "BAD_LINE";
  readonly hint = "For more information run ferrule ethtool -h";
  constructor(message = "ethtool: bad command line argument(s)") {
    super(message);
  }
}

/** The chip or the driver does not support the operation. */
export class NotSupported extends FerruleError {
  readonly code = "NOT_SUPPORTED";
  readonly hint: string;
  constructor(hint: string) {
    super("Operation not supported");
    this.hint = hint;
  }
}

/** An operation that the driver does not support on any chip. */
export const unsupported =
  (hint: string): Operation =>
  () => {
    throw new NotSupported(hint);
  };

/** The state of a switch as ethtool prints it. */
export const onOff = (on: boolean | undefined): string => (on === undefined ? "n/a" : on ? "on" : "off");
export const yesNo = (yes: boolean): string => (yes ? "yes" : "no");

/** Bytes as `-d` and `-e` print them. @param start offset of the first byte */
export const dumpLines = (bytes: readonly number[], start = 0): readonly string[] => {
  const rows = ["Offset\t\tValues", "------\t\t------"];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16).map((byte) => `${byte.toString(16).padStart(2, "0")} `);
    rows.push(`0x${(start + at).toString(16).padStart(4, "0")}:\t\t${row.join("")}`);
  }
  return rows;
};
