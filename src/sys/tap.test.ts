import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { RealClock, until } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Errno } from "./errno.ts";
import { DescriptorClosed } from "./fd.ts";
import { Interfaces, InvalidInterfaceName } from "./interface.ts";
import { Iovecs, readv, writev } from "./memory.ts";
import { NetworkNamespace } from "./namespace.ts";
import { moveInterface } from "./netlink.ts";
import { whyNoNamespace, whyNoTap } from "./permitted.ts";
import { PingSocket } from "./ping.ts";
import { Poller } from "./poll.ts";
import { InterfaceNameInUse, Tap } from "./tap.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;

/** A TAP in a namespace of its own, and the controls of that namespace. */
const inNamespace = (act: (tap: Tap, interfaces: Interfaces, namespace: NetworkNamespace) => void): void => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  using tap = namespace.within(() => Tap.open("ft0", { vnetHeader: true }));
  act(tap, interfaces, namespace);
};

test("an invalid name is rejected before anything is opened", () => {
  assert.throws(() => Tap.open("much-too-long-a-name"), InvalidInterfaceName);
  assert.throws(() => Tap.open("tap%d"), InvalidInterfaceName);
});

test("a TAP exists while it is open, and is gone afterwards", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  const tap = namespace.within(() => Tap.open("ft0"));
  assert.equal(interfaces.has("ft0"), true);
  assert.equal(tap.currentName(), "ft0");
  assert.equal(tap.vnetHeaderBytes, 0);
  tap[Symbol.dispose]();
  tap[Symbol.dispose]();
  assert.equal(interfaces.has("ft0"), false);
  assert.throws(() => tap.number, DescriptorClosed);
});

test("a name in use is rejected, whether by a TAP or by another kind of interface", { skip }, () => {
  inNamespace((_tap, _interfaces, namespace) => {
    assert.throws(() => namespace.within(() => Tap.open("ft0")), InterfaceNameInUse);
    assert.throws(() => namespace.within(() => Tap.open("lo")), InterfaceNameInUse);
  });
});

test("carrier and address are set from this side and seen on the other", { skip }, () => {
  inNamespace((tap, interfaces) => {
    interfaces.up("ft0");
    for (const carrier of [false, true, false]) {
      tap.setCarrier(carrier);
      // The kernel updates the carrier with a delay of up to a second.
      const settled = until(new RealClock(), 60_000_000, 1000, () => interfaces.isRunning("ft0") === carrier);
      assert.ok(settled, `carrier ${carrier}`);
    }
    const address = Uint8Array.of(0x02, 0, 0x5e, 0x10, 0, 1);
    tap.address = address;
    assert.deepEqual(tap.address, address);
    assert.deepEqual(interfaces.hardwareAddress("ft0"), address);
    interfaces.setHardwareAddress("ft0", Uint8Array.of(0x02, 0, 0, 0, 0, 2));
    assert.equal(tap.address[5], 2);
    assert.throws(() => (tap.address = new Uint8Array(7)), OutOfRange);
  });
});

test(
  "a TAP that was opened with `multiQueue` can have several queues, and exists as long as one of them is open",
  { skip },
  () => {
    using namespace = NetworkNamespace.create();
    using interfaces = namespace.within(() => Interfaces.open());
    const first = namespace.within(() => Tap.open("ft0", { vnetHeader: true, multiQueue: true }));
    using second = namespace.within(() => first.addQueue());
    assert.equal(second.currentName(), "ft0");
    assert.equal(second.vnetHeaderBytes, first.vnetHeaderBytes);
    using plain = namespace.within(() => Tap.open("ft1"));
    assert.throws(() => namespace.within(() => plain.addQueue()), InterfaceNameInUse);
    first[Symbol.dispose]();
    assert.equal(interfaces.has("ft0"), true);
  },
);

test("offloads that are inconsistent are rejected", { skip }, () => {
  inNamespace((tap, _interfaces, namespace) => {
    tap.setOffload({ checksum: true, tso4: true, tso6: true });
    tap.setOffload({});
    assert.throws(() => tap.setOffload({ tso4: true }), OutOfRange);
    using plain = namespace.within(() => Tap.open("ft1"));
    assert.throws(() => plain.setOffload({ checksum: true }), OutOfRange);
  });
});

