/** The checks that must all miss a mutant for it to survive, cheapest first, on a copy of the project. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { GENERATIONS } from "../rigs/generations.ts";
import { type Mutant, mutated } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../..");
/** A mutant may loop for ever; the longest check takes a tenth of this on an idle machine. */
const CHECK_MILLIS = 240_000;
const NOT_COPIED: readonly string[] = ["node_modules", ".git", "dist"];

interface Check {
  readonly name: string;
  /** Arguments of Node. */
  readonly words: readonly string[];
}

const tests = (...words: readonly string[]): readonly string[] => [
  "--disable-warning=ExperimentalWarning",
  "--test",
  "--test-isolation=none",
  "--test-reporter=./test/mutation/first-failure.ts",
  ...words,
];

const UNIT: Check = { name: "unit tests", words: tests("src/{driver,chip}/**/*.test.ts") };
const CHIP: Check = { name: "unit tests of chip", words: tests("src/chip/**/*.test.ts") };
const WRITES: Check = { name: "register writes", words: tests("test/conformance/register-writes.test.ts") };
const REST: readonly Check[] = [
  { name: "types", words: ["node_modules/typescript/bin/tsc"] },
  {
    name: "rings and rules",
    words: tests("test/conformance/{address,faults,probe,quirks,receive,rings,transmit-rules}.test.ts"),
  },
  {
    name: "settings and start-up",
    words: tests(
      "test/conformance/{aspm,leds,link-settings,moderation,phy-left,power-saving,queues,self-test,sleep,start-up}.test.ts",
    ),
  },
  {
    name: "conformance, one chip of each generation",
    words: tests(`--test-name-pattern=^(${GENERATIONS.join("|")})\\b`, "test/conformance/direct.test.ts"),
  },
];

/** The checks for a file of each room, in order: each is the quickest that detects most of the remaining mutants. */
const CHECKS: Readonly<Record<string, readonly Check[]>> = {
  chip: [CHIP, UNIT, WRITES, ...REST],
  driver: [WRITES, UNIT, ...REST],
};
export const ALL_CHECKS: readonly Check[] = [CHIP, UNIT, WRITES, ...REST];

const checksFor = (file: string): readonly Check[] => CHECKS[file.split("/")[1]!] ?? ALL_CHECKS;

/** A copy of the project, for one mutant at a time. */
export class Copy implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "ferrule-mutants-"));

  constructor() {
    cpSync(ROOT, this.#folder, { recursive: true, filter: (path) => !NOT_COPIED.includes(basename(path)) });
    symlinkSync(join(ROOT, "node_modules"), join(this.#folder, "node_modules"));
  }

  /** Whether a check passes: true, or what failed in it. */
  async passes({ words }: Check): Promise<true | string> {
    // In its own process group: a check that hangs is ended with all its children.
    const child = spawn(process.execPath, words, {
      cwd: this.#folder,
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, ".cache"), NODE_TEST_CONTEXT: undefined },
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    const end = (): boolean => process.kill(-child.pid!, "SIGKILL");
    const late = setTimeout(end, CHECK_MILLIS);
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(late);
    return code === 0 || said.trim() || "no end";
  }

  /** The check that detects a mutant, and what failed in it; undefined for a survivor. */
  async noticedBy(mutant: Mutant): Promise<{ readonly check: string; readonly failed: string } | undefined> {
    const path = join(this.#folder, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, mutated(text, mutant));
    try {
      for (const check of checksFor(mutant.file)) {
        const passed = await this.passes(check);
        if (passed !== true) return { check: check.name, failed: passed };
      }
      return undefined;
    } finally {
      writeFileSync(path, text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
