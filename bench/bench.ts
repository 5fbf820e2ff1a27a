/** Interface of a bench, and its report. */
import { FerruleError } from "#kit/errors.ts";

/** Command-line options. */
export interface BenchOptions {
  /** Directory for compiled programs, outside the tree. It is removed at the end. */
  readonly scratch: string;
  /** Repetitions of the whole comparison. Each bench has its own default. */
  readonly rounds: number | undefined;
  /** Another checkout: `ring` compares with it instead of with C; `compare` and `tcp` measure it too. */
  readonly against: string | undefined;
  /** Length of one iperf3 run in seconds. */
  readonly seconds: number;
  /** Progress messages for a person, on stderr. */
  readonly say: (line: string) => void;
  /** Aborted on SIGINT and SIGTERM: the bench must then stop and clean up. */
  readonly stop: AbortSignal;
}

/** One row of a table: column title to cell. */
export type Row = Readonly<Record<string, string | number>>;

export interface Report {
  /** Tables for people. */
  readonly rows: readonly Row[];
  /** All figures behind the rows, for programs. */
  readonly data: unknown;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  run(options: BenchOptions): Promise<Report>;
}

/** A bench cannot run here. This is not a failure of what it measures. */
export class CannotMeasure extends FerruleError {
  readonly code = "CANNOT_MEASURE";
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}
