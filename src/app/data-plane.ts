/**
 * The driver's thread, used if the device is not in the same thread. It polls while there is work, and otherwise waits
 * in one poll(2).
 */
import { type MessagePort, workerData } from "node:worker_threads";
import { ThreadedDevice } from "#bus/threaded.ts";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { VfioDevice } from "#bus/vfio/device.ts";
import { RealClock } from "#kit/clock.ts";
import type { PciDevice, RemovableDevice } from "#kit/device.ts";
import { Misuse } from "#kit/errors.ts";
import { Poller } from "#sys/poll.ts";
import { DriverSide } from "./driver-side.ts";
import type { QueueReach } from "./queue-messages.ts";
import type { DeviceTask, DriverTask, Report } from "./session-messages.ts";
import { BUDGET, runNapi } from "./napi.ts";
import { Control, Periodic, runThread } from "./thread.ts";

const INTERRUPT = 0;
const CONTROL = 1;
/**
 * Index in the poller of the first host queue's descriptor. After the descriptors of all host queues come those that
 * become ready when the device is gone or must be released.
 */
const HOST = 2;

/** A device, and its removal notification if it is removable. */
type OpenedDevice = PciDevice &
  Partial<RemovableDevice> & { readonly warnings?: readonly { readonly message: string; readonly hint: string }[] };

/** Number of queues for which the usual DMA memory is enough. With more queues, the DMA memory is larger. */
const DEFAULT_QUEUES = 2;
const QUEUE_BYTES = 8 << 20;

const open = (task: DeviceTask, queues: number, scope: DisposableStack): OpenedDevice => {
  if (task.bus === "threaded") return new ThreadedDevice(task.channel);
  const more = queues > DEFAULT_QUEUES ? { dmaBytes: QUEUE_BYTES * queues } : {};
  if (task.bus === "vfio-user") return scope.use(VfioUserDevice.connect({ path: task.path, stop: task.stop, ...more }));
  const { address, unsafeNoIommu } = task;
  return scope.use(VfioDevice.open({ address, unsafeNoIommu, ...more }));
};

/**
 * Describes how the threads of other queues access the device.
 * @throws {Misuse} over vfio-user, because register accesses are messages on one socket
 */
const shared = (task: DeviceTask, opened: OpenedDevice): QueueReach => {
  if (task.bus === "threaded") return task;
  if (opened instanceof VfioDevice) return { bus: "vfio", card: opened.shared };
  throw new Misuse("a device behind a socket can be used by only one thread");
};

/** Runs the thread's loop. @param openDevice opens the device */
const drive = (
  task: DriverTask,
  port: MessagePort,
  report: (report: Report) => void,
  openDevice: () => OpenedDevice,
): void => {
  let opened!: OpenedDevice;
  const device = (): PciDevice => (opened = openDevice());
  const threads = (): QueueReach => shared(task.device, opened);
  using driver = new DriverSide(task, { device, reach: threads, clock: new RealClock(), report });
  using periodic = new Periodic(driver);
  const control = new Control(task.control, port, (command) => driver.handleCommand(command));
  const removalFds = [opened.lostFd, opened.busErrorFd].filter((fd) => fd !== undefined);
  const hosts = driver.hostFds;
  const poller = new Poller([driver.interruptFd!, control.fd, ...hosts, ...removalFds]);
  const hostReady = (): boolean => hosts.some((_, i) => poller.ready(HOST + i));
  /** @throws the reason that the device must be released */
  const checkDevice = (): void => {
    const why = opened.whyLost?.();
    if (why !== undefined) throw why;
  };
  const { napi } = driver;
  /** Maximum number of frames that the next round reads from the host. */
  let budget = BUDGET;
  driver.announce(opened.warnings);
  runNapi(napi, {
    get closing() {
      return control.closing;
    },
    round: () => {
      const more = driver.pump(budget) > 0 && driver.more;
      // Once a read finds that the host has no more frames, the host is not read again until poll(2) reports some.
      const drained = driver.hostDrained;
      budget = drained ? 0 : BUDGET;
      if (!more) return "idle";
      return drained ? "hostDrained" : "busy";
    },
    handleError: (error) => driver.handleError(error),
    housekeep: () => {
      driver.operations.run();
      driver.runWatchdog();
      periodic.run();
    },
    wait: (block) => {
      const stalled = driver.watchHost(poller, HOST);
      if (poller.wait(block ? (stalled ? 1 : driver.waitMillis) : 0) === 0) {
        // The card may have been removed although no descriptor has reported that yet.
        if (block) checkDevice();
        return;
      }
      if (poller.ready(CONTROL)) control.handle();
      if (poller.ready(INTERRUPT)) napi.interrupt();
      if (hostReady()) {
        // The first frame is sent at once, even if more follow, because its sender may wait for a reply.
        budget = block ? 1 : BUDGET;
        napi.schedule();
      }
      for (let i = 0; i < removalFds.length; i++)
        if (poller.ready(HOST + hosts.length + i)) {
          checkDevice();
          napi.checkPresence();
        }
    },
  });
  periodic.publish();
};

runThread((port, report) => {
  const task = workerData as DriverTask;
  using scope = new DisposableStack();
  let opened: OpenedDevice | undefined;
  try {
    drive(task, port, report, () => (opened = open(task.device, task.queues, scope)));
  } catch (error) {
    // If the device was removed, the driver's error only says that registers read as all ones, or that the chip is
    // unknown. The bus knows the real reason.
    throw opened?.whyLost?.() ?? error;
  }
});