test("frames pass both ways, each behind its header, and reading never blocks", { skip }, () => {
  inNamespace((tap, interfaces, namespace) => {
    interfaces.setIpv4("ft0", "10.81.69.1", 24);
    tap.setOffload({ checksum: true, tso4: true });
    const header = new Uint8Array(12);
    const frame = new Uint8Array(2048);
    const iovecs = new Iovecs(2, frame.buffer, header.buffer);
    iovecs.pointAside(0, 0, 12);
    iovecs.point(1, 0, 2048);
    const poller = new Poller([tap.number]);
    interfaces.up("ft0");
    tap.setCarrier(true);
    using ping = namespace.within(() => PingSocket.open());
    assert.equal(ping.ping("10.81.69.2", 1, 16, 1), undefined);
    let asked = false;
    for (let frames = 0; !asked && frames < 50; frames++) {
      assert.equal(poller.wait(60_000), 1, "the kernel sent no address resolution");
      const length = readv(tap.number, iovecs, 2);
      assert.ok(length >= 12 + 42);
      asked = frame[12] === 0x08 && frame[13] === 0x06 && frame[41] === 2;
    }
    frame.copyWithin(0, 6, 12);
    frame.set([0x02, 0, 0, 0, 0, 2], 6);
    header.fill(0);
    iovecs.point(1, 0, 42);
    assert.equal(writev(tap.number, iovecs, 2), 12 + 42);
    iovecs.point(1, 0, 2048);
    for (let i = 0; i < 50 && readv(tap.number, iovecs, 2) >= 0; i++);
    assert.equal(readv(tap.number, iovecs, 2), -Errno.EAGAIN);
  });
});

test("a TAP that was moved to another namespace is still found", { skip }, () => {
  inNamespace((tap, interfaces, namespace) => {
    using other = NetworkNamespace.create();
    using home = tap.namespace();
    assert.equal(home?.identity, namespace.identity);
    namespace.within(() => moveInterface(interfaces.index("ft0"), other.fd));
    assert.equal(interfaces.has("ft0"), false);
    using now = tap.namespace();
    assert.equal(now?.identity, other.identity);
    tap.withInterfaces((there, name) => {
      assert.equal(name, "ft0");
      there.setMtu(name, 9000);
      assert.equal(there.mtu(name), 9000);
    });
  });
});

test(
  "a TAP that another program has deleted reports an error",
  { skip: skip || (spawnSync("ip", ["-V"]).status === 0 ? false : "no `ip` with which to delete the TAP") },
  () => {
    inNamespace((tap, interfaces, namespace) => {
      interfaces.up("ft0");
      namespace.within(() => void spawnSync("ip", ["link", "delete", "ft0"], { timeout: 10_000 }));
      const iovecs = new Iovecs(1, new ArrayBuffer(64));
      iovecs.point(0, 0, 64);
      assert.equal(readv(tap.number, iovecs, 1), -Errno.EBADFD);
      assert.throws(() => tap.currentName(), { code: "EBADFD" });
      const poller = new Poller([tap.number]);
      assert.equal(poller.wait(0), 1);
      assert.equal(poller.failed(0), true);
    });
  },
);

const nobody = { uid: 65534, gid: 65534 };
const notRoot =
  spawnSync(process.execPath, ["--version"], nobody).status === 0 ? false : "not permitted to run as another user";

test("a user without permission is told what to do", { skip: notRoot }, () => {
  const code = `
    const { Tap } = await import("./tap.ts");
    const { NetworkNamespace } = await import("./namespace.ts");
    for (const attempt of [() => Tap.open("ft0"), () => NetworkNamespace.create()])
      try { attempt(); } catch (error) { console.log(error.code, error.hint); }`;
  const result = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    ...nobody,
    timeout: 300_000,
  });
  assert.match(
    result.stdout,
    /^TAP_(NOT_PERMITTED|UNAVAILABLE) \S.*\nNAMESPACE_NOT_PERMITTED Run as root/,
    result.stderr,
  );
});
