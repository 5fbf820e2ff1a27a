/**
 * The page of `ferrule compare` in a browser: what it loads, what its plots and tables show, and how it looks on a
 * telephone and in dark mode.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import { BATCHES, madeUp, SIZES } from "#app/compare/comparison.test-kit.ts";
import { comparisonPage } from "#app/compare/page.ts";
import { Browser, noBrowser, Page } from "./rigs/browser.ts";

/** The centres of a plot's ticks and marks, each tick with its text and each mark with its driver and text. */
interface Drawn {
  readonly x: readonly Tick[];
  readonly y: readonly Tick[];
  readonly marks: readonly { readonly driver: string; readonly text: string; readonly x: number; readonly y: number }[];
}
interface Tick {
  readonly text: string;
  readonly at: number;
}

const drawn = (plot: string): string => `(() => {
  const svg = document.querySelector('svg[aria-labelledby^="${plot}-title"]');
  const centre = (e) => { const r = e.getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; };
  const ticks = (axis) => [...svg.querySelectorAll(".tick." + axis)].map((e) => ({ text: e.textContent, at: centre(e)[axis] }));
  const marks = [...svg.querySelectorAll(".series")].flatMap((g) => [...g.querySelectorAll(".mark")].map((m) =>
    ({ driver: g.dataset.name, text: m.querySelector("title").textContent, ...centre(m) })));
  return { x: ticks("x"), y: ticks("y"), marks };
})()`;

type Transform = (value: number) => number;
const linear: Transform = (value) => value;

/** The position of a value, computed only from the first and the last tick. */
const placeOf = (ticks: readonly Tick[], value: number, transform: Transform): number => {
  const [first, last] = [ticks[0]!, ticks.at(-1)!];
  const [from, to] = [first, last].map(({ text }) => transform(Number.parseFloat(text)));
  return first.at + ((transform(value) - from!) / (to! - from!)) * (last.at - first.at);
};

/**
 * Tolerance in pixels. A position is measured at the centre of an element's box. For some markers and for the text of
 * ticks, this is not exactly the position at which the element is plotted.
 */
const NEAR = 3;

const nearly = (actual: number, expected: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= NEAR, `${what} is at ${actual}, not at ${expected}`);

