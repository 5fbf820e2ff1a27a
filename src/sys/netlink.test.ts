import assert from "node:assert/strict";
import { test } from "node:test";
import { Interfaces, InterfaceFlag } from "./interface.ts";
import { MulticastList, parseMulticastList } from "./multicast-list.ts";
import { NetworkNamespace } from "./namespace.ts";
import { interfaceState, moveInterface } from "./netlink.ts";
import { whyNoNamespace, whyNoTap } from "./permitted.ts";
import { RouteSocket } from "./route-socket.ts";
import { Tap } from "./tap.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;

test("loopback's state can be read without privileges", () => {
  using socket = RouteSocket.open();
  const state = interfaceState(socket, "lo");
  assert.equal(state?.index, 1);
  assert.ok(state.mtu > 0);
  assert.equal(state.promiscuity, 0);
  assert.equal(interfaceState(socket, "no-such-if"), undefined);
  // An error leaves no message that the next request would take for its reply.
  assert.equal(interfaceState(socket, "lo")?.index, 1);
});

test("an interface's state shows changes, in the namespace in which the socket was opened", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using other = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  using socket = namespace.within(() => RouteSocket.open());
  using tap = namespace.within(() => Tap.open("ft0"));
  const address = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 7);
  tap.address = address;
  interfaces.setMtu("ft0", 4000);
  interfaces.up("ft0");
  const state = interfaceState(socket, "ft0")!;
  assert.deepEqual(state.address, address);
  assert.equal(state.mtu, 4000);
  assert.equal(state.index, interfaces.index("ft0"));
  assert.equal(state.flags & InterfaceFlag.up, InterfaceFlag.up);
  assert.equal(state.promiscuity, 0);
  assert.ok(state.allMulticast === 0 || state.allMulticast === undefined);
  namespace.within(() => moveInterface(state.index, other.fd));
  assert.equal(interfaceState(socket, "ft0"), undefined);
});

test("the multicast list has the groups of one interface, and shows changes", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  using tap = namespace.within(() => Tap.open("ft0"));
  using list = namespace.within(() => MulticastList.open());
  const index = interfaces.index(tap.name);
  const groups = (): string[] => list.of(index).map((address) => Buffer.from(address).toString("hex"));
  assert.ok(!groups().includes("01005e000001"));
  // An interface that is up is a member of the group of all hosts (224.0.0.1).
  interfaces.up("ft0");
  assert.ok(groups().includes("01005e000001"));
  interfaces.down("ft0");
  assert.ok(!groups().includes("01005e000001"));
  assert.deepEqual(list.of(index + 1), []);
});

test("lines of a multicast list without an Ethernet address are skipped", () => {
  const text = [
    "2    fe0             1     0     333300000001",
    "2    fe0             1     0     00112233445566778899aabbccddeeff00112233",
    "22   fe1             1     0     01005e000001",
    "2    fe0             1",
    "",
  ].join("\n");
  assert.deepEqual(parseMulticastList(text, 2), [Uint8Array.of(0x33, 0x33, 0, 0, 0, 1)]);
});
