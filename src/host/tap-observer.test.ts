import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { moveInterface } from "#sys/netlink.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { Tap } from "#sys/tap.ts";
import { TapObserver } from "./tap-observer.ts";

const skip =
  (whyNoNamespace() ?? whyNoTap())?.message ??
  (spawnSync("ip", ["-V"]).status === 0 ? false : "the `ip` program is missing");

/** Runs `ip` in a namespace; throws its error. */
const ip = (namespace: NetworkNamespace, words: string): void =>
  namespace.within(() => {
    const { status, stderr } = spawnSync("ip", words.split(" "), { encoding: "utf8", timeout: 10_000 });
    assert.equal(status, 0, stderr);
  });

const hex = (groups: "all" | readonly Uint8Array[]): string[] =>
  groups === "all" ? ["all"] : groups.map((group) => Buffer.from(group).toString("hex"));

test("changes of a TAP's name, MTU, address, filter and namespace are seen", { skip }, () => {
  using home = NetworkNamespace.create();
  using elsewhere = NetworkNamespace.create();
  using tap = home.within(() => Tap.open("ft0", { vnetHeader: true }));
  using observer = new TapObserver(tap);
  ip(home, "link set ft0 address 02:00:5e:00:00:07 mtu 4000 up");
  const state = observer.read();
  assert.deepEqual(
    { ...state, groups: undefined },
    {
      name: "ft0",
      visible: true,
      mtu: 4000,
      address: Uint8Array.of(2, 0, 0x5e, 0, 0, 7),
      promiscuous: false,
      groups: undefined,
    },
  );
  assert.ok(hex(state.groups).includes("01005e000001"), "the filter contains the all-hosts group");

  ip(home, "maddr add 01:00:5e:4d:01:01 dev ft0");
  assert.ok(hex(observer.read().groups).includes("01005e4d0101"));
  ip(home, "link set ft0 allmulticast on");
  assert.equal(observer.read().groups, "all");
  ip(home, "link set ft0 allmulticast off multicast off");
  assert.deepEqual(observer.read().groups, []);
  ip(home, "link set ft0 multicast on promisc on");
  assert.equal(observer.read().promiscuous, true);
  ip(home, "link set ft0 promisc off");

  home.within(() => {
    using interfaces = Interfaces.open();
    moveInterface(interfaces.index("ft0"), elsewhere.fd);
  });
  // Another TAP takes the first one's name, and perhaps its interface index.
  using other = home.within(() => Tap.open("ft0"));
  ip(home, "link set ft0 promisc on up");
  assert.equal(observer.read().promiscuous, false);
  ip(elsewhere, "link set ft0 name lan0 mtu 3000 up");
  ip(elsewhere, "link set lan0 promisc on");
  const { name, visible, mtu, promiscuous } = observer.read();
  assert.deepEqual({ name, visible, mtu, promiscuous }, { name: "lan0", visible: true, mtu: 3000, promiscuous: true });
  assert.equal(other.currentName(), "ft0");
});

test("a macvlan, which causes no notification, makes the interface promiscuous", { skip }, (context) => {
  using namespace = NetworkNamespace.create();
  using tap = namespace.within(() => Tap.open("ft0"));
  using observer = new TapObserver(tap);
  ip(namespace, "link set ft0 up");
  const add = namespace.within(() => spawnSync("ip", "link add link ft0 name mv0 type macvlan".split(" ")));
  if (add.status !== 0) return context.skip("this kernel has no macvlan");
  assert.equal(observer.read().promiscuous, false);
  ip(namespace, "link set mv0 up");
  assert.equal(observer.read().promiscuous, true);
  ip(namespace, "link del mv0");
  assert.equal(observer.read().promiscuous, false);
});

test("an interface name with unusual characters is handled", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using tap = namespace.within(() => Tap.open("ft0"));
  using observer = new TapObserver(tap);
  ip(namespace, "link set ft0 name é*[1m");
  assert.deepEqual([observer.read().visible, observer.read().mtu], [true, 1500]);
  tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, 2000));
  assert.equal(observer.read().mtu, 2000);
});

test("a deleted TAP is reported", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using tap = namespace.within(() => Tap.open("ft0"));
  using observer = new TapObserver(tap);
  ip(namespace, "link del ft0");
  assert.throws(() => observer.read(), { code: "EBADFD" });
});
