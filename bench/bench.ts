/** The interface of a bench, and the form of its report. */
import { FerruleError } from "#kit/errors.ts";

/** Command-line options. */
export interface BenchOptions {
  /** Directory for compiled programs, outside the tree. It is removed at the end. */
  readonly scratch: string;
  /** Repetitions of the whole comparison. If undefined, each bench uses its own default. */
  readonly rounds: number | undefined;
  /**
   * Folder of another checkout. The bench `ring` compares this checkout with it instead of with C, and `compare` and
   * `tcp` measure both.
   */
  readonly against: string | undefined;
  /** Length of one iperf3 run in seconds. */
  readonly seconds: number;
  /** Progress messages for a person, on stderr. */
  readonly say: (line: string) => void;
  /** Aborted on SIGINT and SIGTERM; a bench that sees this must stop and clean up. */
  readonly stop: AbortSignal;
}

/** One row of a table: each column's title with the cell in that column. */
export type Row = Readonly<Record<string, string | number>>;

export interface Report {
  /** Tables for people. */
  readonly rows: readonly Row[];
  /** All figures from which the rows were computed, for programs. */
  readonly data: unknown;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  run(options: BenchOptions): Promise<Report>;
}

/** Thrown if a bench cannot run on this machine. It does not mean that the measured code has failed. */
export class CannotMeasure extends FerruleError {
  readonly code = "CANNOT_MEASURE";
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}
