/** README and docs compared with the tree: links, commands, npm scripts, tests that are named, numbers. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { commandsFor } from "#app/cli/commands.ts";
import { sizeOf } from "#app/compare/line-count.ts";
import { safetySites } from "../package/facts.ts";
import { driverSize, LINUX_LINES } from "./lines.ts";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const MANIFEST = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

const PAGES = globSync(["*.md", "docs/**/*.md", "share/*.md", ".github/workflows/*.yml"], { cwd: ROOT }).sort();
const complaintsOf = (find: (text: string, page: string) => string[]): string =>
  PAGES.flatMap((page) => find(read(page), page).map((complaint) => `${page}: ${complaint}`)).join("\n");

/** GitHub's anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

const hasAnchor = (page: string, wanted: string): boolean =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].some(([, heading]) => anchor(heading!) === wanted);

test("every link between pages leads to a file and a heading", () => {
  const broken = complaintsOf((text, page) =>
    [...text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([, path = "", fragment]) => {
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, target))) return [`no ${target}`];
      return fragment === undefined || hasAnchor(target, fragment) ? [] : [`no heading #${fragment} in ${target}`];
    }),
  );
  assert.equal(broken, "");
});

/** The code in a page: fenced blocks, and code in sentences. A workflow file is code as a whole. */
const codeOf = (page: string): readonly string[] => {
  const text = read(page);
  if (page.endsWith(".yml")) return [text];
  const fenced = /^```[^\n]*\n([^]*?)^```$/gm;
  return [...text.matchAll(fenced), ...text.replaceAll(fenced, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
};

/** A call of `ferrule` where a shell command can begin, with its words up to the end of that command. */
const CALL =
  /(?:^|\$ |npx |sudo |[|&] |\/|")(?:ferrule|ferrule\.mjs|bin\/ferrule\.mjs) ((?:model )?[a-z]+)((?:\\\n|[^\n`|&;#)])*)/gm;

/** What is wrong with a call of `ferrule`: an unknown command or option. */
const wrongCall = async (words: string, rest: string): Promise<string[]> => {
  const [command] = await commandsFor(words.split(" "));
  if (command?.name !== words) return [`ferrule ${words}: no such command`];
  const takes = (option: string, name: string): boolean =>
    name === "help" ||
    Object.hasOwn(command.options, name) ||
    (command.ownWords === true && command.about.includes(option));
  return [...rest.matchAll(/--([a-z][\w-]*)/g)]
    .filter(([option, name]) => !takes(option, name!))
    .map(([option]) => `ferrule ${words}: no option ${option}`);
};

test("every command line of the pages calls an existing command with existing options", async () => {
  const pages = PAGES.filter((page) => page !== "CHANGELOG.md");
  const calls = pages.flatMap((page) => codeOf(page).flatMap((code) => [...code.matchAll(CALL)]));
  const wrong = await Promise.all(calls.map(([, words, rest]) => wrongCall(words!, rest!)));
  assert.deepEqual(wrong.flat(), []);
  assert.ok(calls.length > 50, `only ${calls.length} command lines were found`);
});

test("every npm script of the pages is in package.json", () => {
  const unknown = complaintsOf((text) =>
    [...text.matchAll(/npm run (?:-s )?([a-z][\w:]*)/g)].flatMap(([, name]) =>
      Object.hasOwn(MANIFEST.scripts, name!) ? [] : [`npm run ${name}`],
    ),
  );
  assert.equal(unknown, "");
});

test("the README has at most 150 lines, and names as many chips as there are", () => {
  const text = read("README.md");
  assert.ok(text.split("\n").length <= 151, "README.md is too long: move something to docs/");
  const counts = [...text.matchAll(/(\d+) chips that `ferrule model chips` lists/g)].map(([, count]) => Number(count));
  assert.deepEqual(counts, [CHIPS.length]);
});

test("the README states the driver's length to within 5 %, and that of Linux's", () => {
  const [, ours, code, linux] =
    /has ([\d,]+) lines \(([\d,]+) without comments.*\), Linux's r8169 ([\d,]+)/.exec(read("README.md")) ?? [];
  const [stated, statedCode, statedLinux] = [ours, code, linux].map((digits = "") =>
    Number(digits.replaceAll(",", "")),
  );
  const size = driverSize();
  assert.ok(Math.abs(stated! / size.lines - 1) < 0.05, `README: ${ours}, \`npm run lines\`: ${size.lines}`);
  assert.ok(Math.abs(statedCode! / size.code - 1) < 0.05, `README: ${code}, \`npm run lines\`: ${size.code}`);
  assert.equal(statedLinux, LINUX_LINES);
});

test("comments and blank lines do not count", () => {
  assert.deepEqual(sizeOf("/** A. */\n\n// b\nc; // d\n/*\n e\n*/\nf;\n"), { lines: 8, code: 2 });
});

test("docs/soundness.md names files that exist, and about as many SAFETY lines as there are", () => {
  const text = read("docs/soundness.md");
  const missing = [...text.matchAll(/`((?:src|test)\/[\w./-]+)`/g)].filter(
    ([, path]) => !existsSync(join(ROOT, path!)),
  );
  assert.deepEqual(
    missing.map(([, path]) => path),
    [],
  );
  const lines = safetySites();
  const stated = Number(/About (\d+) `SAFETY:` lines/.exec(text)?.[1]);
  assert.ok(Math.abs(lines - stated) <= 10, `the page states ${stated} lines, there are ${lines}`);
});

test("docs/library.md quotes every example unchanged", () => {
  const quoted = [...read("docs/library.md").matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, program]) => program);
  const examples = globSync("examples/*.ts", { cwd: ROOT }).sort().map(read);
  assert.ok(examples.length > 0);
  assert.deepEqual(quoted, examples);
});

test("CHANGELOG.md has unreleased changes, and below them a dated section for the version of package.json", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  const [first, second] = [...read("CHANGELOG.md").matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!);
  assert.equal(first, "[Unreleased]");
  assert.match(second!, new RegExp(`^\\[${version}\\] - \\d{4}-\\d\\d-\\d\\d$`));
});
