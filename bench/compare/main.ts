/** Measures drivers in C, Rust and TypeScript on one device: `ferrule compare` runs this program. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FerruleError } from "#kit/errors.ts";
import { dieWithParent } from "#sys/process.ts";
import { compare } from "./compare.ts";
import { isWrongUsage } from "../usage.ts";
import { readOptions, USAGE } from "./options.ts";
import { textOf } from "./tables.ts";

const INTERRUPTED = 130;

const main = async (): Promise<void> => {
  const { plan, json, help } = readOptions(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return;
  }
  const parent = process.env["FERRULE_PARENT"];
  if (parent !== undefined) dieWithParent("SIGTERM", Number(parent));
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
  using scope = new DisposableStack();
  const scratch = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-compare-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  try {
    const measured = await compare(plan, { scratch, say: (line) => console.error(line), stop: stopping.signal });
    if (json === undefined) console.log(textOf(measured));
    else writeFileSync(json, `${JSON.stringify(measured)}\n`);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    console.error("compare: stopped");
    process.exitCode = INTERRUPTED;
  }
};

try {
  await main();
} catch (error) {
  console.error(`compare: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof FerruleError) console.error(`hint: ${error.hint}`);
  if (isWrongUsage(error)) console.error("hint: see --help");
  process.exitCode = isWrongUsage(error) ? 2 : 1;
}
