/** `-k` and `-K`: offloads of the NIC, and features of the kernel on the interface. */
import type { Argument } from "../argument.ts";
import type { FeatureState, FeatureStates } from "../offload-switches.ts";
import { BadLine, flag, type Group, type Json } from "./flag.ts";
import { FEATURES, type FeatureName, featuresNamed, GROUPS, UNGROUPED } from "./feature-names.ts";
import { BadFeature } from "./refusals.ts";
import { taking } from "./words.ts";

const TAKES = Object.fromEntries(FEATURES.map((name) => [name, "switch" as const]));

interface Changed {
  readonly before: FeatureStates;
  readonly after: FeatureStates;
}

/** Parses pairs of a feature's name (ethtool's or the kernel's) and "on" or "off". */
const wantedOf = (words: readonly string[]): Argument => {
  if (words.length === 0) throw new BadLine();
  const wanted: Record<string, boolean> = {};
  for (let i = 0; i < words.length; i += 2) {
    const [word = "", state] = words.slice(i, i + 2);
    if (state !== "on" && state !== "off") throw new BadLine();
    const names = featuresNamed(word);
    if (names.length === 0) throw new BadFeature(word);
    for (const name of names) wanted[name] = state === "on";
  }
  return wanted;
};

const stateText = ({ active, requested, fixed }: FeatureState): string => {
  const rest = fixed ? " [fixed]" : active === requested ? "" : ` [requested ${requested ? "on" : "off"}]`;
  return `${active ? "on" : "off"}${rest}`;
};

const shown = (states: FeatureStates, name: string): readonly string[] => [
  `Features for ${name}:`,
  ...GROUPS.flatMap(({ long, features }) => {
    const [only, ...more] = features;
    if (more.length === 0) return [`${long}: ${stateText(states[only!])}`];
    const any = features.some((each) => states[each].active);
    return [`${long}: ${any ? "on" : "off"}`, ...features.map((each) => `\t${each}: ${stateText(states[each])}`)];
  }),
  ...UNGROUPED.map((each) => `${each}: ${stateText(states[each])}`),
];

const json = (states: FeatureStates): { readonly [key: string]: Json } =>
  Object.fromEntries([
    ...GROUPS.flatMap(({ long, features }): (readonly [string, Json])[] => {
      const [only, ...more] = features;
      if (more.length === 0) return [[long, json1(states[only!])]];
      const active = features.some((each) => states[each].active);
      return [
        [long, { active, fixed: null, requested: null }],
        ...features.map((each) => [each, json1(states[each])] as const),
      ];
    }),
    ...UNGROUPED.map((each) => [each, json1(states[each])] as const),
  ]);
const json1 = ({ active, fixed, requested }: FeatureState): Json => ({
  active,
  fixed,
  requested: fixed ? false : requested,
});

/** Lists the changes if one of them was not requested, or a requested one was not made; otherwise returns no lines. */
export const changes = ({ before, after }: Changed, wanted: Argument): readonly string[] => {
  const lines = FEATURES.map((name): readonly [line: string, asked: boolean] | undefined => {
    const { active } = after[name];
    const missed = wanted[name] !== undefined && wanted[name] !== active;
    const changed = before[name].active !== active;
    if (!missed && !changed) return undefined;
    const note = missed
      ? ` [requested ${active ? "off" : "on"}]`
      : wanted[name] === undefined
        ? " [not requested]"
        : "";
    return [`${name}: ${active ? "on" : "off"}${note}`, note === ""];
  }).filter((line) => line !== undefined);
  return lines.every(([, asked]) => asked) ? [] : ["Actual changes:", ...lines.map(([line]) => line)];
};

/** Whether changes were requested but none was made. */
const nothingChanged = ({ before, after }: Changed, wanted: Argument): boolean =>
  FEATURES.every((name) => before[name].active === after[name].active) &&
  Object.entries(wanted).some(([name, on]) => after[name as FeatureName].active !== on);

export const features: Group = {
  operations: {
    features: ({ switches }) => switches.states(),
    setFeatures: taking(TAKES, ({ switches }, wanted) => {
      const before = switches.states();
      switches.set(wanted as Readonly<Record<string, boolean>>);
      return { before, after: switches.states() };
    }),
  },
  flags: [
    flag<FeatureStates>({
      names: ["-k", "--show-features", "--show-offload"],
      words: "",
      summary: "show offloads",
      operation: "features",
      exit: 1,
      lines: shown,
      json,
    }),
    flag<Changed>({
      names: ["-K", "--features", "--offload"],
      words: "NAME on|off...",
      summary: "set offloads: rx, tx, sg, tso, gso, gro, rxvlan, txvlan, or a name that -k shows",
      operation: "setFeatures",
      exit: 92,
      missing: 1,
      argument: wantedOf,
      lines: (value, _, wanted) => changes(value, wanted),
      failed: (value, wanted) => (nothingChanged(value, wanted) ? "Could not change any device features" : undefined),
    }),
  ],
};
