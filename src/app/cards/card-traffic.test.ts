import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { trafficOver } from "./card-traffic.ts";
import { FakeNetwork } from "./network.test-kit.ts";

const V4 = "0.0.0.0/0";
const V6 = "::/0";

/** A machine with two cards that are up. */
const twoCards = (): FakeNetwork => {
  const network = new FakeNetwork();
  for (const name of ["eth0", "eth1"]) network.link(name);
  return network;
};

const over = ({ network }: FakeNetwork, ...cards: string[]): readonly string[] => trafficOver(network, cards);

suite("a card carries the default route", () => {
  test("a default route is reported, whatever its address family and table, if one of its next hops is on the card", () => {
    using host = twoCards();
    host.route(V4, ["eth0", "eth1"]);
    host.route(V6, ["eth1"]);
    host.route(V4, ["eth1"], { table: 100 });
    assert.deepEqual(over(host, "eth0"), ["the default route (IPv4, eth0)"]);
    assert.deepEqual(over(host, "eth1"), [
      "the default route (IPv4, eth1)",
      "the default route (IPv6, eth1)",
      "the default route (IPv4, table 100, eth1)",
    ]);
    assert.deepEqual(over(host, "eth2"), []);
    assert.deepEqual(over(host), []);
  });

  test("routes for halves of the address space, or for all global IPv6, count as default routes", () => {
    using host = twoCards();
    host.route("0.0.0.0/1", ["eth0"]);
    host.route("128.0.0.0/1", ["eth0"]);
    host.route("2000::/3", ["eth1"]);
    assert.deepEqual(over(host, "eth0"), [
      "the route to 0.0.0.0/1 (IPv4, eth0)",
      "the route to 128.0.0.0/1 (IPv4, eth0)",
    ]);
    assert.deepEqual(over(host, "eth1"), ["the route to 2000::/3 (IPv6, eth1)"]);
  });

  test("without a default route, the route to known Internet addresses is reported", () => {
    using host = twoCards();
    host.route("193.0.14.0/24", ["eth1"]);
    host.route("2001:7fd::/32", ["eth0"]);
    assert.deepEqual(over(host, "eth1"), ["the route to the Internet (IPv4, eth1)"]);
    assert.deepEqual(over(host, "eth0"), ["the route to the Internet (IPv6, eth0)"]);
  });

  test("routes to private networks, multicast routes and reject routes are not reported", () => {
    using host = twoCards();
    for (const to of ["10.0.0.0/8", "192.168.0.0/16", "224.0.0.0/4", "fc00::/7", "fe80::/10", "ff00::/8"])
      host.route(to, ["eth0"], { gateway: false });
    host.route(V4, ["eth0"], { unicast: false });
    assert.deepEqual(over(host, "eth0"), []);
  });

  test("the card is found below bridges, bonds, VLANs and veth pairs, and the path is reported", () => {
    using host = new FakeNetwork();
    host.link("br0", { kind: "bridge" });
    host.link("bond0", { kind: "bond" });
    for (const name of ["eth0", "eth1"]) host.link(name, { master: "bond0" });
    host.link("bond0.5", { kind: "vlan", on: "bond0", master: "br0" });
    host.link("tap0", { kind: "tun", master: "br0" });
    host.link("eth7");
    host.link("v1", { kind: "veth", master: "br0" });
    host.link("v0", { kind: "veth", on: "v1" });
    host.route(V4, ["br0"]);
    host.route(V6, ["v0"]);
    assert.deepEqual(over(host, "eth1"), [
      "the default route (IPv4, br0 over eth1)",
      "the default route (IPv6, v0 over eth1)",
    ]);
    assert.deepEqual(over(host, "eth7"), []);
  });

  test("the card is found below an interface whose driver reports lower devices only in sysfs", () => {
    using host = twoCards();
    host.link("hsr0", { kind: "hsr" });
    host.file("sys", "class/net/hsr0/lower_eth1", "");
    host.route(V4, ["hsr0"]);
    assert.deepEqual(over(host, "eth1"), ["the default route (IPv4, hsr0 over eth1)"]);
  });

  test("the search ends if interfaces are stacked in a circle", () => {
    using host = new FakeNetwork();
    host.link("a0", { index: 1, kind: "veth" });
    host.link("b0", { index: 2, kind: "veth", on: "a0" });
    host.file("sys", "class/net/a0/lower_b0", "");
    host.route(V4, ["a0"]);
    assert.deepEqual(over(host, "b0"), ["the default route (IPv4, a0 over b0)"]);
    assert.deepEqual(over(host, "c0"), []);
  });
});

