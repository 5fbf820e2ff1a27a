/**
 * Driver and model in one thread, with the model on the direct bus: register accesses are calls, and no thread waits
 * for another. With few cores this is faster than two threads, because no time is spent on waking a thread.
 */
import { workerData } from "node:worker_threads";
import { DirectDevice } from "#bus/direct.ts";
import { type Clock, RealClock } from "#kit/clock.ts";
import { Poller } from "#sys/poll.ts";
import { memoryWithSums } from "#wire/sum-kernel.ts";
import { DriverSide } from "./driver-side.ts";
import type { OneThreadTask } from "./session-messages.ts";
import { ModelSide } from "./model-side.ts";
import { runNapi } from "./napi.ts";
import { Control, Periodic, runThread } from "./thread.ts";

const CONTROL = 0;
const WIRE = 1;
/** Index in the poller of the first host queue's descriptor. */
const HOST = 2;

runThread((port, report) => {
  const { driver: driverTask, model: modelTask } = workerData as OneThreadTask;
  const clock = new RealClock();
  const memory = memoryWithSums(modelTask.memory);
  using side = new ModelSide(modelTask, { clock, memory, report });
  const { name, dmaBytes, rules } = modelTask.channel;
  using device = new DirectDevice(side.model, { name, registers: rules.registers, dmaBytes, memory, vectors: 32 });
  // While the driver waits for the model, the model's timers run.
  const waiting: Clock = {
    now: () => clock.now(),
    delay: (micros) => {
      clock.delay(micros);
      side.elapse();
    },
  };
  using driver = new DriverSide(driverTask, { device: () => device, clock: waiting, report });
  using periodic = new Periodic(driver, side);
  const control = new Control(driverTask.control, port, (command) => driver.handleCommand(command));
  const hosts = driver.hostFds;
  const poller = new Poller([control.fd, -1, ...hosts]);
  driver.announce();
  const { napi } = driver;
  runNapi(napi, {
    get closing() {
      return control.closing;
    },
    round: () => {
      // The model runs first, because some of its events, such as link up, come only from its timers.
      const received = side.pump();
      napi.interrupt();
      return received + driver.pump() > 0 ? "busy" : "idle";
    },
    handleError: (error) => driver.handleError(error),
    housekeep: () => {
      driver.operations.run();
      driver.runWatchdog();
      periodic.run();
    },
    wait: (block) => {
      driver.watchHost(poller, HOST);
      side.arm(poller, WIRE);
      const longest = block ? driver.waitMillis : 0;
      if (poller.wait(Math.min(side.pollTimeout(), longest)) > 0 && poller.ready(CONTROL)) control.handle();
    },
  });
  periodic.publish();
});
