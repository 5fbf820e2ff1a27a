/** Pictures of the comparison's page for docs/performance.md, from the run in docs/compare.json. `node test/compare-screens.ts` writes them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { comparisonPage } from "#app/compare/page.ts";
import { readComparison } from "#app/compare/read-comparison.ts";
import { Browser, noBrowser, Page } from "./rigs/browser.ts";

const DOCS = join(import.meta.dirname, "../docs");
const WIDTH = 800;
const EDGE = 12;
const MAX_BYTES = 150_000;

const PICTURES = [
  { name: "compare-throughput.png", plot: "plot-size", dark: false },
  { name: "compare-latency.png", plot: "plot-latency", dark: true },
] as const;

const why = noBrowser();
if (why !== false) throw new Error(why);
await using scope = new AsyncDisposableStack();
const folder = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-screens-")), (path) =>
  rmSync(path, { recursive: true }),
);
const file = join(folder, "page.html");
writeFileSync(file, comparisonPage(readComparison(join(DOCS, "compare.json"))));
const browser = scope.use(new Browser());
for (const { name, plot, dark } of PICTURES) {
  const page = await Page.open(browser, file, { width: WIDTH, dark });
  const { x, y, width, height } = await page.evaluate<{ x: number; y: number; width: number; height: number }>(
    `document.querySelector('svg[aria-labelledby^="${plot}-title"]').closest("figure").getBoundingClientRect().toJSON()`,
  );
  const clip = { x: x - EDGE, y: y - EDGE, width: width + 2 * EDGE, height: height + 2 * EDGE };
  const picture = await page.shot(clip);
  if (picture.length > MAX_BYTES) throw new Error(`${name} has ${picture.length} bytes`);
  writeFileSync(join(DOCS, name), picture);
}
