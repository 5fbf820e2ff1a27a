/** Finds processes and interfaces that a test has left at either end of the cable. */
import type { FarEnd } from "./far-end.ts";
import { NAMESPACE } from "./far-inside.ts";
import type { Guest } from "./guest.ts";
import { NEAR, type Rig } from "./rig.ts";

/** One process or interface. */
interface Found {
  readonly what: string;
  readonly remove: () => Promise<unknown> | void;
}

/** All present processes and interfaces, by a unique key. */
type Inventory = ReadonlyMap<string, Found>;

/**
 * Lists all interfaces, and all processes but kernel threads, which have no program file. The first line has the ids of
 * this shell and of the agent, which is another process after each restart of the guest.
 */
const PROCESSES = `echo 1 $$ $PPID $(cat /run/serving)
for each in /proc/[0-9]*; do [ -e $each/exe ] && read -r name <$each/comm && echo "\${each#/proc/} $name"; done 2>/dev/null
echo; ip -br link; ip -n ${NAMESPACE} -br link 2>/dev/null | sed 's/^/${NAMESPACE} /'; true`;

const inGuest = async (guest: Guest): Promise<[string, Found][]> => {
  const [processes = "", interfaces = ""] = (await guest.mustRun(PROCESSES)).split("\n\n");
  const [ownPids = "", ...lines] = processes.split("\n");
  const found = lines.map((line): [string, Found] => {
    const [pid = "", name] = line.split(" ");
    return [`guest ${line}`, { what: `the guest's process ${name}`, remove: () => guest.run(`kill -KILL ${pid}`) }];
  });
  const links = [...interfaces.matchAll(/^(far )?([^\s@]+)/gm)].map(([, far, name]): [string, Found] => {
    const where = far === undefined ? "" : `-n ${NAMESPACE}`;
    const what = `the interface ${name} of the ${far === undefined ? "guest" : "far end"}`;
    return [`guest link ${where} ${name}`, { what, remove: () => guest.run(`ip ${where} link del ${name}`) }];
  });
  const own = ownPids.split(" ");
  return [...found.filter(([key]) => !own.includes(key.split(" ")[1]!)), ...links];
};

const outside = (far: FarEnd): [string, Found][] => [
  ...[...far.processes].map(([pid, line]): [string, Found] => [
    `far ${pid}`,
    { what: `the far end's process ${line}`, remove: () => void process.kill(pid, "SIGKILL") },
  ]),
  ...far.interfaces.map((name): [string, Found] => [
    `far link ${name}`,
    { what: `the interface ${name} of the far end`, remove: () => far.run(`ip link del ${name}`) },
  ]),
];

/** Everything at both ends, except the driver's own interface, which comes and goes. */
const inventory = async ({ guest, outside: far }: Rig): Promise<Inventory> => {
  const found = new Map([...(await inGuest(guest)), ...(far === undefined ? [] : outside(far))]);
  found.delete(`guest link  ${NEAR.name}`);
  return found;
};

export class Leftovers {
  readonly #rig: Rig;
  readonly #keeps: readonly string[];
  readonly #before: Inventory;

  private constructor(rig: Rig, keeps: readonly string[], before: Inventory) {
    this.#rig = rig;
    this.#keeps = keeps;
    this.#before = before;
  }

  /**
   * Records the present state, to which `remove` will return. @param keeps names of processes in the guest that may
   * stay from test to test
   */
  static async since(rig: Rig, keeps: readonly string[] = []): Promise<Leftovers> {
    return new Leftovers(rig, keeps, await inventory(rig));
  }

  /** Removes every process and interface added since the state was recorded; returns a description of each. */
  async remove(): Promise<readonly string[]> {
    const news = [...(await inventory(this.#rig))].filter(
      ([key]) => !this.#before.has(key) && !this.#keeps.some((name) => key.endsWith(` ${name}`)),
    );
    for (const [, { remove }] of news) await remove();
    return news.map(([, { what }]) => what);
  }
}
