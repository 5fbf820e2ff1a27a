/**
 * The model's thread: it executes the driver's register accesses, moves frames between NIC and wire, and runs timers.
 */
import { workerData } from "node:worker_threads";
import { ThreadedPort } from "#bus/threaded-port.ts";
import { RealClock } from "#kit/clock.ts";
import { Poller } from "#sys/poll.ts";
import { memoryWithSums } from "#wire/sum-kernel.ts";
import type { ModelTask } from "./session-messages.ts";
import { ModelSide } from "./model-side.ts";
import { Control, Periodic, runThread } from "./thread.ts";

const CONTROL = 1;
const WIRE = 2;

runThread((port, report) => {
  const task = workerData as ModelTask;
  const memory = memoryWithSums(task.memory);
  using side = new ModelSide(task, { clock: new RealClock(), memory, report });
  using periodic = new Periodic(side);
  const bus = new ThreadedPort(task.channel, side.model, memory);
  const control = new Control(task.control, port, () => {});
  const poller = new Poller([bus.fd, control.fd, -1]);
  report({ report: "ready" });
  while (!control.closing) {
    const work = bus.drain() + side.pump();
    periodic.run();
    if (work > 0 || !bus.sleep()) continue;
    side.arm(poller, WIRE);
    const ready = poller.wait(side.pollTimeout());
    bus.wake();
    if (ready > 0 && poller.ready(CONTROL)) control.handle();
  }
  periodic.publish();
});
