/** One comparison from beginning to end. */
import { mkdirSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { COMPARISON_VERSION, type Measurement, type Peer } from "#app/compare/result.ts";
import { CannotMeasure } from "../bench.ts";
import { compile } from "../c-program.ts";
import { machineFacts } from "../machine.ts";
import { rustcVersion } from "../rust-program.ts";
import { Budget, measure } from "./campaign.ts";
import { dpdkVersion } from "./dpdk.ts";
import { Device } from "./device.ts";
import type { Plan } from "./options.ts";
import { entriesOf, OTHER, type Runner } from "./peers.ts";
import { sameThread } from "./same-thread.ts";
import { latencyRows, throughputRows } from "./rows.ts";

export interface CompareContext {
  /** Folder for compiled programs. The caller removes it. */
  readonly scratch: string;
  /** Progress messages, for a person. */
  readonly say: (line: string) => void;
  /** A signal that is aborted when the user stops the program. */
  readonly stop: AbortSignal;
}

type Missing = NonNullable<Peer["missing"]>;

interface Field {
  readonly runners: readonly Runner[];
  readonly missing: readonly (Peer & { readonly missing: Missing })[];
}

/**
 * Compiles what the peers need. A peer for which this machine lacks something, such as a compiler, is returned in
 * `missing`, with the reason.
 */
const prepare = async (plan: Plan, { scratch, say }: CompareContext): Promise<Field> => {
  const runners: Runner[] = [];
  const missing: Field["missing"][number][] = [];
  for (const { peer, install, loads, chip, prepare } of entriesOf(plan.against)) {
    if (!plan.peers.includes(peer.key.replace(OTHER, ""))) continue;
    try {
      runners.push({ peer, loads, ...(chip === undefined ? {} : { chip }), ...(await prepare({ scratch, say })) });
    } catch (error) {
      if (!(error instanceof CannotMeasure)) throw error;
      say(`${peer.name}: not measured: ${error.message}; install it with: ${install}`);
      missing.push({ ...peer, missing: { why: error.message, install } });
    }
  }
  return { runners, missing };
};

/** The time that a comparison has for its rounds, in milliseconds. */
const BUDGET_MS = { full: 200_000, quick: 40_000 };

const budgetOf = ({ tasks, latency, processes, quick }: Plan): Budget =>
  new Budget(quick ? BUDGET_MS.quick : BUDGET_MS.full, processes * (tasks.length + latency.length));

const loadNow = (): number => loadavg()[0] ?? NaN;

/**
 * @throws {CannotMeasure} if there is no C compiler, which the device process needs; {ComparisonFailed} if a driver
 * fails
 */
export const compare = async (plan: Plan, context: CompareContext): Promise<Measurement> => {
  const { scratch, say, stop } = context;
  const begin = new Date();
  const loadBefore = loadNow();
  mkdirSync(scratch, { recursive: true });
  const device = await compile(scratch, "device");
  const { runners, missing } = await prepare(plan, context);
  // DPDK creates a folder of its own in RUNTIME_DIRECTORY.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compile-cache"), RUNTIME_DIRECTORY: scratch };
  await using running = new Device(device, env, stop);
  const rounds = await measure({ device: running, say, budget: budgetOf(plan) }, plan, runners);
  const { cpu, cores, virtual, kernel, node, compiler } = await machineFacts();
  const rustc = await rustcVersion();
  const dpdk = runners.some(({ peer }) => peer.key === "dpdk") ? dpdkVersion() : undefined;
  return {
    version: COMPARISON_VERSION,
    taken: begin.toISOString(),
    quick: plan.quick,
    seconds: (Date.now() - begin.getTime()) / 1000,
    machine: {
      cpu,
      cores,
      virtual: virtual === true,
      kernel,
      node,
      compiler,
      ...(rustc === undefined ? {} : { rustc }),
      ...(dpdk === undefined ? {} : { dpdk }),
      loadBefore,
      loadAfter: loadNow(),
    },
    peers: [...runners.map(({ peer }) => peer), ...missing],
    throughput: rounds.tasks.flatMap((task) => throughputRows(task, runners)),
    latency: rounds.latency.flatMap((latency) => latencyRows(latency, runners)),
    sameThread: await sameThread(plan, runners, env, context),
    notCovered: ["Several queues: the device has one receive and one transmit ring for each driver."],
  };
};