suite("a card may be under a tunnel", () => {
  test("a card that is a port of Open vSwitch may carry the traffic of its bridges", () => {
    using host = new FakeNetwork();
    host.link("ovs-system", { kind: "openvswitch", up: false });
    host.link("eth0", { master: "ovs-system" });
    host.link("eth1");
    host.link("br-ex", { kind: "openvswitch" });
    host.route(V4, ["br-ex"]);
    host.route("10.9.0.0/16", ["eth1"]);
    assert.deepEqual(over(host, "eth0"), ["the default route (IPv4, br-ex, perhaps over eth0)"]);
    assert.deepEqual(over(host, "eth1"), []);
  });

  test("the card under a PPPoE session of the kernel is the one that the kernel lists", () => {
    using host = twoCards();
    host.link("ppp0", { kind: "ppp" });
    host.file("proc", "net/pppoe", "");
    host.file("proc", "self/net/pppoe", "Id       Address              Device\n00000100 00:11:22:33:44:55     eth1\n");
    host.route(V4, ["ppp0"], { gateway: false });
    assert.deepEqual(over(host, "eth1"), ["the default route (IPv4, ppp0, perhaps over eth1)"]);
    assert.deepEqual(over(host, "eth0"), []);
  });

  test("the card under a PPPoE session of a program is the one with the program's packet socket", () => {
    using host = twoCards();
    host.link("ppp0", { kind: "ppp" });
    const head = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";
    host.file("proc", "self/net/packet", `${head}00000000 3      3    8864   2     1 0      0      1234\n`);
    host.route(V4, ["ppp0"], { gateway: false });
    assert.deepEqual(over(host, "eth1"), ["the default route (IPv4, ppp0, perhaps over eth1)"]);
  });

  test("the card under a tunnel whose other end is known is the one with the route to that end", () => {
    using host = twoCards();
    host.link("gre1", { kind: "gre", broadcast: Uint8Array.of(192, 0, 2, 7) });
    host.route(V4, ["gre1"], { gateway: false });
    host.route("192.0.2.0/24", ["eth1"], { gateway: false });
    host.route("10.5.0.0/16", ["eth0"]);
    assert.deepEqual(over(host, "eth1"), ["the default route (IPv4, gre1, perhaps over eth1)"]);
    assert.deepEqual(over(host, "eth0"), []);
  });

  test("a tunnel with an unknown other end may use any card with a gateway; without one, any card that is up", () => {
    using vpn = twoCards();
    vpn.link("wg0", { kind: "wireguard" });
    vpn.route(V4, ["wg0"], { table: 51820, gateway: false });
    vpn.route("198.51.100.9/32", ["eth1"]);
    assert.deepEqual(over(vpn, "eth1"), ["the default route (IPv4, table 51820, wg0, perhaps over eth1)"]);
    assert.deepEqual(over(vpn, "eth0"), []);
    using flat = twoCards();
    flat.link("tun0", { kind: "tun" });
    flat.link("eth2", { up: false });
    flat.route("0.0.0.0/1", ["tun0"], { gateway: false });
    assert.deepEqual(over(flat, "eth0"), ["the route to 0.0.0.0/1 (IPv4, tun0, perhaps over eth0)"]);
    assert.deepEqual(over(flat, "eth2"), []);
  });

  test("no card is under a bridge of virtual machines", () => {
    using host = twoCards();
    host.link("virbr0", { kind: "bridge" });
    host.link("vnet0", { kind: "tun", master: "virbr0" });
    host.route("192.168.122.0/24", ["virbr0"], { gateway: false });
    host.route("10.9.0.0/16", ["eth0"]);
    host.file("proc", "self/net/tcp", tcp("0100A8C0:0016", "057AA8C0:0016"));
    assert.deepEqual(over(host, "eth0"), []);
  });
});

/** A table in the format of proc_net_tcp(5) with one connection. */
const tcp = (local: string, peer: string, state = "01"): string =>
  `  sl  local_address rem_address   st tx_queue rx_queue\n   0: ${local} ${peer} ${state} 00000000:00000000\n`;

const sshHost = (connection: string): FakeNetwork => {
  const network = twoCards();
  network.address("eth0", "10.0.2.15");
  network.address("eth0", "fd00::1");
  network.route("10.0.2.0/24", ["eth0"], { gateway: false });
  network.route("192.0.2.0/24", ["eth1"]);
  network.environment = { SSH_CONNECTION: connection };
  return network;
};

