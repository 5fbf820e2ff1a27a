import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EventFd } from "./eventfd.ts";
import { Interfaces } from "./interface.ts";
import { Mapping, createMemory } from "./mapping.ts";
import { NetworkNamespace } from "./namespace.ts";
import { setGsoMax } from "./netlink.ts";
import { whyNoNamespace, whyNoTap } from "./permitted.ts";
import { PingSocket } from "./ping.ts";
import { selfTest } from "./selftest.ts";
import { Tap } from "./tap.ts";
import { UnixListener, connectUnix } from "./unix-path.ts";
import { UnixSocket } from "./unix-socket.ts";

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

const nothingLeft = (act: () => void): void => {
  act();
  const before = openDescriptors();
  for (let i = 0; i < 20; i++) act();
  assert.equal(openDescriptors(), before);
};

const failing = (act: () => unknown): void => {
  assert.throws(act);
};

const plain: Record<string, () => void> = {
  eventfd: () => EventFd.create()[Symbol.dispose](),
  "memory and mappings": () => {
    using memory = createMemory("leak", 4096);
    using _ = Mapping.map(memory.number, 0, 4096, "leak");
  },
  "memory that cannot be created": () => failing(() => createMemory("leak", -1)),
  sockets: () => {
    const [a, b] = UnixSocket.pair();
    a.send(Uint8Array.of(1), [b.number]);
    for (const fd of b.receive(new Uint8Array(1))!.fds) fd[Symbol.dispose]();
    a[Symbol.dispose]();
    b[Symbol.dispose]();
  },
  "descriptors in flight when the sockets close": () => {
    const [a, b] = UnixSocket.pair();
    a.send(Uint8Array.of(1), [a.number, b.number]);
    a[Symbol.dispose]();
    b[Symbol.dispose]();
  },
  "listeners and clients": () => {
    const path = join(tmpdir(), `ferrule-leak-${process.pid}`);
    using listener = UnixListener.listen(path);
    failing(() => UnixListener.listen(path));
    using _client = connectUnix(path);
    using _served = listener.accept()!;
  },
  interfaces: () => Interfaces.open()[Symbol.dispose](),
  "the current namespace": () => NetworkNamespace.current()[Symbol.dispose](),
  "the self-test": () => void selfTest(),
};

const privileged: Record<string, () => void> = {
  "namespaces and functions called in them": () => {
    using namespace = NetworkNamespace.create();
    namespace.loopbackUp();
    namespace.within(() => setGsoMax(1, 65536, 64));
    using _ = namespace.within(() => PingSocket.open());
  },
  TAPs: () => {
    using namespace = NetworkNamespace.create();
    using tap = namespace.within(() => Tap.open("ft0", { vnetHeader: true }));
    tap.withInterfaces((interfaces, name) => interfaces.mtu(name));
    failing(() => namespace.within(() => Tap.open("ft0")));
    failing(() => namespace.within(() => Tap.open("lo")));
  },
  "an error inside a namespace": () => {
    using namespace = NetworkNamespace.create();
    failing(() => namespace.within(() => setGsoMax(99, 1, 1)));
  },
};

for (const [what, act] of Object.entries(plain)) test(`${what}: no descriptor is left`, () => nothingLeft(act));

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
for (const [what, act] of Object.entries(privileged))
  test(`${what}: no descriptor is left`, { skip }, () => nothingLeft(act));
