/** What a bench is, and what it reports. */
import { FerruleError } from "#kit/errors.ts";

/** What the command line may change. */
export interface BenchOptions {
  /** Directory for compiled programs; outside the tree, removed at the end. */
  readonly scratch: string;
  /** Repetitions of the whole comparison; each bench has its own default. */
  readonly rounds: number | undefined;
  /** Another checkout: `ring` is compared with it instead of with C, `tcp` measures it as well. */
  readonly against: string | undefined;
  /** Length of one iperf3 run in seconds. */
  readonly seconds: number;
  /** Progress, for a person; stderr. */
  readonly say: (line: string) => void;
  /** Aborted on SIGINT and SIGTERM: stop, clean up, leave. */
  readonly stop: AbortSignal;
}

/** One row of a table: column title to cell. */
export type Row = Readonly<Record<string, string | number>>;

export interface Report {
  /** What a person reads. */
  readonly rows: readonly Row[];
  /** What a program reads: every figure behind the rows. */
  readonly data: unknown;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  run(options: BenchOptions): Promise<Report>;
}

/** A bench cannot run here; not a failure of what it measures. */
export class CannotMeasure extends FerruleError {
  readonly code = "CANNOT_MEASURE";
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
