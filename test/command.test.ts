/** Tests the `ferrule` command as a process: launcher, exit codes, streams and clean-up. The tests need no root. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { olderNode } from "./rigs/older-node.ts";

const PROGRAM = fileURLToPath(new URL("../bin/ferrule.mjs", import.meta.url));
/** Time limit in ms, long enough on a busy machine. */
const ENOUGH = 300_000;

const ferrule = (args: readonly string[], node = process.execPath) =>
  spawnSync(node, [PROGRAM, ...args], { encoding: "utf8", timeout: ENOUGH });

test("prints its version", () => {
  const { status, stdout, stderr } = ferrule(["--version"]);
  assert.equal(status, 0);
  assert.match(stdout, /^ferrule \d+\.\d+\.\d+\n/);
  assert.equal(stderr, "", "the command must print no warnings");
});

test("after wrong usage, the exit code is 2, stderr has one line and a hint, and stdout is empty", () => {
  for (const args of [
    ["dmeo"],
    ["up"],
    ["up", "model:nope"],
    ["demo", "--bytes", "x"],
    ["up", "model:rtl8168h", "--mtu", "9"],
  ]) {
    const { status, stdout, stderr } = ferrule(args);
    assert.equal(status, 2, args.join(" "));
    assert.match(stderr, /^ferrule: .+\nhint: .+\n$/);
    assert.equal(stdout, "");
  }
});

test("a missing card is an error with exit code 1", () => {
  const { status, stderr } = ferrule(["up", "fffe:1f:1f.7"]);
  assert.equal(status, 1);
  assert.match(stderr, /^ferrule: there is no PCI function fffe:1f:1f\.7\nhint: /);
});

test("model chips --json is a list of every chip", () => {
  const { status, stdout } = ferrule(["model", "chips", "--json"]);
  assert.equal(status, 0);
  const chips = JSON.parse(stdout) as { key: string }[];
  assert.ok(chips.some(({ key }) => key === "rtl8127a"));
});

test("doctor runs anywhere, and reports whether the demo can run", () => {
  const { status, stdout } = ferrule(["doctor", "--json"]);
  assert.equal(status, 0);
  const { demo, checks } = JSON.parse(stdout) as { demo: boolean; checks: { name: string; state: string }[] };
  assert.ok(demo);
  assert.equal(checks.find((check) => check.name === "runtime")?.state, "ok");
});

test("down of a name that is not up ends with exit code 1", () => {
  const { status, stderr } = ferrule(["down", `no${process.pid}`]);
  assert.equal(status, 1);
  assert.match(stderr, /^ferrule: no `ferrule up` of no\d+ is running here\nhint: /);
});

test("a reader that closes early causes no error", () => {
  const { status, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${PROGRAM}" model chips | head -1`], {
    encoding: "utf8",
    timeout: ENOUGH,
  });
  assert.equal(status, 0);
  assert.equal(stderr, "");
});

const older = olderNode();
const ownNode = new URL(`../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url);
const skip =
  older === undefined ? "there is no older Node here" : existsSync(ownNode) ? false : "no own Node is installed";

test("started by an older Node, it runs in its own Node and passes on the exit code", { skip }, () => {
  assert.match(ferrule(["--version"], older).stdout, /^ferrule \d+\.\d+\.\d+\n/);
  assert.equal(ferrule(["dmeo"], older).status, 2);
});

test("the worker process does not outlive its launcher", { skip }, async () => {
  // The demo with the responder runs for minutes, until it is ended.
  const args = [PROGRAM, "demo", "--bytes", "64G"];
  const child = spawn(older!, args, { stdio: ["ignore", "ignore", "pipe"] });
  const closed = new Promise<void>((resolve) => void child.stderr.once("close", resolve));
  const progress = child.stderr.setEncoding("utf8");
  let output = "";
  try {
    for await (const text of progress.iterator({ destroyOnReturn: false })) {
      output += text as string;
      if (output.includes("ping")) break;
    }
  } finally {
    child.kill("SIGKILL");
  }
  progress.resume();
  // The pipe closes when the last process that holds it has gone.
  await closed;
});

test("a NIC that does not come up still gets a report, with a warning and exit code 1", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  const socket = join(folder, "nic");
  const server = spawn(process.execPath, [PROGRAM, "model", "serve", "--socket", socket, "--json"]);
  try {
    await once(server.stdout, "data");
    assert.equal(ferrule(["model", "ctl", socket, "fault", "stuck-reset"]).status, 0);
    const { status, stdout, stderr } = ferrule(["report", `vfio-user:${socket}`]);
    assert.equal(status, 1);
    assert.equal((JSON.parse(stdout) as { chip: string }).chip, "RTL8168h/8111h");
    assert.match(stderr, /^warning: bring-up failed: .+\n$/);
  } finally {
    server.kill("SIGINT");
    await once(server, "close");
    rmSync(folder, { recursive: true });
  }
});

test("when descriptors run out, at any point, the error names the limit to raise", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    let refused = 0;
    for (const max of [22, 24, 26, 28, 30, 31, 32]) {
      const words = ["model", "serve", "--socket", join(folder, "nic"), "--json"];
      const child = spawn("prlimit", [`--nofile=${max}`, process.execPath, PROGRAM, ...words], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [serves, errors] = [false, ""];
      child.stdout.once("data", () => (serves = child.kill("SIGINT")));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
      await once(child, "close");
      if (serves) continue;
      refused++;
      assert.match(errors, /^ferrule: .+\nhint: .*`ulimit -n`.*\n$/, `the error under a limit of ${max} descriptors`);
    }
    assert.ok(refused > 0, "no limit kept the command from starting");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
