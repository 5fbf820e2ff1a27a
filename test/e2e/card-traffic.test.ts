/**
 * Tests on the running kernel that the traffic of a card is detected. Veth pairs in namespaces take the place of cards.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { NetworkNamespace } from "#sys/namespace.ts";
import { KernelTables } from "#sys/network-tables.ts";
import { whyNoNamespace } from "#sys/permitted.ts";
import { trafficOver } from "#app/cards/card-traffic.ts";
import { FakeMachine } from "#app/cards/machine.test-kit.ts";

const skip = whyNoNamespace()?.message ?? false;
const ip = (words: string): void => void execFileSync("ip", words.split(" "), { stdio: "inherit" });

/** The traffic that each of two cards carries according to `trafficOver`, after these `ip` commands. */
const traffic = (
  commands: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Record<string, readonly string[]> => {
  using machine = new FakeMachine();
  using namespace = NetworkNamespace.create();
  return namespace.within(() => {
    for (const n of [1, 2]) {
      ip(`link add card${n} type veth peer name far${n}`);
      ip(`address add 10.${n}.0.1/24 dev card${n}`);
      ip(`address add fd00:${n}::1/64 nodad dev card${n}`);
      for (const end of ["card", "far"]) ip(`link set ${end}${n} up`);
    }
    for (const command of commands) ip(command);
    using tables = new KernelTables();
    const addresses = [
      { interface: "card1", address: "10.1.0.1" },
      { interface: "card2", address: "10.2.0.1" },
    ];
    const network = { files: machine.files, tables, addresses, environment };
    return { card1: trafficOver(network, ["card1"]), card2: trafficOver(network, ["card2"]) };
  });
};

suite("according to this kernel, a card carries", { skip }, () => {
  test("nothing, if it is only connected", () => assert.deepEqual(traffic([]), { card1: [], card2: [] }));

  test("either next hop of a default route", () => {
    const ways = "nexthop via 10.1.0.2 nexthop via 10.2.0.2";
    assert.deepEqual(traffic([`route add default ${ways}`]), {
      card1: ["the default route (IPv4, card1)"],
      card2: ["the default route (IPv4, card2)"],
    });
  });

  test("the default route of another table, and of IPv6", () => {
    const commands = ["route add default via 10.2.0.2 table 1000", "rule add fwmark 7 table 1000"];
    assert.deepEqual(traffic([...commands, "-6 route add default via fd00:1::2"]), {
      card1: ["the default route (IPv6, card1)"],
      card2: ["the default route (IPv4, table 1000, card2)"],
    });
  });

  test("both halves of the address space", () => {
    const { card1, card2 } = traffic(["route add 0.0.0.0/1 via 10.2.0.2", "route add 128.0.0.0/1 via 10.2.0.2"]);
    assert.deepEqual(card1, []);
    assert.deepEqual(card2, ["the route to 0.0.0.0/1 (IPv4, card2)", "the route to 128.0.0.0/1 (IPv4, card2)"]);
  });

  test("the traffic of interfaces above it: a bridge with the default route", () => {
    const bridge = ["link add br0 type bridge", "link set card1 master br0", "link set br0 up"];
    const { card1, card2 } = traffic([...bridge, "address add 10.9.0.1/24 dev br0", "route add default via 10.9.0.2"]);
    assert.deepEqual(card1, ["the default route (IPv4, br0 over card1)"]);
    assert.deepEqual(card2, []);
  });

  test("perhaps a tunnel program's packets, if a route over the card leads through a gateway", () => {
    const tunnel = ["tuntap add dev tun0 mode tun", "address add 10.8.0.2/24 dev tun0", "link set tun0 up"];
    const { card1, card2 } = traffic([...tunnel, "route add 192.0.2.9/32 via 10.2.0.2", "route add default dev tun0"]);
    assert.deepEqual(card1, []);
    assert.deepEqual(card2, ["the default route (IPv4, tun0, perhaps over card2)"]);
  });

  test("the replies of a session, by the policy rule for its local address", () => {
    const commands = ["route add 192.0.2.0/24 via 10.1.0.2", "route add 192.0.2.0/24 via 10.2.0.2 table 100"];
    const session = { SSH_CONNECTION: "192.0.2.7 4711 10.2.0.1 22" };
    const { card1, card2 } = traffic([...commands, "rule add from 10.2.0.1 table 100"], session);
    assert.deepEqual(card1, []);
    assert.deepEqual(card2, ["this SSH session (card2)"]);
  });
});
