/**
 * Brings a NIC up. Allocates the memory that the threads share, starts the threads in order, and releases everything at
 * the end.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { createChannel } from "#bus/threaded-channel.ts";
import { Revoked, Timeout } from "#kit/errors.ts";
import { LEASE_WORDS } from "#kit/lease.ts";
import { randomStationAddress } from "#kit/station-address.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { InterfaceNameInUse, Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { entryUrl, prepareThreads } from "./compiled-code.ts";
import { EventFeed } from "./event-feed.ts";
import { Follower } from "./follower.ts";
import type { Argument } from "./argument.ts";
import { modelChip, modelPage } from "./model-page.ts";
import type { Command, DeviceTask, DriverTask, ModelTask, OneThreadTask, OpenTap, Report } from "./session-messages.ts";
import type {
  DeviceSpec,
  HostSpec,
  ModelSpec,
  Session,
  SessionEvent,
  SessionFacts,
  SessionOptions,
} from "./session.ts";
import { Requests } from "./requests.ts";
import { StatisticsReader, statisticsMemory } from "./statistics-page.ts";
import {
  DRIVER_COUNTERS,
  QUEUE_COUNTERS,
  QUEUE_THREAD_COUNTERS,
  type QueueCounts,
  type Statistics,
  WIRE_COUNTERS,
} from "./counters.ts";
import type { QueueChannel } from "./queue-messages.ts";
import { socketsOf } from "./wires/wire-spec.ts";
import { WorkerThread } from "./worker-thread.ts";

type Thread = WorkerThread<Command, Report>;

/**
 * Size of DMA memory in bytes, with room for the rings, receive buffers for the largest MTU, and the arena for outgoing
 * frames.
 */
const DMA_BYTES = 32 << 20;
/** Size of DMA memory in bytes per queue; it applies if the total for all queues is greater than DMA_BYTES. */
const QUEUE_BYTES = 8 << 20;
/**
 * Size in bytes of the memory after the DMA window. It holds frames on their way between the NIC and a TAP at the far
 * end of the wire.
 */
const STAGING_BYTES = 1 << 20;
/** Default time in seconds to wait for a card. A lost PCI Express link is back within a second. */
const WAIT_SECONDS = 2;
const WASM_PAGE = 1 << 16;
/**
 * Time limit in milliseconds for a thread to start. A start takes a tenth of a second, but half a minute in an emulated
 * guest on a busy machine.
 */
const START_LIMIT_MILLIS = 120_000;

