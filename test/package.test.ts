/** The packed form: installed where there is nothing else, without a network, and used as a command and as a library. */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { olderNode } from "./rigs/older-node.ts";
import { npm, packFerrule } from "./rigs/packed.ts";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
/** What the package brings as optional dependency where there is a network, and what a TypeScript program adds. */
const NODE = `node-linux-${process.arch}`;
const TYPES = ["@types/node", "undici-types"];
/** On a machine however busy. */
const ENOUGH = 300_000;

/** A program of somebody else's that asks who has an address, byte by byte, through our driver. It knows what the package exports and no more. */
const PROGRAM = `
import { RealClock } from "ferrule/clock";
import { bind } from "ferrule/device";
import { type Nic, rtl8169 } from "ferrule/driver";
import { FerruleError } from "ferrule/errors";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS, type Link } from "ferrule/link";
import { VfioDevice } from "ferrule/vfio";
import { VfioUserDevice } from "ferrule/vfio-user";

/** Who has 10.70.0.2? Tell 10.70.0.1. */
const question = (us: string): string =>
  \`ffffffffffff \${us} 0806 0001 0800 06 04 0001 \${us} 0a460001 000000000000 0a460002\`.replaceAll(" ", "");

try {
  VfioDevice.open({ address: "fffe:1f:1f.7" });
} catch (error) {
  if (!(error instanceof FerruleError)) throw error;
  console.log(\`refused: \${error.code}\`);
}

using device = VfioUserDevice.connect({ path: process.argv[2]! });
using bound = bind(rtl8169, device, { clock: new RealClock(), mtu: 1500, weaklyOrdered: process.arch !== "x64" });
const nic: Nic & Link = bound.driver;
nic.up();
const end = Date.now() + 250_000;
while (!nic.link.up && Date.now() < end) {
  if (nic.line.take()) nic.interrupt();
  nic.unmask();
}

using memory = device.dma.allocate({ what: "a frame", bytes: 64, align: 64, direction: "toDevice" });
const us = Buffer.from(nic.address).toString("hex");
nic.memory.bytes.fill(0, memory.offset, memory.offset + 60).set(Buffer.from(question(us), "hex"), memory.offset);
const burst = new Int32Array(FRAME_WORDS);
burst[FRAME_OFFSET] = memory.offset;
burst[FRAME_LENGTH] = 60;
nic.transmit(burst, 1);
while (nic.receive(burst, 1) === 0 && Date.now() < end);
const at = burst[FRAME_OFFSET]!;
const answer = Buffer.from(nic.memory.bytes.subarray(at, at + 42));
console.log(\`\${answer.subarray(28, 32).join(".")} is at \${answer.toString("hex", 6, 12)}\`);
nic.release(burst, 1);
`;

/** The program of docs/library.md that needs no card. */
const EXAMPLE = [
  ...readFileSync(new URL("../docs/library.md", import.meta.url), "utf8").matchAll(/^```ts\n([^]*?)^```$/gm),
]
  .map(([, program]) => program!)
  .find((program) => program.includes("nic.sock"))!;

/** What programs import. */
const PARTS = ["clock", "device", "driver", "errors", "link", "vfio", "vfio-user"];

suite("the packed form", () => {
  let home = "";
  let archive = "";
  /** Neither this checkout's programs nor its Node, but the system's. */
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
    writeFileSync(join(home, "ask.ts"), PROGRAM);
    writeFileSync(join(home, "example.ts"), EXAMPLE);
    for (const name of [NODE, ...TYPES]) {
      const link = join(home, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(MODULES, name), link);
    }
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  test("holds no tests and no TypeScript but declarations", () => {
    const held = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).trim().split("\n");
    assert.deepEqual(
      held.filter((path) => /\.test|test-kit|\.types\.|(?<!\.d)\.ts$/.test(path)),
      [],
    );
    for (const needed of ["LICENSE", "README.md", "bin/ferrule.mjs", "dist/app/cli/entry.js", "dist/kit/link.d.ts"])
      assert.ok(held.includes(`package/${needed}`), needed);
  });

  test("tells its version, and what the machine lacks", () => {
    const told = ferrule("--version");
    assert.equal(told.status, 0, told.stderr);
    const { version } = JSON.parse(readFileSync(join(home, "node_modules/ferrule/package.json"), "utf8")) as {
      version: string;
    };
    assert.equal(told.stdout, `${version}\n`);
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

  test("has types that a strict program compiles against", () => {
    const options = "--strict --target esnext --module nodenext --types node --noEmit".split(" ");
    const { status, stdout } = spawnSync(join(MODULES, ".bin/tsc"), [...options, "ask.ts", "example.ts"], {
      cwd: home,
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout);
  });

  const older = olderNode();
  test(
    "is refused by an older Node in one line, whichever part is imported",
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
        `import { createRequire } from "node:module"; const require = createRequire(${JSON.stringify(join(home, "ask.ts"))});${program}`,
      ],
      {
        cwd: home,
        encoding: "utf8",
        timeout: ENOUGH,
      },
    );
    assert.equal(stdout, "VfioDevice true\n", stderr);
  });

  test("drives a NIC for a Node program that wants raw frames", async () => {
    const socket = join(home, "nic.sock");
    const served = spawn(
      process.execPath,
      [join(home, "node_modules/.bin/ferrule"), "model", "serve", "--socket", socket, "--json"],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = once(served, "exit");
    try {
      await once(served.stdout, "data");
      const run = (...args: string[]): string => {
        const options = { cwd: home, encoding: "utf8", timeout: ENOUGH } as const;
        const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
        assert.equal(status, 0, stderr);
        return stdout;
      };
      assert.match(run("ask.ts", socket), /^refused: \w+\n10\.70\.0\.2 is at [0-9a-f]{12}\n$/);
      assert.match(run("example.ts"), /^10\.70\.0\.2 is at [0-9a-f]{12}\n$/, "the program of docs/library.md");
    } finally {
      served.kill("SIGTERM");
      await ended;
    }
  });
});
