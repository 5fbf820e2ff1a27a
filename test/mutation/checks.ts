/** The checks of mutants, and the threads that run them. A mutant survives if it passes all checks. */
import { once } from "node:events";
import { globSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { GENERATIONS } from "../rigs/generations.ts";
import type { Case } from "./judge.ts";
import type { Mutant } from "./mutants.ts";

export interface Check {
  readonly name: string;
  /** A glob, from the project's root. */
  readonly files: string;
  /** Names of the tests that are run; default: all. */
  readonly tests?: RegExp;
}

/** The check and the test that detected a mutant. */
export interface Finding {
  readonly check: string;
  readonly failed: string;
}

const CHIP: Check = { name: "unit tests of chip", files: "src/chip/**/*.test.ts" };
const DRIVER: Check = { name: "unit tests of driver", files: "src/driver/**/*.test.ts" };
const WRITES: Check = { name: "register writes", files: "test/conformance/register-writes.test.ts" };
/**
 * Matches every title that does not begin with a chip's key. Of the titles that do, it matches those of the RTL8168H,
 * which is the rigs' default, and of one chip of each generation.
 */
const FEW_CHIPS = new RegExp(`^(?!rtl\\d)|^(rtl8168h|${GENERATIONS.join("|")})\\b`);
/**
 * Files that `REST` omits. They are checked before it, need QEMU or processes of their own, or take too long for what
 * they detect.
 */
const NOT_CHECKED = /\/(register-writes|accesses|exact-losses|loss|qtest|vfio-user)\.test\.ts$/;
const REST: readonly Check[] = globSync("test/conformance/*.test.ts", { cwd: join(import.meta.dirname, "../..") })
  .filter((file) => !NOT_CHECKED.test(file))
  .toSorted()
  .map((file) => ({ name: file, files: file, tests: FEW_CHIPS }));

/** The checks in the order in which they run: first the quick ones that detect many of the room's mutants. */
const checksFor = (file: string): readonly Check[] =>
  file.startsWith("src/chip/") ? [CHIP, DRIVER, WRITES, ...REST] : [DRIVER, WRITES, ...REST];

/**
 * Limit that ends a mutant that loops. A check of unchanged code needs a quarter of it. Processor time is limited, not
 * real time, because other programs may use the machine.
 */
const MAX_CPU_SECONDS = 50;
/** Limit that ends a mutant that waits for ever. No test waits for real time to pass. */
const MAX_IDLE_SECONDS = 60;
/** Number of mutants after which a thread is replaced, because the modules that it has loaded stay in memory. */
const THREAD_MUTANTS = 40;

const started = async (): Promise<Worker> => {
  const worker = new Worker(join(import.meta.dirname, "judge.ts"), { stdout: true, stderr: true });
  await once(worker, "online");
  return worker;
};

/**
 * A thread that runs the checks on one mutant at a time. It is replaced after `THREAD_MUTANTS` mutants, or when it is
 * stuck.
 */
export class Judge implements AsyncDisposable {
  #worker: Worker | undefined;
  #judged = 0;

  /**
   * What detects the mutant; undefined for a survivor. If `mutant` is undefined, returns what fails on unchanged code.
   */
  async noticedBy(mutant: Mutant | undefined): Promise<Finding | undefined> {
    if (++this.#judged % THREAD_MUTANTS === 0) await this.#end();
    for (const check of checksFor(mutant?.file ?? "src/chip/")) {
      const failed = await this.#failure({ number: this.#judged, mutant, check });
      if (failed !== undefined) return { check: check.name, failed };
    }
    return undefined;
  }

  async #failure(given: Case): Promise<string | undefined> {
    const worker = (this.#worker ??= await started());
    worker.postMessage(given);
    const answered = new AbortController();
    try {
      return await Promise.race([
        once(worker, "message", answered).then(([failed]) => failed as string | undefined),
        once(worker, "exit", answered).then(() => Promise.reject(new Error("the thread ended"))),
        this.#stuck(worker, answered),
      ]);
    } catch (error) {
      await this.#end();
      return String(error);
    } finally {
      answered.abort();
    }
  }

  async #stuck(worker: Worker, { signal }: AbortController): Promise<never> {
    const cpuSeconds = async (): Promise<number> => (await worker.cpuUsage()).user / 1e6;
    const start = await cpuSeconds();
    let used = start;
    for (let idle = 0; idle < MAX_IDLE_SECONDS; idle++) {
      await wait(1000, undefined, { signal });
      const now = await cpuSeconds();
      if (now - start > MAX_CPU_SECONDS) throw new Error("the mutant loops");
      if (now - used > 0.002) idle = 0;
      used = now;
    }
    throw new Error("the mutant waits for ever");
  }

  async #end(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