suite("a card carries a session", () => {
  const SESSION = "this SSH session";

  test("a card carries an SSH session if it has the server's address, or is the zone of a link-local address", () => {
    for (const connection of [
      "10.0.2.2 4711 10.0.2.15 22",
      "fd00::9 4711 FD00::1 22",
      "::ffff:10.0.2.2 4711 ::ffff:10.0.2.15 22",
    ]) {
      using network = sshHost(connection);
      assert.deepEqual(over(network, "eth0"), [`${SESSION} (eth0)`], connection);
      assert.deepEqual(over(network, "eth1"), [], connection);
    }
    using local = sshHost("fe80::9%eth1 4711 fe80::1%eth1 22");
    assert.deepEqual(over(local, "eth1"), [`${SESSION} (eth1)`]);
  });

  test("a card carries an SSH session if the kernel sends the replies over it, whichever card has the address", () => {
    using network = sshHost("192.0.2.7 4711 10.0.2.15 22");
    assert.deepEqual(over(network, "eth1"), [`${SESSION} (eth1)`]);
    assert.deepEqual(over(network, "eth0"), [`${SESSION} (eth0)`]);
  });

  test("an SSH session is found although sudo removes SSH_CONNECTION from the environment", () => {
    using network = sshHost("");
    network.environment = {};
    network.file("proc", "self/status", "Name:\tferrule\nPPid:\t20\n");
    network.file("proc", "self/environ", "SUDO_USER=me\0");
    network.file("proc", "20/status", "Name:\tsudo\nPPid:\t10\n");
    network.file("proc", "10/status", "Name:\tbash\nPPid:\t1\n");
    network.file("proc", "10/environ", "HOME=/\0SSH_CONNECTION=10.0.2.2 4711 10.0.2.15 22\0");
    assert.deepEqual(over(network, "eth0"), [`${SESSION} (eth0)`]);
  });

  test("the search ends if parent processes form a loop, and an invalid SSH_CONNECTION is ignored", () => {
    using network = sshHost("?");
    assert.deepEqual(over(network, "eth0"), []);
    network.environment = {};
    network.file("proc", "self/status", "PPid:\t7\n");
    network.file("proc", "7/status", "PPid:\t7\n");
    assert.deepEqual(over(network, "eth0"), []);
  });
});

const storageHost = (): FakeNetwork => {
  const network = twoCards();
  network.address("eth0", "10.0.0.1");
  network.route("10.0.0.0/24", ["eth0"], { gateway: false });
  network.route("fd00:5::/64", ["eth1"], { gateway: false });
  return network;
};

suite("a card carries disks and connections", () => {
  test("a card carries a root file system over NFS, and other file systems", () => {
    using network = storageHost();
    const mounts = [
      "10.0.0.9:/root / nfs4 rw,relatime,vers=4.2,addr=10.0.0.9 0 0",
      "[fd00:5::9]:/home /home nfs rw,mountaddr=fd00:5::9,addr=fd00:5::9 0 0",
      "tmpfs /tmp tmpfs rw 0 0",
    ];
    network.file("proc", "self/mounts", mounts.join("\n"));
    assert.deepEqual(over(network, "eth0"), ["the root file system (nfs4) (10.0.0.9, eth0)"]);
    assert.deepEqual(over(network, "eth1"), ["the file system at /home (nfs) (fd00:5::9, fd00:5::9, eth1)"]);
  });

  test("a card carries disks over iSCSI and NVMe", () => {
    using network = storageHost();
    network.file("sys", "class/iscsi_connection/connection1:0/persistent_address", "10.0.0.8\n");
    network.file("sys", "class/nvme/nvme1/address", "traddr=fd00:5::7,trsvcid=4420,src_addr=fd00:5::1\n");
    network.file("sys", "class/nvme/nvme0/address", "0000:01:00.0\n");
    assert.deepEqual(over(network, "eth0"), ["an iSCSI disk (10.0.0.8, eth0)"]);
    assert.deepEqual(over(network, "eth1"), ["the NVMe disk nvme1 (fd00:5::7, eth1)"]);
  });

  test("a card carries open connections to other machines, apart from the session's own", () => {
    using network = storageHost();
    network.file("proc", "self/net/tcp", tcp("0100000A:0016", "0500000A:1267") + tcp("0100007F:0016", "0100007F:1234"));
    const mapped = "0000000000000000FFFF00000500000A";
    network.file("proc", "self/net/tcp6", tcp("0000000000000000FFFF00000100000A:0801", `${mapped}:0801`));
    assert.deepEqual(over(network, "eth0"), ["2 open connections (10.0.0.5 port 4711 and others, eth0)"]);
    network.environment = { SSH_CONNECTION: "10.0.0.5 4711 10.0.0.1 22" };
    assert.deepEqual(over(network, "eth0"), [
      "this SSH session (eth0)",
      "an open connection (10.0.0.5 port 2049, eth0)",
    ]);
    assert.deepEqual(over(network, "eth1"), []);
  });

  test("a table longer than one read is read to its end, and invalid lines are skipped", () => {
    using network = storageHost();
    const closed = tcp("0100000A:0016", "0500000A:1267", "06").repeat(3000);
    network.file("proc", "self/net/tcp", `\0\n\u{fffd} 1:2 :\n${closed}${tcp("0100000A:0016", "0500000A:0001")}`);
    assert.deepEqual(over(network, "eth0"), ["an open connection (10.0.0.5 port 1, eth0)"]);
  });
});
