/**
 * iPXE's own driver, written independently for boot ROMs: no operating system and no interrupts, only registers and
 * rings. It fetches a script over HTTP and executes it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import type { Chip } from "#chip/chips.ts";
import { noRig } from "../guest/available.ts";
import { FarEnd } from "../guest/far-end.ts";
import { qemuEnvironment } from "../guest/guest.ts";
import { ipxeCommand } from "../guest/ipxe.ts";
import { Nic } from "../guest/nic.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { bootScript } from "./boot-script.ts";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";
import { cells } from "./grid.ts";

const SERVER = new URL("boot-server.ts", import.meta.url).pathname;
/**
 * Offences of iPXE's driver. It pads no frames, not even for chips that pad them wrongly. Linux's driver pads frames
 * for those chips.
 */
const OFFENCES = ["short"];

/**
 * The selected chips that iPXE supports: those that are older than the RTL8125. The selected kernels do not matter
 * here.
 */
const chips = (): readonly Chip[] =>
  [...new Set(cells().map(({ chip }) => chip))].filter((chip) => !chip.profile.registers.includes("multigigabit"));

/** Starts a process, which is ended with the scope. Returns the lines of its output as they arrive. */
const start = (scope: AsyncDisposableStack, command: readonly string[], env = process.env): AsyncIterator<string> => {
  const [program, ...args] = command;
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"], env });
  const closed = once(child, "close");
  scope.defer(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
};

describe("ipxe", { skip: noRig() }, () => {
  for (const chip of chips())
    describe(`${chip.key} on iPXE`, { timeout: 3 * LIMIT_MILLIS }, () => {
      test("fetches a script and a file of 8 MB from the card's own address, and executes the script", async (t) => {
        const folder = scratchFolder();
        await using scope = new AsyncDisposableStack();
        scope.defer(() => rmSync(folder, { recursive: true, force: true }));
        const far = scope.use(await FarEnd.open());
        const options = { chip: chip.key, socket: join(folder, "nic"), wire: `tap:${FAR.name}` };
        const nic = scope.use(await Nic.serve(far, options));
        await far.mustRun(`ip addr add ${FAR.ipv4}/24 dev ${FAR.name}; ip link set ${FAR.name} up`);
        const node = [process.execPath, "--disable-warning=ExperimentalWarning", SERVER, FAR.ipv4];
        const asked = start(scope, far.command(node[0]!, ...node.slice(1)));
        assert.equal((await asked.next()).value, "listening");
        const booted = ipxeCommand(folder, bootScript(NEAR.ipv4, FAR.ipv4), nic.device());
        const ended = start(scope, booted, qemuEnvironment()).next();
        const late = once(AbortSignal.timeout(LIMIT_MILLIS), "abort").then(() => ({ value: "nothing more" }));
        const gone = ended.then(() => ({ value: "QEMU has ended" }));
        for (const path of ["/script", "/blob", "/fetched"])
          assert.equal((await Promise.race([asked.next(), late, gone])).value, path);
        const { mac, traffic, offences } = await nic.state();
        assert.match(await far.mustRun(`ip neigh show ${NEAR.ipv4}`), new RegExp(`lladdr ${mac} `));
        assert.deepEqual(
          Object.keys(offences).filter((name) => !OFFENCES.includes(name)),
          [],
          nic.offences.join("\n"),
        );
        t.diagnostic(`${traffic.receivedFrames} frames received, ${traffic.sentFrames} sent`);
      });
    });
});
