/** What a guest's kernel says, less what it says of itself with a guest and all devices well. */

/** Single lines, on a machine that is busy. */
const HARMLESS = [/random: crng/, /hrtimer: interrupt took/, /net_ratelimit: \d+ callbacks suppressed/];

const REPORT = /^[^\n]*-\[ cut here \]-[^]*?-\[ end trace [^\n]*$/gm;
/**
 * Reports of its own flaws, by two functions in the trace. A kernel that hardens its allocator, as Debian's, may want a random
 * number for the memory with which its interrupt router wakes up, and then asks a clock that does not yet run again.
 */
const FLAWS = [/\bktime_get_seconds\+[^]*\birqrouter_resume\+/];

const isFlaw = (report: string): boolean => FLAWS.some((pattern) => pattern.test(report));

/** The lines of a log that somebody should look at. @param allowed patterns of further lines that are none of them */
export const complaintsOf = (log: readonly string[], allowed: readonly RegExp[] = []): readonly string[] => {
  const rest = log.join("\n").replace(REPORT, (report) => (isFlaw(report) ? "" : report));
  return rest.split("\n").filter((line) => line !== "" && ![...HARMLESS, ...allowed].some((known) => known.test(line)));
};
