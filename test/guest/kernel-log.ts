/** Finds the warnings in a guest's kernel log, except known ones that no device has caused. */

/** Lines that may appear on a busy machine without any fault. */
const HARMLESS = [/random: crng/, /hrtimer: interrupt took/, /net_ratelimit: \d+ callbacks suppressed/];

const REPORT = /^[^\n]*-\[ cut here \]-[^]*?-\[ end trace [^\n]*$/gm;
/**
 * Reports of known kernel flaws, identified by two functions in the call trace. A kernel with a hardened allocator,
 * such as Debian's, may need a random number while the interrupt router resumes, and then reads a clock that is still
 * suspended.
 */
const FLAWS = [/\bktime_get_seconds\+[^]*\birqrouter_resume\+/];

const isFlaw = (report: string): boolean => FLAWS.some((pattern) => pattern.test(report));

/** Lines of a log that need attention. @param allowed patterns of further lines that need none */
export const complaintsOf = (log: readonly string[], allowed: readonly RegExp[] = []): readonly string[] => {
  const rest = log.join("\n").replace(REPORT, (report) => (isFlaw(report) ? "" : report));
  return rest.split("\n").filter((line) => line !== "" && ![...HARMLESS, ...allowed].some((known) => known.test(line)));
};
