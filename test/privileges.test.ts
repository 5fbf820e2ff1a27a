/**
 * Tests which of root's rights a long-running command keeps, as the kernel shows them for each of its threads. The
 * tests need root, and use their own namespaces.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isAccessible } from "#app/cli/drop-capabilities.ts";
import { CAPABILITIES, type CapabilityName, privileges } from "#sys/privileges.ts";

const PROGRAM = fileURLToPath(new URL("../bin/ferrule.mjs", import.meta.url));
const skip = privileges().capabilities.includes("sys_admin") ? false : "needs root";
/** One more capability is needed if only the owner may enter the checkout's folder. */
const forCode: readonly CapabilityName[] = isAccessible({ path: PROGRAM, use: "read" }) ? [] : ["dac_override"];

const setOf = (names: readonly CapabilityName[]): string =>
  names
    .reduce((bits, name) => bits | (1n << BigInt(CAPABILITIES[name])), 0n)
    .toString(16)
    .padStart(16, "0");

/**
 * The capability sets and `NoNewPrivs` of the process's threads, without repetitions: one entry if all threads have the
 * same.
 */
const rightsOf = (pid: number): readonly string[] => [
  ...new Set(
    readdirSync(`/proc/${pid}/task`).map((task) => {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
      return ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"]
        .map((name) => `${name} ${new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(status)?.[1]}`)
        .join(", ");
    }),
  ),
];

interface Started {
  readonly privileges: { readonly capabilities: readonly string[]; readonly noNewPrivileges: boolean };
}

const firstEvent = async (child: ChildProcess): Promise<Started> => {
  let text = "";
  for await (const chunk of child.stdout!.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    text += chunk as string;
    if (text.includes("\n")) return JSON.parse(text.split("\n")[0]!) as Started;
  }
  return assert.fail(`the command ended: ${text}`);
};

suite("which of root's rights are kept", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const [words, kept] of [
    [
      ["up", "model:rtl8168h", "--json"],
      ["net_admin", "sys_admin"],
    ],
    [["model", "serve", "--socket", join(folder, "a"), "--json"], []],
    [["model", "serve", "--socket", join(folder, "b"), "--wire", "tap:fe0w", "--json"], ["net_admin"]],
  ] as const)
    test(`ferrule ${words.slice(0, 2).join(" ")} keeps ${kept.join(", ") || "nothing"}, in each of its threads`, async () => {
      const child = spawn("unshare", ["--net", process.execPath, PROGRAM, ...words], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      try {
        const event = await firstEvent(child);
        const all = [...kept, ...forCode];
        assert.deepEqual([...event.privileges.capabilities].sort(), all.sort());
        assert.equal(event.privileges.noNewPrivileges, true);
        const set = setOf(all);
        const none = setOf([]);
        assert.deepEqual(rightsOf(child.pid!), [
          `CapInh ${none}, CapPrm ${set}, CapEff ${set}, CapBnd ${set}, CapAmb ${none}, NoNewPrivs 1`,
        ]);
      } finally {
        child.stdout.resume();
        child.kill("SIGINT");
        assert.deepEqual(await ended, [0, null]);
      }
    });

  const FIRMWARE = "rtl_nic/rtl8168h-2.fw";
  for (const [what, options] of [
    ["a file that only another user may write is still written", (place: string) => ["--capture", join(place, "wire")]],
    ["a folder of firmware that only another user may enter is still read", (place: string) => ["--firmware", place]],
  ] as const)
    test(what, async () => {
      const place = mkdtempSync(join(tmpdir(), "ferrule-"));
      mkdirSync(join(place, "rtl_nic"));
      // Firmware without a header: one word, which clears the PHY's read count.
      writeFileSync(join(place, FIRMWARE), Uint8Array.of(0, 0, 0, 0x70));
      chownSync(place, 65_534, 65_534);
      const words = ["up", "model:rtl8168h", "--json", ...options(place)];
      const child = spawn("unshare", ["--net", process.execPath, PROGRAM, ...words], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      try {
        assert.ok((await firstEvent(child)).privileges.capabilities.includes("dac_override"));
      } finally {
        child.stdout.resume();
        child.kill("SIGINT");
        assert.deepEqual(await ended, [0, null]);
        rmSync(place, { recursive: true });
      }
    });
});
