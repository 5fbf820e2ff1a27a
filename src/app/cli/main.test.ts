import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Options } from "./arguments.ts";
import { type Command, command, Exit } from "./command.ts";
import { commandsFor } from "./commands.ts";
import { bugTracker, version } from "../manifest.ts";
import { main } from "./main.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

const COMMANDS = await commandsFor([]);

const made = (name: string, run: () => Promise<Exit>): Command => ({
  name,
  summary: `does ${name}`,
  about: "About it.",
  operands: [],
  options: {} satisfies Options,
  examples: [`ferrule ${name}`],
  run,
});
const throwing = (error: unknown): Command => made("fail", () => Promise.reject(error));
const CASE = [made("up", async () => Exit.done), made("model chips", async () => Exit.done)];

const run = async (argv: string[], commands: readonly Command[] = CASE, debug = false) => {
  const terminal = recordedTerminal({ debug });
  const exit = await main(argv, commands, terminal);
  return { exit, out: terminal.out.text, err: terminal.err.text };
};

test("`ferrule` alone, with --help or with help, lists the commands", async () => {
  for (const argv of [[], ["--help"], ["-h"], ["help"]]) {
    const { exit, out, err } = await run(argv);
    assert.equal(exit, 0);
    assert.match(out, /model chips +does model chips/);
    assert.equal(err, "");
  }
});

test("help is available before and after a command, and for the commands that share a first word", async () => {
  for (const argv of [
    ["--help", "up"],
    ["-h", "up"],
    ["help", "up"],
    ["help", "--help", "up"],
    ["up", "--help"],
    ["help", "model", "chips"],
  ]) {
    const { exit, out } = await run(argv, await commandsFor(argv));
    assert.equal(exit, 0, argv.join(" "));
    assert.match(out, argv.includes("up") ? /^ferrule up / : /^ferrule model chips /);
  }
  for (const argv of [
    ["model", "--help"],
    ["model", "-h"],
    ["model", "help"],
    ["help", "model"],
    ["--help", "model"],
  ]) {
    const { exit, out } = await run(argv, await commandsFor(argv));
    assert.equal(exit, 0, argv.join(" "));
    for (const name of ["model serve", "model ctl", "model chips"]) assert.ok(out.includes(`  ${name}`), out);
    assert.doesNotMatch(out, /^ {2}(up|demo)/m);
  }
});

test("help for an unknown command ends with exit code 2", async () => {
  for (const argv of [
    ["help", "uo"],
    ["--help", "uo"],
    ["help", "model", "chip"],
  ]) {
    const { exit, err } = await run(argv, await commandsFor(argv));
    assert.equal(exit, 2, argv.join(" "));
    assert.match(err, /^ferrule: unknown command ".+"\nhint: Did you mean .*\n$/);
  }
});

test("a first word alone lists the possible second words", async () => {
  const { exit, err } = await run(["model"]);
  assert.equal(exit, 2);
  assert.equal(err, 'ferrule: "model" needs a subcommand\nhint: The commands are `ferrule model chips`.\n');
});

test("internal errors ask for a report to the package's issue tracker", async () => {
  const { exit, err } = await run(["fail"], [throwing(new TypeError("x is undefined"))]);
  assert.equal(exit, 1);
  assert.ok(err.includes(bugTracker()), err);
  assert.match(bugTracker(), /^https:\/\/\S+$/);
});

test("--version prints the version, how many chips there are, and the Node that runs it", async () => {
  const { out } = await run(["--version"]);
  const [first, chips, node] = out.split("\n");
  assert.equal(first, `ferrule ${version()}`);
  assert.match(chips!, new RegExp(`^chips: ${new Set(CHIPS.map(({ key }) => key)).size} of \\d+ dies`));
  assert.ok(node?.startsWith(`Node ${process.versions.node}, linux `));
});

test("commands of two words are found", async () => {
  assert.equal((await run(["model", "chips"])).exit, 0);
  const { exit, err } = await run(["model", "chip"]);
  assert.equal(exit, 2);
  assert.match(err, /^ferrule: unknown command "model chip"\nhint: Did you mean `ferrule model chips`\?.*\n$/);
});

test("an unknown command ends with exit code 2, one line and a hint", async () => {
  const { exit, err, out } = await run(["uo"]);
  assert.equal(exit, 2);
  assert.match(err, /^ferrule: unknown command "uo"\nhint: Did you mean `up`\?.*\n$/);
  assert.equal(out, "");
});

test("an unknown option before or after the command ends with exit code 2", async () => {
  assert.equal((await run(["--jsno"])).exit, 2);
  assert.equal((await run(["up", "--jsno"])).exit, 2);
});

test("a failure ends with exit code 1, and its message stays on one line", async () => {
  const { exit, err } = await run(["fail"], [throwing(new OutOfRange("two\n  lines", "Do this."))]);
  assert.equal(exit, 1);
  assert.equal(err, "ferrule: two lines\nhint: Do this.\n");
});

test("an unexpected exception becomes a line too; its stack is printed only on request", async () => {
  const { exit, err } = await run(["fail"], [throwing(new TypeError("x is not a function"))]);
  assert.equal(exit, 1);
  assert.match(err, /^ferrule: TypeError: x is not a function\nhint: .*FERRULE_DEBUG=1.*\n$/);
  assert.match((await run(["fail"], [throwing(new TypeError("x"))], true)).err, /\n {4}at /);
});

test("every command has a help text, with an example that names it", async () => {
  for (const each of COMMANDS) {
    for (const argv of [
      [...each.name.split(" "), "--help"],
      ["help", ...each.name.split(" ")],
    ]) {
      const { exit, out } = await run(argv, COMMANDS);
      assert.equal(exit, 0);
      assert.ok(out.startsWith(`ferrule ${each.name}`), out);
      for (const option of Object.keys(each.options)) assert.ok(out.includes(`--${option}`), option);
    }
    assert.ok(
      each.examples.some((example) => example.includes(each.name) || example === "npm start"),
      each.name,
    );
  }
});

test("options keep their types", () => {
  const rest: Omit<Command, "needs"> = made("typed", async () => Exit.done);
  command({
    ...rest,
    options: {
      json: { kind: "flag", summary: "" },
      name: { kind: "value", placeholder: "N", summary: "", default: "x" },
    },
    async run({ values }) {
      values.json satisfies boolean;
      values.name satisfies string;
      return Exit.done;
    },
  });
});
