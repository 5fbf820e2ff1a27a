/**
 * Tests the packed form: it is installed in an empty project, without a network, and used as a command and as a
 * library.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseMeasurement } from "#app/compare/read-comparison.ts";
import { olderNode } from "./rigs/older-node.ts";
import { npm, packFerrule } from "./rigs/packed.ts";
import { skipFor } from "./rigs/skip.ts";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
/** The optional dependency, which npm installs only if there is a network. */
const NODE = `node-linux-${process.arch}`;
/** Packages that a TypeScript program needs. */
const TYPES = ["@types/node", "undici-types"];
/** Time limit in ms, long enough on a busy machine. */
const ENOUGH = 300_000;

const COMPARISON = fileURLToPath(new URL("../docs/compare.json", import.meta.url));
const hasGcc = spawnSync(process.env["CC"] ?? "gcc", ["--version"]).status === 0;
const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));

/** A program that opens a card that does not exist. */
const REFUSED = `
import { FerruleError } from "ferrule/errors";
import { VfioDevice } from "ferrule/vfio";

try {
  VfioDevice.open({ address: "fffe:1f:1f.7" });
} catch (error) {
  if (!(error instanceof FerruleError)) throw error;
  console.log("refused:", error.code);
}
`;

/** The parts of the package that programs import. */
const PARTS = ["clock", "device", "driver", "errors", "link", "vfio", "vfio-user"];

