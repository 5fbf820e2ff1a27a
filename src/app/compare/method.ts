/** Text about how a comparison was measured. It is the same on the terminal, on the page and in the document. */
import type { Comparison, Measurement } from "./result.ts";

export const METHOD: readonly string[] = [
  "The device is a separate process in C, with rings of descriptors, buffers and doorbells in shared memory. It sends and checks frames there, either without waiting or at the speed of a line.",
  "Each driver is a process that works on such memory. The drivers run in turns, in windows of 25 ms (latency: 50 ms); each round begins with another driver. The other drivers sleep meanwhile.",
  "A ratio compares two drivers within one round, because the speed of shared processors changes from one moment to the next. The figure is the median of the ratios of all rounds; the quartiles show how far they differ.",
  "If other work took processor time from a driver or the device, the round is repeated, up to three times the wanted number of rounds. The least disturbed rounds are kept, regardless of how fast the drivers were in them.",
  "Every driver is started several times, because the JavaScript engine compiles a program a little differently each time. TypeScript is taken from a cache of compiled code, as in an installed package.",
  "Saturated: each pass takes the frames that are there, up to the batch. A driver that is faster than the device takes fewer frames in a pass, and both then fetch the same cache lines from each other more often. If this costs more than the driver's own work, a driver that runs more instructions can forward more frames; the times with driver and device in one thread do not have this effect.",
  "Each frame has a sequence number, with which the device detects lost, duplicated and reordered frames.",
];

/** Names and values of facts about the machine, its programs, and its load. */
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

/** Load average per core above which figures are not reliable. */
const QUIET_LOAD = 0.5;

/** Warnings, if the machine had other work or the run was short. */
export const caveats = ({ machine, quick }: Measurement): readonly string[] => [
  ...(machine.loadBefore > QUIET_LOAD * machine.cores
    ? [
        `The machine had other work (load average ${machine.loadBefore.toFixed(1)} on ${machine.cores} cores). This affects times more than ratios; frames are missed, and quartiles are wide. Measure again on an idle machine.`,
      ]
    : []),
  ...(quick ? ["A quick run has few rounds, so quartiles are wide and rare delays are not seen."] : []),
];

export const command = ({ quick, facts }: Comparison): string =>
  `Ferrule ${facts.ferrule}; repeat the measurement with: ferrule compare${quick ? " --quick" : ""}`;
