/** Tests `ferrule ethtool` from another process on a NIC that carries frames, and what the system's own tools show. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "../rigs/eventually.ts";
import { noTwoEnds } from "../rigs/skip.ts";
import { BIN, Running, openTwoEnds } from "../rigs/two-ends.ts";

const skip = noTwoEnds(["ip"]);

const ethtool = async (
  namespace: string,
  words: string,
): Promise<{ readonly output: string; readonly code: number | null }> => {
  await using command = Running.in(namespace, process.execPath, BIN, "ethtool", ...words.split(" "));
  const output = await command.ended();
  return { output, code: command.exitCode };
};

describe("ferrule ethtool", { skip, timeout: 120_000 }, () => {
  test("shows and changes settings of a running NIC, whose traffic continues", async () => {
    await using ends = await openTwoEnds();
    const { near, host } = ends;
    assert.match((await ethtool(near, `-i ${host}`)).output, /^driver: ferrule\n/);
    assert.deepEqual(await ethtool(near, `-G ${host} rx 512`), { output: "", code: 0 });
    assert.match((await ethtool(near, `-g ${host}`)).output, /^RX:\t\t\t512$/m);
    const { output, code } = await ethtool(near, `--json -g ${host}`);
    assert.equal(code, 0);
    assert.equal((JSON.parse(output) as readonly { readonly tx: number }[])[0]!.tx, 512);
    assert.match((await ethtool(near, `-S ${host}`)).output, /^ {5}rx_packets: \d+$/m);
    await eventually("the new size in `ferrule status`", async () => {
      await using status = Running.in(near, process.execPath, BIN, "status", host);
      return /^rings +512 descriptors each$/m.test(await status.ended()) || undefined;
    });
    assert.ok(ends.ferrule.running);
  });

  test("rejects requests as ethtool does, with a hint", async () => {
    await using ends = await openTwoEnds();
    const { near, host } = ends;
    const fec = await ethtool(near, `--show-fec ${host}`);
    assert.match(fec.output, /^netlink error: Operation not supported\nhint: /);
    assert.equal(fec.code, 1);
    const missing = await ethtool(near, "-i missing0");
    assert.match(missing.output, /^Cannot get driver information: No such device\nhint: /);
    assert.equal(missing.code, 71);
    for (const words of ["", "-i", "--nonsense x", `-G ${host} rx many`])
      assert.match((await ethtool(near, words)).output, /^ethtool: bad command line argument\(s\)\n/);
    const rings = await ethtool(near, `-G ${host} rx 500`);
    assert.equal(rings.code, 81);
    assert.match(rings.output, /^netlink error: .*500.*\nhint: /);
  });

  test("hostile requests on the control socket do not disturb the NIC", async () => {
    await using ends = await openTwoEnds();
    const { near, host } = ends;
    const request = (line: string): string =>
      `require("node:net").connect("\\0ferrule/${host}", function () { this.write(${JSON.stringify(line)}) }).pipe(process.stdout)`;
    for (const line of [
      `{"command":"operate","operation":"__proto__","argument":{}}\n`,
      `{"command":"operate","operation":"setRings","argument":{"rx":-1}}\n`,
      `{"command":"operate","operation":"setRings","argument":{"rx":"many"}}\n`,
      `{"command":"operate","operation":"setFeatures","argument":{"__proto__":true,"x":false}}\n`,
      `{"command":"operate","operation":"eeprom","argument":{"offset":-5}}\n`,
    ]) {
      await using client = Running.in(near, process.execPath, "-e", request(line));
      assert.match(await client.ended(), /^\{"ok":(true|false),/);
    }
    assert.equal((await ethtool(near, `-g ${host}`)).code, 0);
  });
});