suite("the page of a comparison", { skip: noBrowser() }, () => {
  const scope = new AsyncDisposableStack();
  const found = madeUp();
  let browser: Browser;
  let file = "";
  let wide: Page;

  before(async () => {
    const folder = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-page-")), (path) =>
      rmSync(path, { recursive: true }),
    );
    file = join(folder, "page.html");
    writeFileSync(file, comparisonPage(found));
    browser = scope.use(new Browser());
    wide = await Page.open(browser, file, { width: 1200 });
  });
  after(() => scope.disposeAsync());

  test("loads nothing but itself, and the browser reports no error", async () => {
    await wide.evaluate("1");
    assert.deepEqual(wide.requests, [pathToFileURL(file).href]);
    assert.deepEqual(wide.complaints, []);
  });

  test("has no script, and declares that it loads nothing", async () => {
    const [scripts, outside, policy] = await wide.evaluate<[number, number, string]>(`[
      document.scripts.length,
      document.querySelectorAll("[src], link, iframe, object, a:not([href^='#'])").length,
      document.querySelector("meta[http-equiv]").content]`);
    assert.deepEqual([scripts, outside], [0, 0]);
    assert.match(policy, /^default-src 'none';/);
  });

  test("throughput: each driver has a mark at each size, at its frames per second", async () => {
    const { x, y, marks } = await wide.evaluate<Drawn>(drawn("plot-size"));
    const sizes = SIZES.filter((size) => size !== "mix");
    assert.deepEqual(
      x.map(({ text }) => text),
      sizes.map(String),
    );
    const rows = found.throughput.filter(
      (row) => row.load === "forward" && row.rate === "saturated" && row.batch === 32 && row.queues === 1,
    );
    const wanted = rows.filter(({ bytes }) => bytes !== "mix");
    assert.equal(marks.length, wanted.length);
    for (const { peer, bytes, ns } of wanted) {
      const { name } = found.peers.find(({ key }) => key === peer)!;
      const mark = marks.find(({ driver, text }) => driver === name && text.includes(`${bytes} B`))!;
      nearly(mark.x, placeOf(x, Number(bytes), Math.log), `${name}, ${bytes}`);
      nearly(mark.y, placeOf(y, 1000 / ns.median, linear), `${name}, ${bytes}`);
    }
  });

  test("cost: each driver has a mark at each batch, at its time per frame", async () => {
    const { x, y, marks } = await wide.evaluate<Drawn>(drawn("plot-batch"));
    assert.equal(marks.length, found.sameThread.length);
    assert.deepEqual(
      x.map(({ text }) => Number(text)),
      BATCHES,
    );
    for (const { peer, batch, ns } of found.sameThread) {
      const { name } = found.peers.find(({ key }) => key === peer)!;
      const mark = marks.find(({ driver, text }) => driver === name && text.includes(`batch ${batch},`))!;
      nearly(mark.x, placeOf(x, batch, Math.log), `${name}, ${batch}`);
      nearly(mark.y, placeOf(y, ns.median, linear), `${name}, ${batch}`);
    }
  });

  test("latency: on logarithmic axes each driver has its percentiles", async () => {
    const { x, y, marks } = await wide.evaluate<Drawn>(drawn("plot-latency"));
    for (const { peer, ns } of found.latency) {
      const { name } = found.peers.find(({ key }) => key === peer)!;
      const own = marks.filter(({ driver }) => driver === name);
      const wanted = [ns.p50, ns.p90, ns.p99, ns.p999, ns.p9999];
      assert.equal(own.length, wanted.length);
      for (const [i, time] of wanted.entries()) {
        nearly(own[i]!.x, placeOf(x, time / 1000, Math.log), `${name}, ${time}`);
        nearly(own[i]!.y, placeOf(y, 50 / (i === 0 ? 1 : 5 * 10 ** (i - 1)), Math.log), `${name}, ${time}`);
      }
    }
  });

  test("ratios: each mark is at its ratio, and the line at 1", async () => {
    const { x, marks } = await wide.evaluate<Drawn>(drawn("plot-rate"));
    const rows = found.throughput.filter(
      (row) => row.load === "forward" && row.bytes === 64 && row.batch === 32 && row.queues === 1,
    );
    assert.equal(marks.length, rows.length);
    for (const { peer, rate, ratio } of rows) {
      const { name } = found.peers.find(({ key }) => key === peer)!;
      const where = typeof rate === "number" ? `${rate / 1000} Gbit/s` : rate;
      const mark = marks.find(({ text }) => text.startsWith(`${name}, ${where}:`))!;
      nearly(mark.x, placeOf(x, ratio.median, Math.log), `${name}, ${where}`);
    }
    const one = await wide.evaluate<number>(
      `document.querySelector('svg[aria-labelledby^="plot-rate-title"] .one').getBoundingClientRect().x`,
    );
    nearly(one, placeOf(x, 1, Math.log), "the line");
  });

  test("names each plot and each table for screen readers", async () => {
    const { nodes } = (await wide.call("Accessibility.getFullAXTree")) as {
      nodes: readonly { ignored: boolean; role?: { value: string }; name?: { value: string } }[];
    };
    const names = (role: string): readonly string[] =>
      nodes.filter((node) => !node.ignored && node.role?.value === role).map(({ name }) => name?.value ?? "");
    assert.equal(names("image").length, 5);
    assert.ok(names("table").length >= 15);
    for (const name of [...names("image"), ...names("table")]) assert.match(name, /\w{4}/);
  });

  test("a missing driver is listed with the command that installs it", async () => {
    const text = await wide.evaluate<string>("document.body.innerText");
    assert.match(text, /DPDK net_r8169: DPDK is not installed\. sudo apt-get install librte-net-r8169-25/);
  });

  test("on a telephone nothing is wider than the screen, tables scroll in place, and plots are readable", async () => {
    const page = await Page.open(browser, file, { width: 400 });
    const [width, loose] = await page.evaluate<[number, number]>(`[
      document.scrollingElement.scrollWidth,
      [...document.querySelectorAll("table")].filter((table) => table.closest(".scroll") === null).length]`);
    assert.equal(width, 400);
    assert.equal(loose, 0);
    const sizes = await page.evaluate<number[]>(`[...document.querySelectorAll(".plot")].map((svg) =>
      Number.parseFloat(getComputedStyle(svg.querySelector("text")).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)`);
    assert.equal(sizes.length, 5);
    for (const pixels of sizes) assert.ok(pixels >= 10, `the text of a plot has a height of ${pixels} pixels`);
  });

  for (const dark of [false, true])
    test(`${dark ? "in dark mode" : "in light mode"} text and lines stand out from the background`, async () => {
      const page = await Page.open(browser, file, { width: 1200, dark });
      const [back, text, ...lines] = await page.evaluate<string[]>(`[
        getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
        ...[...document.querySelectorAll(".legend .line")].map((e) => getComputedStyle(e).stroke)]`);
      assert.equal(luminance(back!) < 0.2, dark);
      assert.ok(contrast(text!, back!) >= 7);
      assert.ok(lines.length >= 7);
      for (const line of lines) assert.ok(contrast(line, back!) >= 3, line);
    });
});

/** WCAG 2: relative luminance of "rgb(r, g, b)". */
const luminance = (colour: string): number => {
  const [r, g, b] = [...colour.matchAll(/\d+/g)]
    .map(([digits]) => Number(digits) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
};

const contrast = (a: string, b: string): number => {
  const [low, high] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
};
