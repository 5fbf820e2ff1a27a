/**
 * A long job in steps of at most a few milliseconds, so that traffic continues between them. Each `next()` does one
 * step and yields the number of microseconds to wait before the next; the last `next()` returns the result. `return()`
 * cancels the job and restores the chip.
 */
export type Operation<Result> = Generator<number, Result, void>;