// TypeScript declares WebAssembly only in its browser library.
declare const WebAssembly: {
  readonly Memory: new (options: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/**
 * Rejects the name of an existing interface before any file is opened. With `prepared`, a persistent TAP is accepted,
 * because it was prepared for a user who may not create one.
 */
const refuseTakenName = ({ name, namespace }: HostSpec, prepared = false, queues = 1): void => {
  const checkName = (): void => {
    using interfaces = Interfaces.open();
    if (!interfaces.has(name)) return;
    if (!prepared) throw new InterfaceNameInUse(name);
    // This succeeds only for a persistent TAP that no other process has open.
    Tap.open(name, { vnetHeader: true, multiQueue: queues > 1 })[Symbol.dispose]();
  };
  if (namespace === undefined) checkName();
  else NetworkNamespace.fromFd(namespace).within(checkName);
};

interface Started {
  readonly thread: Thread;
  readonly facts: SessionFacts | undefined;
  readonly tap: OpenTap | undefined;
}
type Start = (
  what: string,
  file: `./${string}.ts`,
  task: DriverTask | ModelTask | OneThreadTask | QueueChannel,
  bell: EventFd,
  ports?: readonly MessagePort[],
) => Promise<Started>;

/** The two ends of the channel between the NIC's thread and a queue's thread, and the eventfd that wakes the latter. */
interface QueuePlan {
  readonly lead: QueueChannel;
  readonly queue: QueueChannel;
  readonly bell: EventFd;
}

const planQueue = (scope: DisposableStack): QueuePlan => {
  const { port1, port2 } = new MessageChannel();
  const bell = scope.use(EventFd.create());
  const shared = {
    bell: bell.number,
    lease: new SharedArrayBuffer(4 * LEASE_WORDS),
    statistics: statisticsMemory(QUEUE_THREAD_COUNTERS),
  };
  return { lead: { ...shared, port: port1 }, queue: { ...shared, port: port2 }, bell };
};

/** Describes to the driver's thread how to reach a device outside this process. */
const reach = (device: Exclude<DeviceSpec, ModelSpec>, stop: number): DeviceTask => {
  if (device.kind === "vfio-user") return { bus: "vfio-user", path: device.path, stop };
  return { bus: "vfio", address: device.address, unsafeNoIommu: device.unsafeNoIommu };
};

/** Memory shared by driver and model: registers, and memory for rings, frames and the far end. */
const modelChannel = (
  { chip }: ModelSpec,
  { queues, threads }: { readonly queues: number; readonly threads: number },
  scope: DisposableStack,
): Pick<ModelTask, "channel" | "memory"> => {
  const dmaBytes = Math.max(DMA_BYTES, QUEUE_BYTES * queues);
  // The memory is shared WebAssembly memory, because the model's checksum engine requires that.
  const pages = (dmaBytes + STAGING_BYTES) / WASM_PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return {
    channel: createChannel(scope, {
      name: `model:${chip}`,
      rules: modelPage(modelChip(chip)),
      dma: memory.buffer,
      dmaBytes,
      threads,
    }),
    memory,
  };
};

/**
 * Brings up one NIC. Resolves when it is up, which is before it has a carrier.
 * @param stop aborts the start
 * @throws the errors of starting threads: no permission for TAP, name in use, unknown chip, …
 */
export const openSession = async (options: SessionOptions, stop?: AbortSignal): Promise<Session> => {
  const { device, queues = 1, queueThreads = false } = options;
  await prepareThreads(() =>
    Promise.all([
      import("./data-plane.ts"),
      ...(device.kind === "model" ? [import("./one-thread.ts"), import("./model-thread.ts")] : []),
      ...(queueThreads ? [import("./queue-thread.ts")] : []),
    ]),
  );
  refuseTakenName(options.host, true, options.queues);
  if (device.kind === "model" && device.wire.kind === "tap") refuseTakenName(device.wire);
  await using scope = new AsyncDisposableStack();
  const shared = scope.use(new DisposableStack());
  const plans = Array.from({ length: queueThreads ? queues - 1 : 0 }, () => planQueue(shared));
  const memory = {
    queues: Array.from({ length: queues }, () => statisticsMemory(QUEUE_COUNTERS)),
    driver: statisticsMemory(DRIVER_COUNTERS),
    wire: statisticsMemory(WIRE_COUNTERS),
  };
  const bells = { model: shared.use(EventFd.create()), driver: shared.use(EventFd.create()) };

  const stopConnecting = shared.use(EventFd.create());
  const early: SessionEvent[] = [];
  const start: Start = async (what, file, task, bell, ports) => {
    const thread: Thread = new WorkerThread(what, entryUrl(file, import.meta.url), task, bell, ports);
    scope.defer(() => {
      stopConnecting.signal();
      return thread.end();
    });
    const ready = await thread.until(
      START_LIMIT_MILLIS,
      (report) => {
        if (report.report === "event") early.push(report.event);
        return report.report === "ready" ? report : undefined;
      },
      stop,
    );
    return { thread, facts: ready.facts, tap: ready.tap };
  };
  const driverTask = (task: DeviceTask): DriverTask => ({
    device: task,
    host: options.host,
    mtu: options.mtu,
    rings: options.rings,
    queues,
    queueThreads: plans.map(({ lead }) => lead),
    aspm: options.aspm,
    address: options.address,
    wake: options.wake,
    firmware: options.firmware,
    capture: options.captureHost,
    withoutLinkMicros: options.sleepWithoutLink === undefined ? undefined : options.sleepWithoutLink * 1e6,
    waitMicros: (options.waitForCard ?? WAIT_SECONDS) * 1e6,
    statistics: memory.driver,
    queueStatistics: memory.queues,
    control: bells.driver.number,
  });
  const leadPorts = plans.map(({ lead }) => lead.port);
  const threads: Thread[] = [];
  /**
   * Starts the threads of the queues. They must be started before the driver's thread, which lends them rings, and
   * after the model's thread, to which they write. Threads end in reverse order, so that each ends before the threads
   * that it uses.
   */
  const startQueues = async (): Promise<void> => {
    const started = await Promise.all(
      plans.map(({ queue, bell }, i) =>
        start(`the thread of queue ${i + 1}`, "./queue-thread.ts", queue, bell, [queue.port]),
      ),
    );
    threads.push(...started.map(({ thread }) => thread));
  };
  let driver: Started;
  if (device.kind !== "model") {
    await startQueues();
    driver = await start(
      "the driver's thread",
      "./data-plane.ts",
      driverTask(reach(device, stopConnecting.number)),
      bells.driver,
      leadPorts,
    );
  } else {
    const channel = modelChannel(device, { queues, threads: 1 + plans.length }, shared);
    const modelTask: ModelTask = {
      ...channel,
      chip: device.chip,
      mac: formatMac(randomStationAddress()),
      wire: device.wire,
      socketMode: device.socketMode,
      mtu: options.mtu,
      capture: device.capture,
      statistics: memory.wire,
      control: bells.model.number,
    };
    const task = driverTask({ bus: "threaded", channel: channel.channel });
    if (device.threads === 2 || plans.length > 0) {
      const model = await start("the model's thread", "./model-thread.ts", modelTask, bells.model);
      model.thread.leaves(socketsOf(device.wire));
      threads.push(model.thread);
      await startQueues();
      driver = await start("the driver's thread", "./data-plane.ts", task, bells.driver, leadPorts);
    } else {
      driver = await start(
        "the data-plane thread",
        "./one-thread.ts",
        { driver: task, model: modelTask },
        bells.driver,
      );
      driver.thread.leaves(socketsOf(device.wire));
    }
  }
  threads.push(driver.thread);
  if (driver.facts === undefined) throw new Error("the driver's thread sent no facts about the NIC");
  if (driver.tap === undefined) throw new Error("the driver's thread gave no descriptor of its TAP");
  const taken = { ...driver, facts: driver.facts, tap: Tap.owning(driver.tap.number, driver.tap) };
  return new OpenSession(taken, { threads, memory, early }, scope.move());
};

class OpenSession implements Session {
  #facts: SessionFacts;
  readonly #follower: Follower;
  readonly #driverCounters: StatisticsReader<(typeof DRIVER_COUNTERS)[number]>;
  readonly #queueCounters: readonly StatisticsReader<keyof QueueCounts>[];
  readonly #wireCounters: StatisticsReader<(typeof WIRE_COUNTERS)[number]>;
  readonly #scope: AsyncDisposableStack;
  // When a thread has failed, its interface is removed, so the follower stops polling the interface and closes its
  // descriptor of the TAP.
  readonly #events = new EventFeed<SessionEvent>((failure) => {
    this.#follower[Symbol.dispose]();
    this.#requests.end(failure);
  });
  readonly #requests: Requests;
  readonly #driver: Thread;
  #closing: Promise<void> | undefined;

  constructor(
    driver: { readonly facts: SessionFacts; readonly thread: Thread; readonly tap: Tap },
    {
      threads,
      memory,
      early,
    }: {
      readonly threads: readonly Thread[];
      readonly memory: {
        readonly driver: SharedArrayBuffer;
        readonly queues: readonly SharedArrayBuffer[];
        readonly wire: SharedArrayBuffer;
      };
      readonly early: readonly SessionEvent[];
    },
    scope: AsyncDisposableStack,
  ) {
    this.#facts = driver.facts;
    this.#driver = driver.thread;
    this.#driverCounters = new StatisticsReader(memory.driver, DRIVER_COUNTERS);
    this.#queueCounters = memory.queues.map((each) => new StatisticsReader(each, QUEUE_COUNTERS));
    this.#wireCounters = new StatisticsReader(memory.wire, WIRE_COUNTERS);
    this.#requests = new Requests((command) => driver.thread.send(command));
    this.#follower = scope.use(
      new Follower({
        tap: driver.tap,
        send: (command) => driver.thread.send(command),
        report: (event) => this.#events.push(event),
      }),
    );
    this.#scope = scope;
    for (const thread of threads)
      thread.listen(
        (report) => this.#handleReport(report),
        (error) => this.#events.fail(error),
      );
    for (const event of early) this.#events.push(event);
  }

  get facts(): SessionFacts {
    return this.#facts;
  }

  get interfaceName(): string {
    return this.#follower.name;
  }

  statistics(): Statistics {
    const queues = this.#queueCounters.map((counters) => counters.read());
    return { ...this.#driverCounters.read(), ...this.#wireCounters.read(), queues };
  }

  operate(operation: string, argument: Argument, limitMillis?: number): Promise<object> {
    return this.#requests.ask(operation, argument, limitMillis);
  }

  onEvent(listener: (event: SessionEvent) => void): void {
    this.#events.listen(listener);
  }

  async carrier(limitMillis: number): Promise<void> {
    const end = performance.now() + limitMillis;
    while (this.#driverCounters.read().linkUp === 0) {
      if (this.#events.failure !== undefined) throw this.#events.failure;
      if (this.#closing !== undefined) throw new Revoked("the session");
      if (performance.now() >= end) throw new Timeout({ what: "carrier", waitedMicros: limitMillis * 1000 });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  close({ wake = false } = {}): Promise<void> {
    if (wake && this.#closing === undefined) this.#driver.send({ command: "handOver" });
    this.#events.close();
    this.#requests.end(new Revoked("the session"));
    this.#closing ??= this.#scope.disposeAsync();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handleReport(report: Report): void {
    if (report.report === "answer") this.#requests.handleAnswer(report);
    if (report.report === "facts") this.#facts = report.facts;
    if (report.report === "mtuRefused") this.#follower.refuse(report.mtu, report.error);
    if (report.report !== "event") return;
    if (report.event.kind === "carrier") this.#follower.carrier(report.event);
    this.#events.push(report.event);
  }
}
