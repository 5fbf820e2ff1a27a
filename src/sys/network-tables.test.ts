import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { SystemError } from "./errno.ts";
import { NetworkNamespace } from "./namespace.ts";
import { NetlinkSocket, messagesIn } from "./netlink-socket.ts";
import { KernelTables, linkIn, type Route, routeIn } from "./network-tables.ts";
import { whyNoNamespace } from "./permitted.ts";

const skip = whyNoNamespace()?.message ?? false;
const RTM_NEWLINK = 16;
const RTM_NEWROUTE = 24;

const route = (hex: string): Route | undefined => routeIn({ type: RTM_NEWROUTE, payload: Buffer.from(hex, "hex") });

suite("answers of Linux 6.18", () => {
  test("a default route over two next hops", () => {
    const found = route(
      "02000000fe0300010000000008000f00fe000000240009001000000003000000080005000a0100021000000005000000080005000a020002",
    );
    assert.deepEqual(found, {
      destination: new Uint8Array(4),
      prefix: 0,
      table: 254,
      unicast: true,
      hops: [
        { link: 3, gateway: true },
        { link: 5, gateway: true },
      ],
    });
  });

  test("a table above 255, and an IPv4 route through an IPv6 gateway", () => {
    const found = route(
      "02100000fc0300010000000008000f0009030000080001000a090000160012000a00fd00000100000000000000000000000500000800040003000000",
    );
    assert.equal(found?.table, 777);
    assert.deepEqual(found?.hops, [{ link: 3, gateway: true }]);
  });

  test("a route that rejects packets to a network", () => {
    assert.equal(route("02100000fe0300070000000008000f00fe000000080001000a080000")?.unicast, false);
  });

  test("an interface", () => {
    const payload = Buffer.from("000001000200000043100100000000000700030062310000", "hex");
    assert.deepEqual(linkIn({ type: RTM_NEWLINK, payload }), {
      index: 2,
      name: "b1",
      up: true,
      kind: undefined,
      link: undefined,
      master: undefined,
      broadcast: new Uint8Array(),
    });
  });

  test("any bytes are either parsed or ignored", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(RTM_NEWLINK, RTM_NEWROUTE), (payload, type) => {
        linkIn({ type, payload });
        routeIn({ type, payload });
        for (const message of messagesIn(payload)) assert.ok(message.payload.length <= payload.length);
      }),
    );
  });
});

const ip = (words: string): void => void execFileSync("ip", words.split(" "), { stdio: "inherit" });
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const defaults = (tables: KernelTables): readonly Route[] =>
  tables.routes(1000).filter(({ prefix, unicast }) => prefix === 0 && unicast);
/** Sorted link indices of a route's next hops. The kernel's order of the next hops of an IPv6 route varies. */
const linksOf = (found: Route | undefined): readonly number[] | undefined =>
  found?.hops.map(({ link }) => link).sort((a, b) => a - b);

/** Two cables in a namespace: a1 to b1, a2 to b2. */
const within = (act: (tables: KernelTables, index: (name: string) => number) => void): void => {
  using namespace = NetworkNamespace.create();
  namespace.within(() => {
    for (const n of [1, 2]) {
      ip(`link add a${n} type veth peer name b${n}`);
      ip(`address add 10.${n}.0.1/24 dev a${n}`);
      ip(`address add fd00:${n}::1/64 nodad dev a${n}`);
      for (const end of ["a", "b"]) ip(`link set ${end}${n} up`);
    }
    using tables = new KernelTables();
    act(tables, (name) => tables.links().find((link) => link.name === name)?.index ?? -1);
  });
};

suite("this kernel", { skip }, () => {
  test("reports kinds, peers and masters of links", () =>
    within((tables, index) => {
      ip("link add br0 type bridge");
      ip("link set b1 master br0");
      const links = new Map(tables.links().map((link) => [link.name, link]));
      assert.equal(links.get("br0")?.kind, "bridge");
      assert.equal(links.get("b1")?.master, index("br0"));
      assert.equal(links.get("b1")?.link, index("a1"));
      assert.equal(links.get("lo")?.kind, undefined);
    }));

  test("reports every next hop of a route, in every table and both families", () =>
    within((tables, index) => {
      const both = [index("a1"), index("a2")];
      ip("route add default nexthop via 10.1.0.2 nexthop via 10.2.0.2");
      ip("-6 route add default nexthop via fd00:1::2 nexthop via fd00:2::2");
      ip("route add default via 10.2.0.9 table 1000");
      const found = defaults(tables);
      assert.deepEqual(
        found
          .map((each) => [each.table, each.destination.length, linksOf(each)])
          .sort((a, b) => String(a).localeCompare(String(b))),
        [
          [1000, 4, [index("a2")]],
          [254, 16, both],
          [254, 4, both],
        ],
      );
      assert.deepEqual(linksOf(tables.routeTo(bytes(9, 9, 9, 9))), both);
      const v6 = new Uint8Array(16);
      v6.set([0x20, 0x01]);
      assert.deepEqual(linksOf(tables.routeTo(v6)), both);
    }));

  test("reports next hops with identifiers", () =>
    within((tables, index) => {
      ip("nexthop add id 1 via 10.1.0.2 dev a1");
      ip("nexthop add id 2 via 10.2.0.2 dev a2");
      ip("nexthop add id 9 group 1/2");
      ip("route add default nhid 9");
      assert.deepEqual(linksOf(defaults(tables)[0]), [index("a1"), index("a2")]);
      assert.deepEqual(linksOf(tables.routeTo(bytes(9, 9, 9, 9))), [index("a1"), index("a2")]);
    }));

  test("applies the routing rules: another source address selects another table", () =>
    within((tables, index) => {
      ip("route add default via 10.1.0.2");
      ip("route add default via 10.2.0.2 table 100");
      ip("rule add from 10.2.0.1 table 100");
      assert.deepEqual(linksOf(tables.routeTo(bytes(9, 9, 9, 9))), [index("a1")]);
      assert.deepEqual(linksOf(tables.routeTo(bytes(9, 9, 9, 9), bytes(10, 2, 0, 1))), [index("a2")]);
    }));

  test("reports no route if there is none, and no unicast route for a local address", () =>
    within((tables) => {
      assert.equal(tables.routeTo(bytes(9, 9, 9, 9)), undefined);
      assert.equal(tables.routeTo(bytes(10, 1, 0, 1))?.unicast, false);
      ip("route add unreachable 10.8.0.0/16");
      ip("route add blackhole 10.7.0.0/16");
      for (const net of [7, 8]) assert.notEqual(tables.routeTo(bytes(10, net, 0, 1))?.unicast, true);
    }));

  test("returns at most the given number of routes of each family", () =>
    within((tables) => assert.equal(tables.routes(3).length, 6)));

  test("rejects an unknown request with the kernel's error", () => {
    using socket = NetlinkSocket.open();
    assert.throws(() => socket.ask(999, new Uint8Array(16), "a test"), SystemError);
  });
});
