import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { libc } from "./libc.ts";

test("a failed call leaves its error number, until the next failure", () => {
  assert.equal(libc.close(-1), -1);
  assert.equal(errno(), Errno.EBADF);
  assert.equal(libc.setns(0, 0x40000000), -1);
  assert.notEqual(errno(), Errno.EBADF);
});

test("a result that is not negative passes through", () => {
  assert.equal(check(0, "close"), 0);
  assert.equal(check(7, "open"), 7);
});

test("an error has the name of its number, the call, the object of the call, and a hint", () => {
  libc.close(-1);
  assert.throws(
    () => check(-1, "close", "nothing"),
    (error: unknown) => {
      assert.ok(error instanceof SystemError);
      assert.equal(error.code, "EBADF");
      assert.equal(error.name, "SystemError");
      assert.equal(error.errno, Errno.EBADF);
      assert.equal(error.syscall, "close");
      assert.equal(error.message, "close (nothing): Bad file descriptor [EBADF]");
      assert.match(error.hint, /manual page of close/);
      return true;
    },
  );
});

test("an error number with two names has the usual one", () => {
  assert.equal(new SystemError({ errno: Errno.EAGAIN, syscall: "read" }).code, "EAGAIN");
  assert.equal(new SystemError({ errno: Errno.EOPNOTSUPP, syscall: "ioctl" }).code, "EOPNOTSUPP");
});

test("a number without a name keeps its number", () => {
  const error = new SystemError({ errno: 524, syscall: "ioctl" });
  assert.equal(error.code, "E524");
  assert.match(error.message, /524/);
});

test("the hint of a permission error names a command that helps", () => {
  assert.match(new SystemError({ errno: Errno.EPERM, syscall: "ioctl" }).hint, /unshare --user/);
  assert.equal(new SystemError({ errno: Errno.EPERM, syscall: "ioctl", hint: "Ask." }).hint, "Ask.");
});

test("each thread has an errno of its own", async () => {
  // Words: a flag that lets the other thread make its call; a flag that the call was made; the errno of that call. This
  // thread blocks meanwhile, because failing calls of its event loop would change its own errno between the two checks.
  const cells = new Int32Array(new SharedArrayBuffer(12));
  const code = `import(${JSON.stringify(new URL("errno.ts", import.meta.url).href)}).then(async ({ errno }) => {
    const { libc } = await import(${JSON.stringify(new URL("libc.ts", import.meta.url).href)});
    const { parentPort, workerData: cells } = require("node:worker_threads");
    parentPort.postMessage("ready");
    Atomics.wait(cells, 0, 0, 10_000);
    libc.setns(0, 0x7fffffff);
    cells[2] = errno();
    Atomics.store(cells, 1, 1);
    Atomics.notify(cells, 1);
  })`;
  const worker = new Worker(code, { eval: true, workerData: cells });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  libc.close(-1);
  Atomics.store(cells, 0, 1);
  Atomics.notify(cells, 0);
  const waited = Atomics.wait(cells, 1, 0, 10_000);
  const ours = errno();
  const theirs = cells[2];
  await worker.terminate();
  assert.notEqual(waited, "timed-out");
  assert.notEqual(theirs, Errno.EBADF);
  assert.notEqual(theirs, 0);
  assert.equal(ours, Errno.EBADF);
});
