import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Capability, canUnshareUser, hasCapability, whyNoUserNamespace } from "./process.ts";

test("capabilities are read from the kernel", () => {
  if (process.getuid?.() !== 0) assert.equal(typeof hasCapability(Capability.netAdmin), "boolean");
  else assert.equal(hasCapability(0), true);
  assert.equal(hasCapability(63), false);
});

test("`canUnshareUser` is true if and only if the kernel's settings give no reason against user namespaces", () => {
  assert.equal(canUnshareUser(), whyNoUserNamespace() === undefined);
});

test("a child that has called `dieWithParent` dies with its parent", { timeout: 300_000 }, async () => {
  const child = `
    const { dieWithParent } = await import("./process.ts");
    dieWithParent("SIGKILL", Number(process.argv[1]));
    process.stdout.write(process.pid + "\\n");
    setTimeout(() => {}, 600_000);`;
  const parent = `
    import { spawn } from "node:child_process";
    spawn(process.execPath, ["--input-type=module", "--eval", ${JSON.stringify(child)}, String(process.pid)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    setTimeout(() => {}, 600_000);`;
  const middle = spawn(process.execPath, ["--input-type=module", "--eval", parent], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [text] = (await once(middle.stdout, "data")) as [Buffer];
  const pid = Number(text.toString());
  process.kill(pid, 0);
  middle.kill("SIGKILL");
  // The pipe ends when its last writer, the grandchild, is gone too.
  await once(middle.stdout.resume(), "end");
});

test("a child whose parent had died before the call dies at once", { timeout: 300_000 }, async () => {
  const code = `
    const { dieWithParent } = await import("./process.ts");
    dieWithParent("SIGKILL", 1 << 30);
    setTimeout(() => {}, 600_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { cwd: import.meta.dirname });
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL");
});

/** A module's URL as a string literal, for code that is passed as text. */
const url = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

test("a process exits although one of its threads is blocked in a system call", { timeout: 300_000 }, async () => {
  const stuck = `
    Promise.all([import("node:worker_threads"), import(${url("libc.ts")}), import(${url("memory.ts")})]).then(
      ([{ parentPort }, { libc }, { Struct }]) => {
        const [never, into] = [libc.eventfd(0, 0), new Struct(8)];
        parentPort.postMessage("");
        libc.read(never, into.address, 8n);
      },
    );`;
  const code = `
    import { Worker } from "node:worker_threads";
    import { exitNow } from ${url("process.ts")};
    new Worker(${JSON.stringify(stuck)}, { eval: true }).on("message", () => setTimeout(() => exitNow(7), 50));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: "inherit" });
  const [status] = (await once(child, "exit")) as [number | null];
  assert.equal(status, 7);
});
