/** A thread that does not end when it is asked to: the time limit, and the error that is reported. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EventFd } from "#sys/eventfd.ts";
import { StartInterrupted, ThreadStuck, WorkerThread } from "./worker-thread.ts";

const LIMITS = { close: 50, terminate: 200 };
const entry = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

/** Runs `act` with a thread that blocks in open(2) until the other end of a FIFO is opened. */
const withStuckThread = async (act: (thread: WorkerThread<object, object>) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  using bell = EventFd.create();
  const code = `import { openSync } from "node:fs"; import { parentPort, workerData } from "node:worker_threads";
    parentPort.postMessage({ report: "opening" }); openSync(workerData.fifo, "r");`;
  const thread = new WorkerThread<object, object>("the thread", entry(code), { fifo }, bell);
  try {
    await thread.until(20_000, (report) => report);
    await act(thread);
  } finally {
    // Once the thread waits in open(2), this call opens the other end of the FIFO, which releases the thread.
    for (;;)
      try {
        closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    await thread.end();
    rmSync(folder, { recursive: true });
  }
};

test("the wait for a thread that is stuck in a system call is limited, and ends with an error", async () => {
  await withStuckThread(async (thread) => {
    await assert.rejects(
      thread.end(LIMITS),
      (error: unknown) => error instanceof ThreadStuck && /the thread is stuck in a system call/.test(error.message),
    );
  });
});

test("a thread that is still starting is abandoned as soon as the command is stopped", async () => {
  await withStuckThread(async (thread) => {
    const stop = new AbortController();
    const started = thread.until(60_000, () => undefined, stop.signal);
    stop.abort();
    await assert.rejects(started, StartInterrupted);
    await assert.rejects(
      thread.until(60_000, () => undefined, stop.signal),
      StartInterrupted,
    );
  });
});

test("a thread that computes forever is terminated, which is not an error", async () => {
  using bell = EventFd.create();
  const code = `import { parentPort } from "node:worker_threads"; parentPort.postMessage({}); for (;;);`;
  const thread = new WorkerThread<object, object>("the thread", entry(code), {}, bell);
  await thread.until(20_000, (report) => report);
  await thread.end({ close: 50, terminate: 20_000 });
});
