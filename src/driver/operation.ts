/**
 * Work that takes longer than a data plane may pause: done in steps of at most a few milliseconds each. Every `next` does one and
 * returns the microseconds after which the following one is due, and at the end the result. `return` ends it early, and restores.
 */
export type Operation<Result> = Generator<number, Result, void>;
