import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Interfaces } from "./interface.ts";
import { NetworkNamespace } from "./namespace.ts";
import { whyNoNamespace } from "./permitted.ts";

const skip = whyNoNamespace()?.message ?? false;

const identity = (): number => {
  using here = NetworkNamespace.current();
  return here.identity;
};

const isUp = (): boolean => {
  using interfaces = Interfaces.open();
  return interfaces.isUp("lo");
};

test("the thread's own namespace can be opened without privileges", () => {
  using a = NetworkNamespace.current();
  using b = NetworkNamespace.at("/proc/self/ns/net");
  assert.equal(a.identity, b.identity);
});

test("a new namespace differs from the thread's own one, and the thread does not move", { skip }, () => {
  using before = NetworkNamespace.current();
  using made = NetworkNamespace.create();
  using after = NetworkNamespace.current();
  assert.notEqual(made.identity, before.identity);
  assert.equal(after.identity, before.identity);
});

test(
  "`within` runs a function in the namespace and then restores the thread's own, even after an error",
  { skip },
  () => {
    using home = NetworkNamespace.current();
    using made = NetworkNamespace.create();
    assert.equal(made.within(identity), made.identity);
    assert.equal(identity(), home.identity);
    assert.throws(
      () =>
        made.within((): void => {
          throw new RangeError("inside");
        }),
      RangeError,
    );
    assert.equal(identity(), home.identity);
  },
);

test("within the thread's own namespace no privileges are needed", () => {
  const module = JSON.stringify(new URL("namespace.ts", import.meta.url).href);
  const script = `
    const { NetworkNamespace } = await import(${module});
    using home = NetworkNamespace.current();
    process.stdout.write(home.within(() => "there"));`;
  // A process without CAP_SYS_ADMIN, such as a service that may only create interfaces.
  const less = process.getuid?.() === 0 ? "setpriv --bounding-set=-sys_admin" : "env";
  const [program, ...args] = `${less} ${process.execPath} --disable-warning=ExperimentalWarning -e`.split(" ");
  assert.equal(execFileSync(program!, [...args, script], { encoding: "utf8" }), "there");
});

test("`loopbackUp` brings up the loopback interface of its namespace, and of no other", { skip }, () => {
  using made = NetworkNamespace.create();
  using other = NetworkNamespace.create();
  made.loopbackUp();
  assert.equal(made.within(isUp), true);
  assert.equal(other.within(isUp), false);
});

test(
  "a worker enters a namespace by the number of its descriptor; the main thread does not move",
  { skip },
  async () => {
    using home = NetworkNamespace.current();
    using made = NetworkNamespace.create();
    const module = JSON.stringify(new URL("namespace.ts", import.meta.url).href);
    const code = `import(${module}).then(({ NetworkNamespace }) => {
    NetworkNamespace.fromFd(${made.fd}).enter();
    using here = NetworkNamespace.current();
    require("node:worker_threads").parentPort.postMessage(here.identity);
  })`;
    const worker = new Worker(code, { eval: true });
    const theirs = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
    assert.equal(theirs, made.identity);
    using here = NetworkNamespace.current();
    assert.equal(here.identity, home.identity);
  },
);

test("a file that is not a namespace cannot be entered", { skip }, () => {
  using file = NetworkNamespace.at("/dev/null");
  assert.throws(() => file.enter(), { code: "EINVAL" });
});
