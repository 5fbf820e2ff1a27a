/** How a comparison was measured, in words: the same on the terminal, the page and in the document. */
import type { Comparison, Measurement } from "./result.ts";

export const METHOD: readonly string[] = [
  "A device process in C, which is no driver's own, has rings of descriptors, buffers and doorbells in shared memory. It sends and checks frames there, either without waiting or at the pace of a line.",
  "Each driver is a process that works on such memory. The device lets the drivers run in turns, in windows of 25 ms (latency: 50 ms) that begin with another driver in each round; a driver whose turn it is not sleeps.",
  "A ratio compares two drivers within one round, because shared processors change their speed from one moment to the next. The figure is the median of the rounds' own ratios; the quartiles say how far they differ.",
  "A round in which other work took processor time from a driver or the device is repeated, up to three times as many rounds as are wanted; of these the least disturbed are kept. How fast a driver was does not matter for that.",
  "Every driver is started several times, since the engine of JavaScript compiles a program a little differently each time. TypeScript is found compiled in a cache, as in an installed package.",
  "Each frame has a sequence number, by which the device finds what was lost, doubled or reordered.",
];

/** The machine, its programs and how busy it was, by name. */
export const machineFacts = ({ machine, taken, seconds }: Measurement): readonly (readonly [string, string])[] => {
  const { cpu, cores, virtual, kernel, node, compiler, rustc, dpdk, loadBefore, loadAfter } = machine;
  const programs = [`Linux ${kernel}`, `Node ${node}`, compiler, rustc, dpdk].filter((each) => each !== undefined);
  return [
    ["processor", `${cpu}, ${cores} ${virtual ? "virtual " : ""}cores`],
    ["programs", programs.join(", ")],
    ["taken", `${taken.slice(0, 16).replace("T", " ")} UTC, in ${Math.round(seconds)} s`],
    ["load average", `${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after`],
  ];
};

export const machineLine = (found: Measurement): string =>
  `${machineFacts(found)
    .map(([name, value]) => (name === "load average" ? `${name} ${value}` : value))
    .join("; ")}.`;

/** The load of a machine on which figures are to be trusted: half a process a core. */
const QUIET_SHARE = 0.5;

/** A warning, where the machine had other work or the run was short. */
export const reservations = ({ machine, quick }: Measurement): readonly string[] => [
  ...(machine.loadBefore > QUIET_SHARE * machine.cores
    ? [
        `The machine had other work (load average ${machine.loadBefore.toFixed(1)} on ${machine.cores} cores). Ratios suffer less from that than times; frames are missed, and quartiles are wide. Measure on a quiet machine.`,
      ]
    : []),
  ...(quick ? ["A quick run: few rounds, and so wide quartiles and no rare delays."] : []),
];

export const command = ({ quick, facts }: Comparison): string =>
  `Ferrule ${facts.ferrule}; measure it again with: ferrule compare${quick ? " --quick" : ""}`;