suite("the packed form", () => {
  let home = "";
  let archive = "";
  /** A PATH with the system's programs and Node, not this checkout's. */
  const PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  const ferrule = (...args: string[]) =>
    spawnSync(process.execPath, [join(home, "node_modules/.bin/ferrule"), ...args], {
      cwd: home,
      encoding: "utf8",
      timeout: ENOUGH,
      env: { ...process.env, PATH },
    });

  before(() => {
    home = mkdtempSync(join(tmpdir(), "ferrule-packed-"));
    writeFileSync(join(home, "package.json"), '{ "private": true, "type": "module" }\n');
    const offline = ["--offline", "--omit=optional", "--no-audit", "--no-fund"];
    archive = packFerrule(home);
    npm(home, "install", ...offline, archive);
    writeFileSync(join(home, "refused.ts"), REFUSED);
    for (const name of readdirSync(EXAMPLES))
      copyFileSync(join(home, "node_modules/ferrule/examples", name), join(home, name));
    for (const name of [NODE, ...TYPES]) {
      const link = join(home, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(MODULES, name), link);
    }
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  test("contains no tests, and no TypeScript but declarations and examples", () => {
    const held = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).trim().split("\n");
    assert.deepEqual(
      held.filter((path) => /\.test|test-kit|\.types\.|(?<!\.d)\.ts$/.test(path) && !path.includes("/examples/")),
      [],
    );
    for (const needed of [
      "LICENSE",
      "README.md",
      "bin/ferrule.mjs",
      "dist/app/cli/entry.js",
      "dist/kit/link.d.ts",
      "share/man/ferrule.1",
    ])
      assert.ok(held.includes(`package/${needed}`), needed);
  });

  test("reports its version, and what the machine lacks", () => {
    const output = ferrule("--version");
    assert.equal(output.status, 0, output.stderr);
    const { version } = JSON.parse(readFileSync(join(home, "node_modules/ferrule/package.json"), "utf8")) as {
      version: string;
    };
    assert.equal(output.stdout.split("\n")[0], `ferrule ${version}`);
    const checked = ferrule("doctor", "--json");
    assert.equal(checked.status, 0, checked.stderr);
    JSON.parse(checked.stdout);
  });

  test("runs the demo", () => {
    const { status, stdout, stderr } = ferrule("demo", "--bytes", "16M", "--json");
    assert.equal(status, 0, stderr);
    const { transfers } = JSON.parse(stdout) as { transfers: { sha256Sent: string; sha256Received: string }[] };
    for (const { sha256Sent, sha256Received } of transfers) assert.equal(sha256Received, sha256Sent);
  });

  test("measures its drivers, with one round of `compare`", { skip: skipFor(!hasGcc && "needs gcc") }, () => {
    const file = join(home, "measured.json");
    const program = join(home, "node_modules/ferrule/dist/bench/compare/main.js");
    const options = ["--load", "forward", "--peer", "careful-c,link", "--rounds", "1", "--json", file];
    const { status, stderr } = spawnSync(process.execPath, [program, ...options], { cwd: home, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const { throughput } = parseMeasurement(readFileSync(file, "utf8"), file);
    assert.deepEqual(
      throughput.map(({ peer, lost, doubled, reordered, damaged }) => [peer, lost + doubled + reordered + damaged]),
      [
        ["minimal-c", 0],
        ["careful-c", 0],
        ["link", 0],
      ],
    );
    const page = join(home, "compare.html");
    const shown = ferrule("compare", "--from", COMPARISON, "--html", page);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(readFileSync(page, "utf8"), /Ferrule over Link/);
  });

  test("has types with which a strict program compiles", () => {
    const options = "--strict --target esnext --module nodenext --types node --noEmit".split(" ");
    const { status, stdout } = spawnSync(
      join(MODULES, ".bin/tsc"),
      [...options, "refused.ts", ...readdirSync(EXAMPLES)],
      {
        cwd: home,
        encoding: "utf8",
      },
    );
    assert.equal(status, 0, stdout);
  });

  const older = olderNode();
  test(
    "is rejected by an older Node in one line, whichever part is imported",
    { skip: older === undefined ? "there is no older Node here" : false },
    () => {
      for (const part of PARTS) {
        const program = `import("ferrule/${part}").catch(({ code, message }) => console.log(code, message));`;
        const { stdout, stderr } = spawnSync(older!, ["--eval", program], {
          cwd: home,
          encoding: "utf8",
          timeout: ENOUGH,
        });
        assert.match(
          stdout,
          /^NODE_TOO_OLD ferrule's library needs Node 26\.10 or newer; this is \d+\.\d+\.\d+\n$/,
          part,
        );
        assert.equal(stderr, "");
      }
    },
  );

  test("is one library, whether it is imported or required", () => {
    const program = `
      const names = ${JSON.stringify(PARTS)};
      for (const name of names)
        for (const [key, value] of Object.entries(require("ferrule/" + name)))
          if ((await import("ferrule/" + name))[key] !== value) console.log(name, key);
      console.log(require("ferrule/vfio").VfioDevice.name, new (require("ferrule/errors").OutOfRange)("x") instanceof require("ferrule/errors").FerruleError);`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { createRequire } from "node:module"; const require = createRequire(${JSON.stringify(join(home, "refused.ts"))});${program}`,
      ],
      {
        cwd: home,
        encoding: "utf8",
        timeout: ENOUGH,
      },
    );
    assert.equal(stdout, "VfioDevice true\n", stderr);
  });

  test("reports a missing card", () => {
    const { stdout, stderr } = spawnSync(process.execPath, ["refused.ts"], {
      cwd: home,
      encoding: "utf8",
      timeout: ENOUGH,
    });
    assert.match(stdout, /^refused: \w+\n$/, stderr);
  });

  test("its examples drive a served NIC", async () => {
    const served = spawn(
      process.execPath,
      [join(home, "node_modules/.bin/ferrule"), "model", "serve", "--socket", "nic.sock", "--json"],
      { cwd: home, stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = once(served, "exit");
    try {
      await once(served.stdout, "data");
      const asked = spawnSync(process.execPath, ["ask.ts"], { cwd: home, encoding: "utf8", timeout: ENOUGH });
      assert.match(asked.stdout, /^10\.70\.0\.2 is at [0-9a-f]{12}\n$/, asked.stderr);

      const options = { cwd: home, encoding: "utf8", timeout: ENOUGH } as const;
      const received = promisify(execFile)(process.execPath, ["receive.ts", "nic.sock", "2"], options);
      // A frame to another station's address, which the NIC rejects until its receiver is on and promiscuous.
      const frame = `02000000000202000000000188b5${"00".repeat(46)}`;
      while (received.child.exitCode === null && received.child.signalCode === null) {
        ferrule("model", "ctl", "nic.sock", "send", frame);
        await sleep(10);
      }
      const line = "020000000001 > 020000000002, type 0x88b5, 60 bytes\n";
      assert.equal((await received).stdout, line + line);
    } finally {
      served.kill("SIGTERM");
      await ended;
    }
  });
});
