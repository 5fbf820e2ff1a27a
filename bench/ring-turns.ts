/**
 * One process of a comparison of checkouts. It executes rounds of the ring bench on request, with the rings of the
 * given checkout.
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type createRingPath as Create, KINDS } from "./ring-path.ts";
import { ownRound } from "./ring-rounds.ts";

const [checkout, name] = process.argv.slice(2);
const kind = KINDS.find((each) => each === name);
if (checkout === undefined || kind === undefined) throw new Error(`not a checkout and a path: ${checkout} ${name}`);
const { createRingPath } = (await import(join(checkout, "bench/ring-path.ts"))) as { createRingPath: typeof Create };

using scope = new DisposableStack();
const path = createRingPath(scope, kind);
for await (const line of createInterface({ input: process.stdin })) {
  const batch = Number(line.split(" ")[2]);
  console.log(JSON.stringify({ median: ownRound(path, batch) }));
}
