/** The driver's thread, where the device is elsewhere: works while there is work, and waits in one poll(2). */
import { workerData } from "node:worker_threads";
import { ThreadedDevice } from "#bus/threaded.ts";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { RealClock } from "#kit/clock.ts";
import type { PciDevice } from "#kit/device.ts";
import { Poller } from "#sys/poll.ts";
import { DriverSide } from "./driver-side.ts";
import type { DeviceTask, DriverTask } from "./messages.ts";
import { MODEL_PAGE } from "./model-page.ts";
import { Control, Housekeeping, runThread } from "./thread.ts";

const INTERRUPT = 0;
const HOST = 1;
const CONTROL = 2;
/** The device's own socket: it is ready when the device has gone. */
const LOST = 3;
const LONGEST_WAIT_MILLIS = 250;

const open = (task: DeviceTask, scope: DisposableStack): PciDevice & { readonly lostFd?: number } =>
  task.bus === "threaded"
    ? new ThreadedDevice(task.channel, MODEL_PAGE)
    : scope.use(VfioUserDevice.connect({ path: task.path }));

runThread((port, report) => {
  const task = workerData as DriverTask;
  using scope = new DisposableStack();
  let lostFd: number | undefined;
  const device = (): PciDevice => {
    const opened = open(task.device, scope);
    ({ lostFd } = opened);
    return opened;
  };
  using driver = new DriverSide(task, { device, clock: new RealClock(), report });
  using chores = new Housekeeping(driver);
  const control = new Control(task.control, port, (mtu) => driver.setMtu(mtu));
  const poller = new Poller([
    driver.interruptFd!,
    driver.hostFd,
    control.fd,
    ...(lostFd === undefined ? [] : [lostFd]),
  ]);
  const look = (timeoutMillis: number): void => {
    poller.include(HOST, !driver.stalled);
    if (poller.wait(timeoutMillis) === 0) return;
    if (poller.ready(CONTROL)) control.hear();
    if (poller.ready(INTERRUPT)) driver.interrupt();
    if (lostFd !== undefined && poller.ready(LOST)) driver.look();
  };
  report({ report: "ready", facts: driver.facts() });
  for (let round = 0; !control.closing; round++) {
    const work = driver.pump();
    if (work > 0 && (round & 15) !== 0) continue;
    chores.run();
    if (work > 0) look(0);
    else if (driver.rest()) look(driver.stalled ? 1 : LONGEST_WAIT_MILLIS);
  }
  chores.publish();
});
