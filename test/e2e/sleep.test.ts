/**
 * Tests `ferrule suspend`, `resume` and `down --wake` with a running `ferrule up`: traffic before and after the sleep,
 * and settings that are changed during the sleep.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "../rigs/eventually.ts";
import { noTwoEnds } from "../rigs/skip.ts";
import { BIN, Running, ip, openTwoEnds } from "../rigs/two-ends.ts";

/** Runs a command in a namespace; returns its output. @throws {assert.AssertionError} unless its exit code is 0 */
const run = async (namespace: string, ...command: readonly [string, ...string[]]): Promise<string> => {
  await using running = Running.in(namespace, ...command);
  const output = await running.ended();
  assert.equal(running.exitCode, 0, output);
  return output;
};

const ferrule = (namespace: string, ...args: readonly string[]): Promise<string> =>
  run(namespace, process.execPath, BIN, ...args);

describe("a NIC that sleeps", { skip: noTwoEnds(["ip"]), timeout: 120_000 }, () => {
  test("has no carrier, comes back with the MTU that was set meanwhile, and is taken down with wake-up armed", async () => {
    await using ends = await openTwoEnds("--wake", "g");
    const { near, host } = ends;
    assert.match(await ferrule(near, "suspend", host), /sleeps; woken by: g/);
    const carrier = async (): Promise<string> => (await run(near, "cat", `/sys/class/net/${host}/carrier`)).trim();
    assert.equal(await carrier(), "0");
    await ip(`-n ${near} link set ${host} mtu 1400`);
    assert.match(await ferrule(near, "resume"), new RegExp(`${host} is awake`));
    await eventually("a carrier", async () => (await carrier()) === "1", 100);
    await eventually("the MTU", async () => /MTU +1400/.test(await ferrule(near, "status", host)), 100);
    assert.match(await ferrule(near, "down", host, "--wake"), new RegExp(`^${host} is down`));
    const output = await ends.ferrule.ended();
    assert.match(output, /"event":"power".*"state":"suspended"[^]*"event":"power".*"state":"resumed"/);
  });
});
