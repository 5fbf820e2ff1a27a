import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { carries, readNetworkUse } from "./carrying.ts";
import { FakeMachine } from "./machine.test-kit.ts";

const NOTHING = { ipv4Routes: [], ipv6Routes: [], session: undefined };

const IPV4 = [
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
  "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
  "eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
  "eth2\t00000000\t00000000\t0000\t0\t0\t0\t00000000\t0\t0\t0",
].join("\n");

const ZEROS = "0".repeat(32);
const IPV6 = [
  `${ZEROS} 00 ${ZEROS} 00 fe800000000000000000000000000002 00000400 00000001 00000000 00000003     wlan0`,
  `fe800000000000000000000000000000 40 ${ZEROS} 00 ${ZEROS} 00000100 00000001 00000000 00000001     eth0`,
  `${ZEROS} 00 ${ZEROS} 00 ${ZEROS} ffffffff 00000001 00000000 00200200       lo`,
].join("\n");

/** An interface on others. */
const stack = (machine: FakeMachine, upper: string, ...lowers: string[]): void => {
  for (const lower of lowers)
    machine.link(join(machine.files.sys, "class/net", upper, `lower_${lower}`), `../${lower}`);
};

test("default routes of both kinds are found, and nothing else is taken for one", () => {
  using machine = new FakeMachine();
  machine.write(join(machine.files.proc, "self/net/route"), IPV4);
  machine.write(join(machine.files.proc, "self/net/ipv6_route"), IPV6);
  assert.deepEqual(readNetworkUse(machine.files, [], {}), { ...NOTHING, ipv4Routes: ["eth0"], ipv6Routes: ["wlan0"] });
});

test("without /proc, and with nonsense in it, nothing is carried", () => {
  using machine = new FakeMachine();
  assert.deepEqual(readNetworkUse(machine.files, [], { SSH_CONNECTION: "?" }), NOTHING);
  for (const name of ["route", "ipv6_route"])
    machine.write(join(machine.files.proc, "self/net", name), "\0\n\n 00000000 \u{fffd}\n".repeat(50));
  assert.deepEqual(readNetworkUse(machine.files, [], {}), NOTHING);
});

test("an SSH session is where its server address is; a link-local one names its interface", () => {
  using machine = new FakeMachine();
  const addresses = [
    { interface: "lo", address: "127.0.0.1" },
    { interface: "eth0", address: "10.0.2.15" },
    { interface: "eth0", address: "fd00::1" },
  ];
  const session = (connection: string): string | undefined =>
    readNetworkUse(machine.files, addresses, { SSH_CONNECTION: connection }).session;
  assert.equal(session("10.0.2.2 4711 10.0.2.15 22"), "eth0");
  assert.equal(session("fd00::9 4711 FD00::1 22"), "eth0");
  assert.equal(session("::ffff:10.0.2.2 4711 ::ffff:10.0.2.15 22"), "eth0");
  assert.equal(session("fe80::9%eth3 4711 fe80::1%eth3 22"), "eth3");
  assert.equal(session("10.0.2.2 4711 192.0.2.1 22"), undefined);
});

test("behind sudo the SSH session is found with the processes before", () => {
  using machine = new FakeMachine();
  const { proc } = machine.files;
  machine.write(join(proc, "self/status"), "Name:\tferrule\nPPid:\t20\n");
  machine.write(join(proc, "self/environ"), "SUDO_USER=me\0");
  machine.write(join(proc, "20/status"), "Name:\tsudo\nPPid:\t10\n");
  machine.write(join(proc, "10/status"), "Name:\tbash\nPPid:\t1\n");
  machine.write(join(proc, "10/environ"), "HOME=/\0SSH_CONNECTION=10.0.2.2 4711 10.0.2.15 22\0");
  const addresses = [{ interface: "eth0", address: "10.0.2.15" }];
  assert.equal(readNetworkUse(machine.files, addresses, {}).session, "eth0");
});

test("a loop of parents ends", () => {
  using machine = new FakeMachine();
  machine.write(join(machine.files.proc, "self/status"), "PPid:\t7\n");
  machine.write(join(machine.files.proc, "7/status"), "PPid:\t7\n");
  assert.equal(readNetworkUse(machine.files, [], {}).session, undefined);
});

test("what stands on the card is found through bridges, bonds and VLANs, and told with its way", () => {
  using machine = new FakeMachine();
  const { files } = machine;
  for (const name of ["eth0", "eth1", "tap0"]) mkdirSync(join(files.sys, "class/net", name));
  stack(machine, "bond0", "eth0", "eth1");
  stack(machine, "bond0.5", "bond0");
  stack(machine, "br0", "bond0.5", "tap0");
  const use = { ipv4Routes: ["br0", "br0"], ipv6Routes: ["wlan0"], session: "eth0" };
  assert.deepEqual(carries(files, ["eth0"], use), [
    "this SSH session (eth0)",
    "the default route (IPv4, br0 over eth0)",
  ]);
  assert.deepEqual(carries(files, ["eth7"], use), []);
  assert.deepEqual(carries(files, [], use), []);
});

test("interfaces that stand on each other in a circle do not keep us", () => {
  using machine = new FakeMachine();
  stack(machine, "a0", "b0");
  stack(machine, "b0", "a0");
  assert.deepEqual(carries(machine.files, ["c0"], { ...NOTHING, ipv4Routes: ["a0"] }), []);
});
