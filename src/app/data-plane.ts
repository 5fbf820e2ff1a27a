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
 * Index in the poller of the first of the host's queues. Their descriptors are followed by those that become ready when
 * the device is gone or must be released.
 */
const HOST = 2;

/** A device, and its removal notification if it is removable. */
type Reached = PciDevice &
  Partial<RemovableDevice> & { readonly warnings?: readonly { readonly message: string; readonly hint: string }[] };

/** Number of queues for which the usual DMA memory is enough. With more queues, the DMA memory is larger. */
const USUAL_QUEUES = 2;
const QUEUE_BYTES = 8 << 20;

const open = (task: DeviceTask, queues: number, scope: DisposableStack): Reached => {
  if (task.bus === "threaded") return new ThreadedDevice(task.channel);
  const more = queues > USUAL_QUEUES ? { dmaBytes: QUEUE_BYTES * queues } : {};
  if (task.bus === "vfio-user") return scope.use(VfioUserDevice.connect({ path: task.path, stop: task.stop, ...more }));
  const { address, unsafeNoIommu } = task;
  return scope.use(VfioDevice.open({ address, unsafeNoIommu, ...more }));
};

/**
 * Describes how the threads of other queues access the device.
 * @throws {Misuse} over vfio-user, because register accesses are messages on one socket
 */
const shared = (task: DeviceTask, reached: Reached): QueueReach => {
  if (task.bus === "threaded") return task;
  if (reached instanceof VfioDevice) return { bus: "vfio", card: reached.shared };
  throw new Misuse("a device behind a socket is used by one thread");
};

/** Runs the thread's loop. @param reach opens the device */
const drive = (task: DriverTask, port: MessagePort, report: (report: Report) => void, reach: () => Reached): void => {
  let reached!: Reached;
  const device = (): PciDevice => (reached = reach());
  const threads = (): QueueReach => shared(task.device, reached);
  using driver = new DriverSide(task, { device, reach: threads, clock: new RealClock(), report });
  using periodic = new Periodic(driver);
  const control = new Control(task.control, port, (command) => driver.obey(command));
  const going = [reached.lostFd, reached.troubleFd].filter((fd) => fd !== undefined);
  const hosts = driver.hostFds;
  const poller = new Poller([driver.interruptFd!, control.fd, ...hosts, ...going]);
  const hostReady = (): boolean => hosts.some((_, i) => poller.ready(HOST + i));
  /** @throws the reason that the device must be released */
  const checkDevice = (): void => {
    const why = reached.whyLost?.();
    if (why !== undefined) throw why;
  };
  const { napi } = driver;
  /** Limit of frames read from the host in the next round. */
  let most = BUDGET;
  driver.announce(reached.warnings);
  runNapi(napi, {
    get closing() {
      return control.closing;
    },
    round: () => {
      const more = driver.pump(most) > 0 && driver.more;
      // Once a read finds that the host has no more frames, the host is not read again until poll(2) reports some.
      const drained = driver.hostDrained;
      most = drained ? 0 : BUDGET;
      if (!more) return "idle";
      return drained ? "hostDrained" : "busy";
    },
    lose: (error) => driver.lose(error),
    housekeep: () => {
      driver.operations.run();
      driver.tend();
      periodic.run();
    },
    wait: (block) => {
      const stalled = driver.watchHost(poller, HOST);
      if (poller.wait(block ? (stalled ? 1 : driver.waitMillis) : 0) === 0) {
        // A card may have been removed without this loop having been told yet.
        if (block) checkDevice();
        return;
      }
      if (poller.ready(CONTROL)) control.handle();
      if (poller.ready(INTERRUPT)) napi.interrupt();
      if (hostReady()) {
        // The first frame is sent at once, even if more follow, because its sender may wait for a reply.
        most = block ? 1 : BUDGET;
        napi.schedule();
      }
      for (let i = 0; i < going.length; i++)
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
  let reached: Reached | undefined;
  try {
    drive(task, port, report, () => (reached = open(task.device, task.queues, scope)));
  } catch (error) {
    // If the device was removed, the driver's error is about registers that read as all ones, or about an unknown chip.
    // Only the bus knows the reason.
    throw reached?.whyLost?.() ?? error;
  }
});
