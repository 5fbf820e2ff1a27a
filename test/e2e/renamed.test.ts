/** `ferrule down` still finds an interface that was renamed or moved, and the interface still shows its link. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noTwoEnds } from "../rigs/skip.ts";
import { BIN, Running, ip, openTwoEnds } from "../rigs/two-ends.ts";

const skip = noTwoEnds(["ip"]);

/** Runs the `ferrule` command in a namespace; returns its output and exit code. */
const ferrule = async (
  namespace: string,
  ...args: readonly string[]
): Promise<{ output: string; code: number | null }> => {
  await using command = Running.in(namespace, process.execPath, BIN, ...args);
  const output = await command.ended();
  return { output, code: command.exitCode };
};

/** An interface's speed and duplex in /sys, which equal those that `ethtool` shows. */
const shown = async (namespace: string, name: string): Promise<string> => {
  const folder = `/sys/class/net/${name}`;
  await using cat = Running.in(namespace, "cat", `${folder}/speed`, `${folder}/duplex`);
  return await cat.ended();
};

describe("a renamed interface", { skip, timeout: 120_000 }, () => {
  test("is taken down by its present name", async () => {
    await using ends = await openTwoEnds();
    await ip(`-n ${ends.near} link set ${ends.host} down name lan0`);
    const { output, code } = await ferrule(ends.near, "down", "lan0");
    assert.match(output, /^lan0 is down/);
    assert.equal(code, 0);
    assert.match(await ends.ferrule.ended(), /"renamed".*"lan0"/);
  });

  test("is taken down by its original name, and another `up` with the original name reports the interface's new name", async () => {
    await using ends = await openTwoEnds();
    const { near, host } = ends;
    await ip(`-n ${near} link set ${host} down name lan0`);
    const second = await ferrule(near, "up", "model:rtl8168h", "--name", host);
    assert.match(second.output, /is already up.*called lan0 now/);
    assert.equal(second.code, 1);
    const { output, code } = await ferrule(near, "down", host);
    assert.match(output, /^lan0 is down/);
    assert.equal(code, 0);
  });

  test("is found by its present name if two interfaces match", async () => {
    await using ends = await openTwoEnds();
    const { near, host } = ends;
    await using other = Running.in(near, process.execPath, BIN, "up", "model:rtl8168h", "--name", "fe9", "--json");
    await other.waitFor(/"carrier"/);
    await ip(`-n ${near} link set ${host} down name lan0`);
    await ip(`-n ${near} link set fe9 down name ${host}`);
    const { output } = await ferrule(near, "down", host);
    assert.match(output, new RegExp(`^${host} is down`));
    await other.ended();
    assert.ok(ends.ferrule.running);
  });

  test("is taken down after it was moved, although another interface has its name", async () => {
    await using ends = await openTwoEnds();
    const { near, third, host } = ends;
    await ip(`-n ${near} link set ${host} netns ${third}`);
    await ip(`-n ${near} tuntap add ${host} mode tap`);
    const { output, code } = await ferrule(near, "down", host);
    assert.match(output, new RegExp(`^${host} is down`));
    assert.equal(code, 0);
    assert.match(await ip(`-n ${near} link show ${host}`), /mtu/);
  });

  test("an interface that no `up` created is reported as not Ferrule's", async () => {
    await using ends = await openTwoEnds();
    await ip(`-n ${ends.near} tuntap add lan0 mode tap`);
    const { output, code } = await ferrule(ends.near, "down", "lan0");
    assert.match(output, /the interface is not Ferrule's/);
    assert.equal(code, 1);
  });
});

test(
  "both ends show the link's speed and duplex, also after a rename and a move to another namespace",
  { skip },
  async () => {
    await using ends = await openTwoEnds();
    const { near, far, third, host, wire } = ends;
    assert.equal(await shown(near, host), "1000\nfull\n");
    assert.equal(await shown(far, wire), "1000\nfull\n");
    await ip(`-n ${near} link set ${host} down name lan0`);
    await ip(`-n ${near} link set lan0 netns ${third}`);
    await ip(`-n ${third} link set lan0 up`);
    assert.equal(await shown(third, "lan0"), "1000\nfull\n");
  },
);
